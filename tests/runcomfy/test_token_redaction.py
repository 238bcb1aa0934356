import httpx
import pytest

from seedance_mcp.errors import TokenMissing
from tests.support.scripted_network import TOKEN, ScriptedNetwork, answer, open_runcomfy_http
from tests.support.wording import TOKEN_REJECTED

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("token", [None, ""])
async def test_without_a_token_nothing_is_sent(token: str | None) -> None:
    network = ScriptedNetwork()
    async with open_runcomfy_http(network, token=token) as http:
        with pytest.raises(TokenMissing):
            await http.get("/v1/models/m", about="model")
        with pytest.raises(TokenMissing):
            await http.send("POST", "/v1/models/m", about="model", body={})
    assert network.requests == []


async def test_redirects_are_not_followed_so_the_token_stays_with_its_origin() -> None:
    elsewhere = answer(307, {}, Location="https://evil.example/")
    network = ScriptedNetwork(
        elsewhere, lambda _: answer(302, {}, Location="https://evil.example/")
    )
    async with open_runcomfy_http(network) as http:
        await http.get("/v1/requests/r-1/status", about="job")
        await http.send("POST", "/v1/models/m", about="model", body={})
    assert [request.url.host for request in network.requests] == ["api.example"] * 2


async def test_every_attempt_carries_exactly_the_token() -> None:
    network = ScriptedNetwork(httpx.ReadError("reset"), answer(503, {}), answer())
    async with open_runcomfy_http(network) as http:
        await http.get("/v1/requests/r-1/status", about="job")
    sent = [request.headers.get_list("Authorization") for request in network.requests]
    assert sent == [[f"Bearer {TOKEN}"]] * 3


@pytest.mark.parametrize("token", [TOKEN, 'quo"te', "back\\slash", "sla/sh+=="])
@pytest.mark.parametrize("form", ["plain", "escaped"])
async def test_a_token_echoed_in_an_error_is_redacted(token: str, form: str) -> None:
    # PHP and others escape a slash in JSON, and every character may be written as \uXXXX.
    escaped = "".join(f"\\u{ord(c):04x}" for c in token)
    plain = httpx.Response(401, json={"message": f"The token {token} expired"})
    coded = httpx.Response(401, content=f'{{"message": "The token {escaped} expired"}}'.encode())
    network = ScriptedNetwork(plain if form == "plain" else coded)
    async with open_runcomfy_http(network, token=token) as http:
        seen = await http.get("/", about="job")
    assert str(seen.error) == f'{TOKEN_REJECTED} (401: "The token [token] expired").'
