"""Who may call over HTTP with an access token, or with its own RunComfy token."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from seedance_mcp.errors import ConfigurationError
from seedance_mcp.mcp_server.auth.access_tokens import TOKEN_PREFIX, add_token
from seedance_mcp.mcp_server.auth.authentication import check_access
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import ARGUMENTS
from tests.support.http_client import HttpClient, open_http_server
from tests.support.server_process import INITIALIZE
from tests.support.small_clip import render_small_clip

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PING = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}

NO_TOKEN = "Send a token in the header Authorization, after the word Bearer."
UNKNOWN = "The token is unknown, or was revoked."


@asynccontextmanager
async def serving(
    folder: Path, **settings: Any
) -> AsyncGenerator[tuple[httpx.AsyncClient, Simulator], None]:
    behaviour = Behaviour(images="never")
    async with (
        running(behaviour, render=render_small_clip) as simulator,
        open_http_server(simulator, folder, **settings) as http,
    ):
        yield http, simulator


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return tmp_path / "access-tokens"


async def ask(http: httpx.AsyncClient, *values: str) -> tuple[int, str | None, str]:
    """Post a request, and return the status, the challenge, and the message of an error."""
    headers = [(b"Authorization", value.encode("latin-1")) for value in values]
    answer = await http.post("/mcp", json=PING, headers=[*http.headers.raw, *headers])
    failed = answer.status_code >= 400
    message = answer.json()["error"]["message"] if failed else ""
    return answer.status_code, answer.headers.get("WWW-Authenticate"), message


async def test_only_a_known_access_token_lets_in(tokens: Path, tmp_path: Path) -> None:
    token = add_token(tokens, "alice")
    bad = f'Bearer error="invalid_token", error_description="{UNKNOWN}"'
    async with serving(tmp_path, access_tokens=tokens) as (http, _):
        assert await ask(http) == (401, "Bearer", NO_TOKEN)
        assert await ask(http, f"Bearer {token}") == (200, None, "")
        assert await ask(http, f"bEARER   {token} ") == (200, None, "")
        assert await ask(http, f"Basic {token}") == (401, "Bearer", NO_TOKEN)
        assert await ask(http, "Bearer ") == (401, "Bearer", NO_TOKEN)
        for wrong in (token[:-1], f"{token}x", token.upper(), "x", "ü", f"{token} {token}"):
            assert await ask(http, f"Bearer {wrong}") == (401, bad, UNKNOWN)


async def test_a_request_with_two_tokens_or_an_endless_one_is_malformed(
    tokens: Path, tmp_path: Path
) -> None:
    bearer = f"Bearer {add_token(tokens, 'alice')}"
    async with serving(tmp_path, access_tokens=tokens) as (http, _):
        for values, said in [
            ([bearer, bearer], "Send one header Authorization, not several."),
            ([f"{bearer}{' ' * 8192}"], "The header Authorization is longer than 8192 bytes."),
        ]:
            challenge = f'Bearer error="invalid_request", error_description="{said}"'
            assert await ask(http, *values) == (400, challenge, said)


async def test_a_token_in_the_query_or_the_body_lets_no_one_in(
    tokens: Path, tmp_path: Path
) -> None:
    token = add_token(tokens, "alice")
    async with serving(tmp_path, access_tokens=tokens) as (http, _):
        for query in {"access_token": token}, {"Authorization": f"Bearer {token}"}:
            answer = await http.post("/mcp", json=PING, params=query)
            assert answer.status_code == 401
        answer = await http.post("/mcp", data={"access_token": token})
        assert answer.status_code == 401


async def test_nothing_but_health_is_answered_without_a_token(tokens: Path, tmp_path: Path) -> None:
    add_token(tokens, "alice")
    async with serving(tmp_path, access_tokens=tokens) as (http, _):
        for path in ("/mcp", "/mcp/", "/", "/anything"):
            for method in ("GET", "POST", "DELETE", "HEAD", "PUT"):
                answer = await http.request(method, path)
                # Methods that the endpoint does not know, it refuses for everyone.
                known = path.rstrip("/") != "/mcp" or method in {"GET", "POST", "DELETE"}
                assert (path, method, answer.status_code) == (path, method, 401 if known else 405)
        assert (await http.get("/healthz")).status_code == 200
        # Clients look there when they are refused.
        found = await http.get("/.well-known/oauth-protected-resource/mcp")
        assert found.status_code == 404


async def test_a_caller_makes_a_clip_with_the_runcomfy_token_of_the_server(
    tokens: Path, tmp_path: Path
) -> None:
    token = add_token(tokens, "alice")
    async with serving(tmp_path, access_tokens=tokens) as (http, simulator):
        http.headers["Authorization"] = f"Bearer {token}"
        client = HttpClient(http)
        await client.initialize()
        made = await client.call("generate_video", **ARGUMENTS)
        again = await client.call_without_session("list_jobs")
    assert made["structuredContent"]["status"] == "completed"
    assert [job["request_id"] for job in again["structuredContent"]["jobs"]] == [
        job.request_id for job in simulator.accepted
    ]


async def test_a_token_that_is_revoked_ends_a_session_that_it_began(
    tokens: Path, tmp_path: Path
) -> None:
    token = add_token(tokens, "alice")
    async with serving(tmp_path, access_tokens=tokens) as (http, _):
        http.headers["Authorization"] = f"Bearer {token}"
        client = HttpClient(http)
        await client.initialize()
        await anyio.Path(tokens).unlink()
        await anyio.sleep(1)
        answer = await client.post({"jsonrpc": "2.0", "id": 9, "method": "tools/list"})
    assert answer.status_code == 401


async def test_a_caller_brings_a_token_of_runcomfy(tmp_path: Path) -> None:
    async with serving(tmp_path, bring_your_own_token=True) as (http, _):
        assert await ask(http) == (401, "Bearer", NO_TOKEN)
        assert await ask(http, "Bearer 0b6f4c52-of-runcomfy") == (200, None, "")


@pytest.mark.parametrize("token", ["two words", "${TOKEN}", "<your token>", "\u00fc"])
async def test_what_cannot_be_a_token_of_runcomfy_lets_no_one_in(
    tmp_path: Path, token: str
) -> None:
    async with serving(tmp_path, bring_your_own_token=True) as (http, _):
        status, _, message = await ask(http, f"Bearer {token}")
        assert (status, message) == (401, "The token is not one of RunComfy.")


async def test_a_revoked_access_token_is_not_taken_for_one_of_runcomfy(
    tokens: Path, tmp_path: Path
) -> None:
    add_token(tokens, "alice")
    ways: dict[str, Any] = {"access_tokens": tokens, "bring_your_own_token": True}
    async with serving(tmp_path, **ways) as (http, _):
        # Nor is one with what was copied along with it.
        for before in ("", '"', "Bearer=", "token:"):
            assert (await ask(http, f"Bearer {before}{TOKEN_PREFIX}revoked"))[0] == 401
        assert (await ask(http, "Bearer of-runcomfy"))[0] == 200


async def test_a_refused_call_is_logged_without_its_token(
    tokens: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add_token(tokens, "alice")
    async with serving(tmp_path, access_tokens=tokens) as (http, _):
        with caplog.at_level(logging.DEBUG):
            await ask(http, "Bearer a-secret-of-someone")
    assert f"Refused a call from 127.0.0.1: {UNKNOWN}" in caplog.messages
    assert "a-secret" not in caplog.text


async def test_whoever_is_refused_often_fills_no_log(
    tokens: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add_token(tokens, "alice")
    async with serving(tmp_path, access_tokens=tokens) as (http, _):
        with caplog.at_level(logging.INFO):
            for wrong in range(40):
                await ask(http)
                await ask(http, f"Bearer {wrong}")
            await anyio.sleep(10)
            await ask(http, "Bearer of-later")
    line = f"Refused a call from 127.0.0.1: {UNKNOWN}"
    seen = [said for said in caplog.messages if said.startswith("Refused")]
    assert seen == [line, f"{line} (39 more since the last line)"]


async def test_no_log_of_a_call_shows_the_token_that_it_came_with(
    tokens: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alice, own = add_token(tokens, "alice"), "a-token-of-runcomfy"
    ways: dict[str, Any] = {"access_tokens": tokens, "bring_your_own_token": True}
    async with serving(tmp_path, **ways) as (http, _):
        for token in alice, own:
            http.headers["Authorization"] = f"Bearer {token}"
            client = HttpClient(http)
            with caplog.at_level(logging.DEBUG):
                await client.initialize()
                await client.call("generate_video", **ARGUMENTS)
                await client.call("check_status", request_id="of-no-one")
                await client.post(b"{broken")
    # RunComfy refused the second one, which is logged.
    assert "Refused" not in caplog.text
    assert caplog.records
    assert [each for each in (alice, own) if each in caplog.text] == []


@pytest.mark.parametrize(
    ("hosts", "settings", "said"),
    [
        (["127.0.0.1"], {}, None),
        (["localhost", "127.0.0.1:*", "[::1]:8000"], {}, None),
        (["::1"], {}, None),
        (["0.0.0.0"], {}, "Others can reach this server as 0.0.0.0"),
        (["127.0.0.1", "video.example:*"], {}, "Others can reach this server as video.example:*"),
        (["0.0.0.0"], {"bring_your_own_token": True}, None),
        (
            ["127.0.0.1"],
            {"auth_issuer": "https://login.example"},
            "SEEDANCE_AUTH_ISSUER and SEEDANCE_AUTH_AUDIENCE must be set together.",
        ),
        (
            ["127.0.0.1"],
            {"auth_audience": "https://video.example/mcp"},
            "SEEDANCE_AUTH_ISSUER and SEEDANCE_AUTH_AUDIENCE must be set together.",
        ),
        (["127.0.0.1"], {"access_tokens": "/no/such/file"}, "SEEDANCE_ACCESS_TOKENS names /no/"),
    ],
)
async def test_the_start_asks_for_a_way_in_where_others_can_reach_the_server(
    hosts: list[str], settings: dict[str, Any], said: str | None
) -> None:
    if said is None:
        check_access(Settings(**settings), hosts)
    else:
        with pytest.raises(ConfigurationError) as refused:
            check_access(Settings(**settings), hosts)
        assert refused.value.message.startswith(said)
