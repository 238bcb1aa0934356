"""Who may call over HTTP with a token of an OAuth issuer, and what clients are told to get one."""

import hmac
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from math import inf, nan
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode

from seedance_mcp.mcp_server.auth._issuer import FETCH_SECONDS, UnusableIssuer, fetch_keys
from seedance_mcp.mcp_server.auth._jwts import ALGORITHMS, principal_name
from seedance_mcp.mcp_server.auth._keys import (
    FRESH_SECONDS,
    RETRY_SECONDS,
    USABLE_SECONDS,
    IssuerKeys,
)
from seedance_mcp.mcp_server.auth._refusals import Refused
from seedance_mcp.mcp_server.auth.access_tokens import add_token
from seedance_mcp.mcp_server.auth.authentication import Ways
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import ARGUMENTS
from tests.support.http_client import HttpClient, open_http_server
from tests.support.issuer import AUDIENCE, BOTH, Issuer, curve_key, rsa_key, run_issuer
from tests.support.server_process import INITIALIZE
from tests.support.small_clip import render_small_clip

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

METADATA_URL = "https://video.example/.well-known/oauth-protected-resource/mcp"
BEGIN = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}

WRONG_SIGNATURE = "The signature of the token is wrong, or its key is unknown."
NOT_A_JWT = "The token is not a valid JWT."
NOT_FOR_CALLS = "The token is not an access token."
ANOTHER_AUDIENCE = "The token is for another audience."
LACKS_A_CLAIM = "The token lacks exp, iss or aud."
UNKNOWN_ALGORITHM = f"The token must be signed with one of {', '.join(ALGORITHMS)}."


class Scene:
    """A server, its issuer and its RunComfy."""

    def __init__(self, http: httpx.AsyncClient, issuer: Issuer, simulator: Simulator) -> None:
        self.http = http
        self.issuer = issuer
        self.simulator = simulator

    async def post(self, token: str | None, body: Any = BEGIN, **more: Any) -> httpx.Response:
        """Post JSON or bytes with a token."""
        headers: dict[str, str] = more.pop("headers", {})
        if token is not None:
            headers = {"Authorization": f"Bearer {token}", **headers}
        sent: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.http.post("/mcp", headers=headers, **sent, **more)

    async def refusal(self, token: str) -> tuple[int, str]:
        """Return the status and the message that a token is answered with."""
        answer = await self.post(token)
        failed = answer.status_code >= 400
        return answer.status_code, answer.json()["error"]["message"] if failed else ""


@asynccontextmanager
async def opened(folder: Path, issuer: Issuer, **settings: Any) -> AsyncGenerator[Scene, None]:
    oauth: dict[str, Any] = {"auth_issuer": issuer.url, "auth_audience": issuer.audience}
    async with (
        running(Behaviour(images="never"), render=render_small_clip) as simulator,
        open_http_server(simulator, folder, **(oauth | settings)) as http,
    ):
        yield Scene(http, issuer, simulator)


@pytest.fixture
async def issuer() -> AsyncGenerator[Issuer, None]:
    async with run_issuer() as running_issuer:
        yield running_issuer


@pytest.fixture
async def scene(tmp_path: Path, issuer: Issuer) -> AsyncGenerator[Scene, None]:
    async with opened(tmp_path, issuer) as opened_scene:
        yield opened_scene


async def test_a_request_without_a_token_is_told_where_to_get_one(scene: Scene) -> None:
    answer = await scene.post(None)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (
        401,
        f'Bearer scope="seedance:read seedance:spend", resource_metadata="{METADATA_URL}"',
    )
    assert scene.issuer.requests == []


