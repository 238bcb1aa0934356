"""A server over HTTP with three callers, each let in another way, and what anyone can ask it."""

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import httpx
from starlette.applications import Starlette

from seedance_mcp.clock import Clock
from seedance_mcp.mcp_server._server import SeedanceServer
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.mcp_server.auth.access_tokens import add_token
from seedance_mcp.mcp_server.transports.http import http_app
from seedance_mcp.mcp_server.transports.http_options import HttpOptions
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running

from .client import ARGUMENTS
from .issuer import Issuer, run_issuer
from .server_process import MODERN_META
from .small_clip import render_small_clip
from .task_client import TASKS
from .virtual_time import virtual_now

OWN_TOKEN = "carols-own-runcomfy-token"
ALICE, BOB, CAROL = "alice", "bob", "carol"

NAMED = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/cancel": "taskId",
    "tasks/update": "taskId",
}
"""By method, the parameter that the header Mcp-Name repeats."""

META: dict[str, Any] = {
    **MODERN_META,
    "io.modelcontextprotocol/clientCapabilities": {
        "extensions": {TASKS: {}},
        "elicitation": {"form": {}},
    },
}
"""What requests of the 2026-07-28 revision carry from a client that can do everything."""

Request = tuple[str, dict[str, Any]]
"""A method and its parameters."""


class TwoAccounts(httpx.AsyncBaseTransport):
    """A network in which each token has a RunComfy account of its own.

    Attributes:
        sent: The token and the path of every request so far.
        is_silent: Whether it answers nothing.
    """

    def __init__(self, *simulators: Simulator) -> None:
        self._by_token = {f"Bearer {one.token}": httpx.URL(one.url) for one in simulators}
        self._network = httpx.AsyncHTTPTransport()
        self.sent: list[tuple[str, str]] = []
        self.is_silent = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the account of its token, or to the first one without."""
        token = request.headers.get("Authorization", "")
        self.sent.append((token.removeprefix("Bearer "), request.url.path))
        if self.is_silent:
            await anyio.sleep_forever()
        there = self._by_token.get(token) or next(iter(self._by_token.values()))
        request.url = request.url.copy_with(host=there.host, port=there.port)
        return await self._network.handle_async_request(request)

    async def aclose(self) -> None:
        """Stay open: each connection of the server is a client that closes its transport."""

    async def end(self) -> None:
        """Close every connection."""
        await self._network.aclose()


@dataclass
class Answer:
    """What a request over HTTP was answered with: its status, and the last JSON in the body."""

    status: int
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """The JSON as text."""
        return json.dumps(self.body, ensure_ascii=False)

    @property
    def line(self) -> str:
        """The only text of a tool's result."""
        (part,) = self.body["result"]["content"]
        return part["text"]

    @property
    def facts(self) -> dict[str, Any]:
        """The structured content of a tool's result."""
        return self.body["result"]["structuredContent"]


@dataclass
class Asker:
    """Someone who sends requests with a token, or with none, of the 2026-07-28 revision or older.

    Attributes:
        modern: Whether they are of that revision; the others have no session.
    """

    http: httpx.AsyncClient
    token: str | None
    modern: bool = True
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    async def ask(self, method: str, params: dict[str, Any]) -> Answer:
        """Send a request, and return its answer once that has ended."""
        answer = await self.post(method, params)
        events = [line for line in answer.text.splitlines() if line.startswith("data: {")]
        read: dict[str, Any] = json.loads(events[-1][6:] if events else answer.text)
        return Answer(answer.status_code, {key: read[key] for key in read if key != "id"})

    async def post(self, method: str, params: dict[str, Any]) -> httpx.Response:
        """Send a request, and return all that it was answered with."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if self.modern:
            headers |= {"mcp-protocol-version": "2026-07-28", "mcp-method": method}
            headers |= {"mcp-name": params[NAMED[method]]} if method in NAMED else {}
            params = {**params, "_meta": META}
        body = {"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": params}
        return await self.http.post("/mcp", json=body, headers=headers)

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """Call a tool."""
        return await self.ask("tools/call", {"name": tool, "arguments": arguments})


@dataclass
class Job:
    """A job of a caller, and what no other caller may learn of it."""

    request_id: str
    arguments: dict[str, Any]
    secrets: tuple[str, ...]


@dataclass
class Scene:
    """A server with three callers.

    Attributes:
        account: RunComfy as the server's own token sees it.
        carols: RunComfy as Carol's token sees it.
        network: What leads to them.
        issuer: Bob's.
    """

    server: SeedanceServer
    http: httpx.AsyncClient
    account: Simulator
    carols: Simulator
    network: TwoAccounts
    issuer: Issuer
    callers: dict[str, Asker]

    def with_token(self, token: str | None) -> Asker:
        """Return someone with another token."""
        return Asker(self.http, token)

    def bought(self) -> int:
        """Return how many clips were paid for."""
        return len(self.account.accepted) + len(self.carols.accepted)

    def asked_about(self, request_id: str) -> int:
        """Return how often RunComfy was asked about a job."""
        requests = [*self.account.requests, *self.carols.requests]
        return sum(f"/{request_id}" in request.path for request in requests)

    async def buy(self, name: str, **arguments: Any) -> Job:
        """Let a caller begin a clip, and return its job."""
        given = {**ARGUMENTS, "prompt": f"What {name} alone may know.", **arguments}
        task = await self.callers[name].call("generate_video", **given, wait_seconds=0)
        request_id = task.body["result"]["taskId"]
        return Job(request_id=request_id, arguments=given, secrets=(request_id, given["prompt"]))


@asynccontextmanager
async def open_scene(folder: Path, **settings: Any) -> AsyncGenerator[Scene, None]:
    """Run a server whose callers are let in by an access token, a JWT and a RunComfy token."""
    tokens = folder / "access-tokens"
    alice = add_token(tokens, ALICE)
    clock = anyio.current_time
    async with (
        run_issuer() as issuer,
        running(_behaviour(), clock=clock, render=render_small_clip) as account,
        running(_behaviour(), token=OWN_TOKEN, clock=clock, render=render_small_clip) as carols,
    ):
        network = TwoAccounts(account, carols)
        given: dict[str, Any] = {
            "token": account.token,
            "base_url": account.url,
            "state_dir": folder / "state",
            "output_dir": folder / "videos",
            "check_images": False,
            "access_tokens": tokens,
            "bring_your_own_token": True,
            "auth_issuer": issuer.url,
            "auth_audience": issuer.audience,
            **settings,
        }
        configured = Settings(**given)
        server = build_server(configured, transport=network, clock=Clock(now=virtual_now))
        app = http_app(server, HttpOptions(), configured)
        async with app.router.lifespan_context(app), open_http(app) as http:
            by_name = {ALICE: alice, BOB: issuer.token(sub=BOB), CAROL: OWN_TOKEN}
            callers = {name: Asker(http, token) for name, token in by_name.items()}
            yield Scene(server, http, account, carols, network, issuer, callers)
        await network.end()


def _behaviour() -> Behaviour:
    return Behaviour(images="never", workers=1, run_seconds=10)


@asynccontextmanager
async def open_http(app: Starlette) -> AsyncGenerator[httpx.AsyncClient, None]:
    """Yield what reaches an application in memory."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://127.0.0.1:8000",
        headers={"Accept": "application/json, text/event-stream"},
        timeout=3600,
    ) as http:
        yield http
