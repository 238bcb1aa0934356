"""Real clients and a real identity provider: getting tokens, and what they allow."""

import json
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.issuer import BOTH, run_issuer
from tests.support.server_process import INITIALIZE, Servers, account
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio


class Memory:
    """Keeps a client's tokens; every one of them, to look at."""

    def __init__(self) -> None:
        self.tokens: list[OAuthToken] = []

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens[-1] if self.tokens else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens.append(tokens)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("mode", "grants", "scopes"),
    [
        ("legacy", [], [BOTH]),
        # One that got less than it asked for asks again when it needs more.
        ("auto", ["seedance:read"], ["seedance:read", BOTH]),
    ],
)
async def test_a_client_is_told_where_to_get_a_token_that_may_buy(
    servers: Servers, mode: str, grants: list[str], scopes: list[str], tmp_path: Path
) -> None:
    memory = Memory()
    async with running(Behaviour(images="never")) as simulator, run_issuer() as issuer:
        issuer.audience, issuer.grants = "seedance", grants
        oauth = {"SEEDANCE_AUTH_ISSUER": issuer.url, "SEEDANCE_AUTH_AUDIENCE": "seedance"}
        env = account(simulator, tmp_path, **oauth)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.http(env) as (url, _):
                provider = ClientCredentialsOAuthProvider(
                    url, memory, "a-client", "a-secret", issuer=issuer.url
                )
                async with (
                    httpx2.AsyncClient(auth=provider, timeout=TIMEOUT_SECONDS) as http,
                    Client(streamable_http_client(url, http_client=http), mode=mode) as client,
                ):
                    listed: Any = await client.call_tool("list_jobs", {})
                    made: Any = await client.call_tool(
                        "generate_video", ARGUMENTS | {"wait_seconds": 0}
                    )
    assert listed.structured_content["jobs"] == []
    assert made.structured_content["status"] == "in_queue"
    assert [token.scope for token in memory.tokens] == scopes
    assert len(simulator.accepted) == 1


@asynccontextmanager
async def identity_provider(**scopes: str) -> AsyncGenerator[str, None]:
    """Run a provider of OpenID Connect that knows users, and yield its URL."""
    users = [
        f"--user-claims={json.dumps({'sub': user, 'scope': scope})}"
        for user, scope in scopes.items()
    ]
    # It warns of what its own libraries are going to drop.
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port=0", *users]
    async with await anyio.open_process(command, stdout=DEVNULL, stderr=PIPE) as process:
        assert process.stderr
        said, found = "", None
        while not found:
            said += (await process.stderr.receive()).decode()
            found = re.search(r"running on (http://127\.0\.0\.1:\d+)", said)
        try:
            yield found[1]
        finally:
            process.kill()


async def sign_in(http: httpx.AsyncClient, provider: str, user: str, client_id: str) -> str:
    """Sign a user in, and return the token that the provider signs for a client."""
    client = {"client_id": client_id, "redirect_uri": "http://localhost/back"}
    asked = {**client, "response_type": "code", "scope": "openid"}
    answer = await http.post(f"{provider}/oauth2/authorize", params=asked, data={"sub": user})
    code = httpx.URL(answer.headers["location"]).params["code"]
    sent = {**client, "grant_type": "authorization_code", "code": code, "client_secret": "x"}
    answer = await http.post(f"{provider}/oauth2/token", data=sent)
    return answer.json()["id_token"]


async def test_users_of_an_identity_provider_may_do_what_their_scopes_say(
    servers: Servers, tmp_path: Path
) -> None:
    begin = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
    params = {"name": "generate_video", "arguments": ARGUMENTS | {"dry_run": True}}
    buy = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
    users = [
        *[("alice", "seedance"), ("bob", "seedance"), ("carol", "seedance")],
        ("alice", "another-service"),
    ]
    async with (
        identity_provider(alice=BOTH, bob="seedance:read", carol="openid") as provider,
        running(Behaviour(images="never")) as simulator,
        httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
    ):
        oauth = {"SEEDANCE_AUTH_ISSUER": provider, "SEEDANCE_AUTH_AUDIENCE": "seedance"}
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.http(account(simulator, tmp_path, **oauth)) as (url, _):
                seen: list[list[int]] = []
                for user, client_id in users:
                    token = await sign_in(http, provider, user, client_id)
                    headers = {
                        "Accept": "application/json, text/event-stream",
                        "Authorization": f"Bearer {token}",
                    }
                    answers = [
                        await http.post(url, json=body, headers=headers) for body in (begin, buy)
                    ]
                    seen.append([answer.status_code for answer in answers])
    assert seen == [[200, 200], [200, 403], [403, 403], [401, 401]]