async def test_the_metadata_names_the_issuer_byte_for_byte(tmp_path: Path, issuer: Issuer) -> None:
    issuer.url = f"{issuer.origin}/"
    async with opened(tmp_path, issuer) as scene:
        at = "/.well-known/oauth-protected-resource"
        answer = await scene.http.get(f"{at}/mcp")
        for path in (at, f"{at}/"):
            assert (await scene.http.get(path)).json() == answer.json()
        assert (await scene.http.get(f"{at}/other")).status_code == 404
        assert (await scene.http.post(at)).status_code == 405
    assert answer.json() == {
        "resource": AUDIENCE,
        "authorization_servers": [f"{issuer.origin}/"],
        "scopes_supported": ["seedance:read", "seedance:spend"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Seedance video",
    }
    assert answer.headers["Cache-Control"] == "max-age=3600"


@pytest.mark.parametrize(
    ("host", "resource"),
    [
        ("localhost:8000", "http://localhost:8000/mcp"),
        ("[::1]:8000", "http://[::1]:8000/mcp"),
    ],
)
async def test_an_audience_that_is_no_url_leaves_the_resource_to_the_url_of_the_request(
    tmp_path: Path, issuer: Issuer, host: str, resource: str
) -> None:
    issuer.audience = "seedance"
    async with opened(tmp_path, issuer) as scene:
        found = await scene.http.get(
            "/.well-known/oauth-protected-resource", headers={"Host": host}
        )
        refused = await scene.post(None, headers={"Host": host})
        let_in = await scene.post(issuer.token())
    assert found.json()["resource"] == resource
    assert found.headers["Cache-Control"] == "no-store"
    origin = resource.removesuffix("/mcp")
    url = f"{origin}/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{url}"' in refused.headers["WWW-Authenticate"]
    assert let_in.status_code == 200


async def test_a_caller_with_a_token_makes_a_clip_in_both_eras(scene: Scene) -> None:
    scene.http.headers["Authorization"] = f"Bearer {scene.issuer.token()}"
    client = HttpClient(scene.http)
    await client.initialize()
    made = await client.call("generate_video", **ARGUMENTS)
    again = await client.call_without_session("generate_video", **ARGUMENTS, force_new=True)
    assert made["structuredContent"]["status"] == "completed"
    assert again["structuredContent"]["status"] == "completed"
    assert len(scene.simulator.accepted) == 2
    # The keys are kept.
    assert scene.issuer.requests == [scene.issuer.metadata_path, "/keys"]


VALID: dict[str, dict[str, Any]] = {
    "as an RFC 9068 token": {"headers": {"typ": "at+JWT"}},
    "of no type": {"headers": {"typ": None}},
    "for several audiences": {"aud": ["https://other.example", AUDIENCE]},
    "with a fraction of a second": {"exp": 4_000_000_000.75},
    "expired within the leeway": {"expires_in": -1},
    "with scopes in a list": {"scope": BOTH.split()},
    "with scopes in scp": {"scope": None, "scp": BOTH},
    "with scopes in a list in scp": {"scope": None, "scp": BOTH.split()},
    "of a client": {"sub": None, "client_id": "a-pipeline"},
    "of an authorized party": {"sub": None, "azp": "a-pipeline"},
    "with a jku that is ignored": {"headers": {"jku": "https://evil.example/keys"}},
    "with a key that is ignored": {"headers": {"jwk": {"kty": "oct", "k": "AAAA"}}},
}


async def test_valid_tokens_let_in(scene: Scene) -> None:
    answers = {name: await scene.refusal(scene.issuer.token(**VALID[name])) for name in VALID}
    assert answers == dict.fromkeys(VALID, (200, ""))


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"expires_in": -60}, "The token has expired."),
    "that never expires": ({"exp": None}, LACKS_A_CLAIM),
    "that expires at infinity": ({"exp": inf}, NOT_A_JWT),
    "that expires at no number": ({"exp": nan}, NOT_A_JWT),
    "that expires at a list": ({"exp": [1]}, NOT_A_JWT),
    "not valid yet": ({"begins_in": 600}, "The token is not valid yet."),
    "for another audience": ({"aud": "https://other.example/mcp"}, ANOTHER_AUDIENCE),
    "for a part of the audience": ({"aud": AUDIENCE[:-1]}, ANOTHER_AUDIENCE),
    "for no audience": ({"aud": None}, LACKS_A_CLAIM),
    "for an odd audience": ({"aud": {AUDIENCE: 1}}, ANOTHER_AUDIENCE),
    "of another issuer": ({"iss": "https://evil.example"}, "The token is of another issuer."),
    "of no issuer": ({"iss": None}, LACKS_A_CLAIM),
    "of no one": ({"sub": None}, "The token names neither a subject nor a client."),
    "of a subject that is no text": ({"sub": 7, "client_id": "c"}, NOT_A_JWT),
    "of an empty subject": (
        {"sub": "", "client_id": "c"},
        "The token names neither a subject nor a client.",
    ),
    "signed with another key": ({"key": curve_key()}, WRONG_SIGNATURE),
    "with an unknown key": ({"headers": {"kid": "../../keys"}}, WRONG_SIGNATURE),
    "with a URL as its key": ({"headers": {"kid": "https://evil.example/k"}}, WRONG_SIGNATURE),
    "with an extension": ({"headers": {"crit": ["x"], "x": 1}}, NOT_A_JWT),
    "of another type": ({"headers": {"typ": "logout+jwt"}}, NOT_FOR_CALLS),
    "that is not signed": ({"key": "", "algorithm": "none"}, UNKNOWN_ALGORITHM),
    "signed with a shared secret": ({"key": "x" * 64, "algorithm": "HS256"}, UNKNOWN_ALGORITHM),
}


