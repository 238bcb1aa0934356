"""Sessions of the older era over HTTP, which no server keeps; with an HTTP client in memory."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import mcp_types as types
import pytest
from mcp.server.context import CallNext, HandlerResult
from pydantic import SecretStr

from seedance_mcp.mcp_server._lazy_service import PRINCIPAL_KEY, Context
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.mcp_server.transports.http import http_app
from seedance_mcp.mcp_server.transports.http_options import HttpOptions
from seedance_mcp.service.principals import MACHINE_USER, Principal
from seedance_mcp.settings import Settings
from tests.support.client import ARGUMENTS
from tests.support.http_client import HttpClient, open_http_client, open_http_server
from tests.support.restarting_server import run_simulator
from tests.support.server_process import INITIALIZE, MODERN_META

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PING: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
SUBSCRIBE = {"method": "resources/subscribe", "params": {"uri": "seedance://jobs"}}
INITIALIZING = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
CAPABILITIES: dict[str, Any] = {"elicitation": {"form": {}}, "roots": {"listChanged": True}}


class Principals:
    """ASGI middleware that makes every request in the name of one principal."""

    principal = MACHINE_USER

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app({**scope, PRINCIPAL_KEY: self.principal}, receive, send)


@asynccontextmanager
async def open_probe(
    folder: Path, seen: list[Any]
) -> AsyncGenerator[tuple[httpx.AsyncClient, Principals], None]:
    """Run a server over HTTP that notes who each request is from."""
    given: dict[str, Any] = {"state_dir": folder}
    settings = Settings(**given)
    server = build_server(settings)

    async def note(ctx: Context, call_next: CallNext) -> HandlerResult:
        if ctx.method == "tools/list":
            seen.append((ctx.protocol_version, ctx.session.client_params))
        return await call_next(ctx)

    server.middleware.append(note)
    app = http_app(server, HttpOptions(), settings)
    principals = Principals(app)
    headers = {"Accept": "application/json, text/event-stream"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(principals),
            base_url="http://127.0.0.1:8000",
            headers=headers,
        ) as http,
    ):
        yield http, principals


async def test_a_session_goes_on_after_a_restart_with_all_that_its_client_said(
    tmp_path: Path,
) -> None:
    seen: list[Any] = []
    params = {**INITIALIZE, "protocolVersion": "2025-06-18", "capabilities": CAPABILITIES}
    async with open_probe(tmp_path, seen) as (http, _):
        made = await http.post("/mcp", json=INITIALIZING | {"params": params})
    session = {"mcp-session-id": made.headers["mcp-session-id"]}
    async with open_probe(tmp_path, seen) as (http, _):
        listed = await http.post("/mcp", json=PING | {"method": "tools/list"}, headers=session)
        assert listed.status_code == 200
    client = types.InitializeRequestParams.model_validate(params, by_name=False)
    assert seen == [("2025-06-18", client)]


async def test_a_call_continues_in_the_session_at_another_server(tmp_path: Path) -> None:
    async with run_simulator() as simulator:
        async with (
            open_http_client(simulator, tmp_path) as client,
            open_http_server(simulator, tmp_path) as http,
        ):
            begun = await client.call("generate_video", **ARGUMENTS, wait_seconds=0)
            job = {"request_id": begun["structuredContent"]["request_id"]}
            other = client.moved_to(http)
            ended = await other.call("check_status", **job, wait_seconds=600)
        assert ended["structuredContent"]["status"] == "completed"
        assert [taken.request_id for taken in simulator.accepted] == [job["request_id"]]


@pytest.mark.parametrize(
    ("method", "status", "allowed"), [("GET", 405, "POST"), ("DELETE", 405, "POST")]
)
async def test_a_session_has_no_stream_and_no_end(
    method: str, status: int, allowed: str, tmp_path: Path
) -> None:
    async with open_probe(tmp_path, []) as (http, _):
        made = await http.post("/mcp", json=INITIALIZING)
        session = {"mcp-session-id": made.headers["mcp-session-id"]}
        for headers in ({}, session, session | {"mcp-protocol-version": "2025-11-25"}):
            answer = await http.request(method, "/mcp", headers=headers)
            assert (answer.status_code, answer.headers["allow"]) == (status, allowed)
        assert (await http.post("/mcp", json=PING, headers=session)).status_code == 200


async def test_a_session_of_another_key_or_principal_is_unknown(tmp_path: Path) -> None:
    unknown = {
        "jsonrpc": "2.0",
        "id": None,
        "error": {
            "code": -32000,
            "message": "Session not found: initialize again. Nothing was done or charged.",
        },
    }
    alice = Principal(name="token:alice")
    bob = Principal(name="token:bob")
    own = Principal(name="runcomfy:", token=SecretStr("a-token"))
    other = Principal(name="runcomfy:", token=SecretStr("another"))
    async with (
        open_probe(tmp_path / "here", []) as (http, principals),
        open_probe(tmp_path / "elsewhere", []) as (foreign, _),
    ):
        theirs = await foreign.post("/mcp", json=INITIALIZING)
        ids = ["", "x", "1.e30.00", "x" * 9000, theirs.headers["mcp-session-id"]]
        for session_id in ids:
            answer = await http.post("/mcp", json=PING, headers={"mcp-session-id": session_id})
            assert (answer.status_code, answer.json()) == (404, unknown)
        for maker, users in [
            (MACHINE_USER, {MACHINE_USER}),
            (alice, {alice}),
            (own, {own}),
        ]:
            principals.principal = maker
            made = await http.post("/mcp", json=INITIALIZING)
            session = {"mcp-session-id": made.headers["mcp-session-id"]}
            statuses: dict[Principal, int] = {}
            for principals.principal in (MACHINE_USER, alice, bob, own, other):
                answer = await http.post("/mcp", json=PING, headers=session)
                statuses[principals.principal] = answer.status_code
            assert {user for user, status in statuses.items() if status == 200} == users
            assert set(statuses.values()) == {200, 404}


async def test_only_initializing_makes_a_session_and_a_request_needs_none(tmp_path: Path) -> None:
    seen: list[Any] = []
    async with open_probe(tmp_path, seen) as (http, _):
        made = [(await http.post("/mcp", json=INITIALIZING)).headers for _ in range(2)]
        assert made[0]["mcp-session-id"] != made[1]["mcp-session-id"]
        version = {"mcp-protocol-version": "2025-11-25"}
        listed = await http.post("/mcp", json=PING | {"method": "tools/list"}, headers=version)
        damaged = INITIALIZING | {"params": {**INITIALIZE, "clientInfo": 5}}
        others = [
            listed,
            await http.post("/mcp", json=damaged),
            await http.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}),
            await http.post("/mcp", content="{", headers={"content-type": "application/json"}),
        ]
        assert [answer.status_code for answer in others] == [200, 200, 202, 400]
        assert not any("mcp-session-id" in answer.headers for answer in others)
    assert seen == [("2025-11-25", None)]


async def test_nothing_can_be_subscribed_in_the_older_era_and_nothing_claims_that_it_can(
    tmp_path: Path,
) -> None:
    async with open_probe(tmp_path, []) as (http, _):
        made = await http.post("/mcp", json=INITIALIZING)
        assert '"subscribe":false' in made.text
        session = {"mcp-session-id": made.headers["mcp-session-id"]}
        for method in ("resources/subscribe", "resources/unsubscribe"):
            body = PING | SUBSCRIBE | {"method": method}
            answer = await http.post("/mcp", json=body, headers=session)
            assert '"error":{"code":-32601,"message":"Method not found"' in answer.text
        modern = {"mcp-protocol-version": "2026-07-28", "mcp-method": "server/discover"}
        body = PING | {"method": "server/discover", "params": {"_meta": MODERN_META}}
        discovered = await http.post("/mcp", json=body, headers=modern)
        assert discovered.json()["result"]["capabilities"]["resources"]["subscribe"] is True


async def test_sessions_hold_nothing(tmp_path: Path) -> None:
    async with open_probe(tmp_path, []) as (http, _):
        await http.post("/mcp", json=INITIALIZING)
        before = len(asyncio.all_tasks())
        for _ in range(20):
            made = await http.post("/mcp", json=INITIALIZING)
            session = {"mcp-session-id": made.headers["mcp-session-id"]}
            await http.post("/mcp", json=PING, headers=session)
        assert len(asyncio.all_tasks()) == before


async def test_a_request_is_cancelled_by_its_session_alone(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=600) as simulator,
        open_http_server(simulator, tmp_path) as http,
    ):
        one, other = HttpClient(http), HttpClient(http)
        await one.initialize()
        await other.initialize()
        answers: dict[str, Any] = {}
        async with asyncio.TaskGroup() as tasks:

            async def call(name: str, client: HttpClient) -> None:
                params = {"name": "generate_video", "arguments": ARGUMENTS}
                answers[name] = await client.request("tools/call", params, 7)

            tasks.create_task(call("one", one))
            tasks.create_task(call("other", other))
            await asyncio.sleep(5)
            await one.cancel(7)
            await asyncio.sleep(5)
            assert answers == {"one": None}
            assert len(simulator.accepted) == 1
        assert answers["other"]["result"]["structuredContent"]["status"] == "in_progress"