async def test_tokens_that_are_not_valid_let_no_one_in(scene: Scene) -> None:
    answers = {
        name: await scene.refusal(scene.issuer.token(**INVALID[name][0])) for name in INVALID
    }
    assert answers == {name: (401, said) for name, (_, said) in INVALID.items()}
    answer = await scene.post("x.y.z")
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer error="invalid_token", error_description="{NOT_A_JWT}",'
        f' scope="seedance:read seedance:spend", resource_metadata="{METADATA_URL}"'
    )


async def test_the_public_key_is_not_taken_for_a_shared_secret(scene: Scene) -> None:
    public = scene.issuer.keys["first"].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    payload = scene.issuer.token().split(".")[1]
    header = base64url_encode(json.dumps({"alg": "HS256", "kid": "first"}).encode()).decode()
    signature = hmac.digest(pem, f"{header}.{payload}".encode(), "sha256")
    token = f"{header}.{payload}.{base64url_encode(signature).decode()}"
    assert await scene.refusal(token) == (401, UNKNOWN_ALGORITHM)


async def test_garbage_lets_no_one_in_and_asks_the_issuer_nothing(scene: Scene) -> None:
    garbage = ["a.b.c", "..", "e30.e30.e30", f"{'[' * 900}.a.b", "a.b.c.d.e", "x", "."]
    answers = {token: (await scene.refusal(token))[0] for token in garbage}
    assert answers == dict.fromkeys(garbage, 401)
    assert scene.issuer.requests == []


async def test_a_header_with_an_endless_token_is_malformed(scene: Scene) -> None:
    status, said = await scene.refusal(scene.issuer.token(padding="x" * 8192))
    assert (status, said) == (400, "The header Authorization is longer than 8192 bytes.")
    assert scene.issuer.requests == []


async def test_rsa_and_tokens_without_a_key_id_are_checked_with_all_keys(scene: Scene) -> None:
    scene.issuer.keys["second"] = rsa_key()
    for algorithm in ("RS256", "RS512", "PS384"):
        token = scene.issuer.token(algorithm=algorithm, headers={"kid": None})
        assert await scene.refusal(token) == (200, "")
    scene.issuer.keys["third"] = curve_key()
    await anyio.sleep(FRESH_SECONDS + 1)
    assert await scene.refusal(scene.issuer.token(headers={"kid": None})) == (200, "")


# Signing with it warns, too.
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_key_that_is_too_short_lets_no_one_in(scene: Scene) -> None:
    scene.issuer.keys["short"] = rsa_key(1024)
    assert await scene.refusal(scene.issuer.token()) == (401, NOT_A_JWT)


async def test_a_new_key_is_fetched_when_a_token_names_it(scene: Scene) -> None:
    old = scene.issuer.token()
    assert await scene.refusal(old) == (200, "")
    scene.issuer.keys = {"second": curve_key()}
    new = scene.issuer.token()
    # However many tokens name unknown keys, the issuer is not asked more often than that.
    for _ in range(3):
        assert await scene.refusal(new) == (401, WRONG_SIGNATURE)
    assert scene.issuer.requests.count("/keys") == 1
    await anyio.sleep(RETRY_SECONDS)
    assert await scene.refusal(new) == (200, "")
    # The one that it withdrew is forgotten.
    assert await scene.refusal(old) == (401, WRONG_SIGNATURE)
    assert scene.issuer.requests.count("/keys") == 2


async def test_a_key_that_the_issuer_withdraws_is_forgotten_in_time(scene: Scene) -> None:
    token = scene.issuer.token()
    assert await scene.refusal(token) == (200, "")
    scene.issuer.keys = {"second": curve_key()}
    await anyio.sleep(FRESH_SECONDS + 1)
    assert await scene.refusal(token) == (401, WRONG_SIGNATURE)


AWAY = "The issuer of the tokens does not answer, so the token cannot be checked."


async def test_an_issuer_that_is_away_is_said_to_be_until_it_is_back(scene: Scene) -> None:
    scene.issuer.status = 500
    answer = await scene.post(scene.issuer.token())
    assert (answer.status_code, answer.json()["error"]["message"]) == (503, AWAY)
    assert answer.headers["Retry-After"] == "10"
    assert "WWW-Authenticate" not in answer.headers
    await anyio.sleep(4)
    answer = await scene.post(scene.issuer.token())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "6")
    assert len(scene.issuer.requests) == 2
    scene.issuer.status = None
    await anyio.sleep(6)
    assert await scene.refusal(scene.issuer.token()) == (200, "")


async def test_a_stream_goes_on_while_it_cannot_be_known_whose_its_token_is(issuer: Issuer) -> None:
    given: dict[str, Any] = {"auth_issuer": issuer.url, "auth_audience": AUDIENCE}
    ways, token = Ways(Settings(**given), anyio.current_time), issuer.token()
    identity = await ways.identify(token)
    assert await ways.still_has(token, identity)
    away = Ways(Settings(**given), anyio.current_time)
    issuer.status = 500
    assert await away.still_has(token, identity)
    issuer.status = None
    await anyio.sleep(RETRY_SECONDS)
    assert await away.still_has(token, identity)
    assert not await away.still_has(issuer.token(expires_in=-60), identity)
    assert not await away.still_has(issuer.token(sub="bob"), identity)


async def test_known_keys_serve_while_the_issuer_is_away(scene: Scene) -> None:
    token = scene.issuer.token()
    assert await scene.refusal(token) == (200, "")
    scene.issuer.status = 503
    await anyio.sleep(FRESH_SECONDS + 1)
    assert await scene.refusal(token) == (200, "")
    # What names another key may well be valid.
    assert await scene.refusal(scene.issuer.token(headers={"kid": "next"})) == (503, AWAY)


async def test_known_keys_serve_for_a_day_at_most(issuer: Issuer) -> None:
    now = 0.0
    keys = IssuerKeys(issuer.url, fetch_keys, lambda: now)
    assert len(await keys.find("first", "ES256")) == 1
    issuer.status = 503
    now = USABLE_SECONDS
    assert len(await keys.find("first", "ES256")) == 1
    now += RETRY_SECONDS
    with pytest.raises(Refused, match="does not answer"):
        await keys.find("first", "ES256")


async def test_a_caller_that_leaves_while_it_fetches_the_keys_leaves_them_to_the_others(
    issuer: Issuer,
) -> None:
    began, go = anyio.Event(), anyio.Event()

    async def fetch(url: str) -> list[dict[str, Any]]:
        began.set()
        await go.wait()
        return await fetch_keys(url)

    keys = IssuerKeys(issuer.url, fetch, anyio.current_time)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keys.find, "first", "ES256")
        await began.wait()
        tasks.cancel_scope.cancel()
        go.set()
    assert len(await keys.find("first", "ES256")) == 1
    assert issuer.requests == [issuer.metadata_path, "/keys"]


async def test_many_calls_at_the_start_fetch_the_keys_once(scene: Scene) -> None:
    answers: list[tuple[int, str]] = []

    async def call() -> None:
        answers.append(await scene.refusal(scene.issuer.token()))

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(call)
    assert answers == [(200, "")] * 20
    assert scene.issuer.requests == [scene.issuer.metadata_path, "/keys"]


@pytest.mark.parametrize(
    ("path", "metadata"),
    [
        ("", "/.well-known/oauth-authorization-server"),
        ("", "/.well-known/openid-configuration"),
        ("/", "/.well-known/openid-configuration"),
        ("/tenant", "/.well-known/oauth-authorization-server/tenant"),
        ("/tenant", "/.well-known/openid-configuration/tenant"),
        ("/tenant/", "/tenant/.well-known/openid-configuration"),
    ],
)
@pytest.mark.parametrize("other", [(404, {}), (500, {}), (200, b"<html>"), (302, {})])
async def test_the_metadata_of_the_issuer_is_found_in_every_form(
    issuer: Issuer, path: str, metadata: str, other: tuple[int, Any]
) -> None:
    issuer.url = f"{issuer.origin}{path}"
    issuer.metadata_path = metadata
    # At the other paths it may have anything.
    issuer.otherwise = other
    assert await fetch_keys(issuer.url) == issuer.jwks()["keys"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"issuer": "https://evil.example"}, 'is of the issuer "https://evil.example"'),
        ({"issuer": None}, "is no metadata"),
        ({"issuer": 7}, 'is of the issuer "7"'),
        ({"jwks_uri": "http://evil.example/keys"}, "names no https URL of keys"),
        ({"jwks_uri": "file:///etc/passwd"}, "names no https URL of keys"),
        ({"jwks_uri": "https://[evil/keys"}, "ValueError"),
        ({"jwks_uri": 7}, "names no https URL of keys"),
    ],
)
async def test_metadata_that_cannot_be_trusted_is_not_used(
    issuer: Issuer, changed: dict[str, Any], why: str
) -> None:
    issuer.answers[issuer.metadata_path] = issuer.metadata() | changed
    with pytest.raises(UnusableIssuer) as refused:
        await fetch_keys(issuer.url)
    # The others are not there.
    assert str(refused.value).split("; ")[0].endswith(why)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ([], "/keys holds no keys"),
        ({"keys": 7}, "/keys holds no keys"),
        (b"<html>", "/keys holds no keys"),
        (b"[" * 100_000, "/keys holds no keys"),
        (b" " * 600_000, "/keys is longer than 524288 bytes"),
    ],
    ids=["a list", "no list", "no JSON", "nested", "long"],
)
async def test_keys_that_cannot_be_read_are_as_good_as_none(
    issuer: Issuer, keys: Any, why: str
) -> None:
    issuer.answers["/keys"] = keys
    with pytest.raises(UnusableIssuer) as refused:
        await fetch_keys(issuer.url)
    assert str(refused.value).replace('"', "").endswith(why)


async def test_a_key_that_is_damaged_or_not_for_signatures_lets_no_one_in(issuer: Issuer) -> None:
    (good,) = issuer.jwks()["keys"]
    bad = [7, {"kty": "EC", "kid": "first"}, good | {"use": "enc"}, good | {"alg": "ES512"}]
    issuer.answers["/keys"] = {"keys": bad}
    keys = IssuerKeys(issuer.url, fetch_keys, anyio.current_time)
    assert await keys.find("first", "ES256") == []
    issuer.answers["/keys"] = {"keys": [*bad, good]}
    await anyio.sleep(RETRY_SECONDS)
    assert len(await keys.find("first", "ES256")) == 1


@pytest.mark.parametrize("how", ["hangs", "drips"])
async def test_an_issuer_that_never_ends_an_answer_is_waited_for_in_vain_for_seconds_only(
    issuer: Issuer, how: str
) -> None:
    setattr(issuer, how, True)
    began = anyio.current_time()
    with pytest.raises(UnusableIssuer, match="Timeout"):
        await fetch_keys(issuer.url)
    assert anyio.current_time() - began <= FETCH_SECONDS


async def test_an_access_token_lets_in_beside_oauth_and_a_jwt_never_goes_to_runcomfy(
    tmp_path: Path, issuer: Issuer
) -> None:
    named = add_token(tmp_path / "tokens", "alice")
    ways: dict[str, Any] = {"access_tokens": tmp_path / "tokens", "bring_your_own_token": True}
    async with opened(tmp_path, issuer, **ways) as scene:
        assert await scene.refusal(named) == (200, "")
        assert await scene.refusal(issuer.token()) == (200, "")
        assert await scene.refusal("one-of-runcomfy") == (200, "")
        # The last one has the form of an encrypted one.
        for refused in (issuer.token(aud="x"), "eyJhbGciOiJSU0EifQ.a.b.c.d"):
            assert (await scene.refusal(refused))[0] == 401


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"sub": "alice@example.com"}, "oauth:https://i.example alice@example.com"),
        ({"sub": "auth0|7", "client_id": "c"}, "oauth:https://i.example auth0|7"),
        ({"sub": "client x"}, "oauth:https://i.example client%20x"),
        ({"client_id": "x"}, "oauth:https://i.example client x"),
        ({"azp": "x"}, "oauth:https://i.example client x"),
    ],
)
async def test_no_subject_can_be_taken_for_a_client(claims: dict[str, Any], name: str) -> None:
    assert principal_name("https://i.example", claims) == name


@pytest.mark.parametrize(
    "claims", [{}, {"sub": ""}, {"sub": "a\nb"}, {"sub": "\ud800"}, {"sub": "a" * 256}]
)
async def test_a_token_of_no_one_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        principal_name("https://i.example", claims)
