"""A client of the server over HTTP, in memory and in virtual time; answers are JSON as sent."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from seedance_mcp.clock import Clock
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.mcp_server.transports.http import http_app
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.server import Simulator

from .server_process import INITIALIZE, MODERN_META
from .virtual_time import virtual_now

PORT = 8000


class HttpClient:
    """A client of 2025-11-25, with a session once it is initialized."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._headers: dict[str, str] = {}
        self.ids = count(1)

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        """Post JSON, and return the answer once it has ended."""
        return await self._http.post("/mcp", json=body, headers=self._headers | headers)

    async def initialize(self) -> None:
        """Begin a session."""
        answer = await self.post(_message("initialize", INITIALIZE, next(self.ids)))
        self._headers["mcp-session-id"] = answer.headers["mcp-session-id"]
        await self.post(_message("notifications/initialized", {}))

    async def request(self, method: str, params: dict[str, Any], id_: int) -> dict[str, Any] | None:
        """Send a request, and return the message that answers it, None if it is not answered."""
        answer = await self.post(_message(method, params, id_))
        assert (answer.status_code, answer.headers["content-type"][:17]) == (
            200,
            "text/event-stream",
        )
        data = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
        answers = [message for message in map(json.loads, data) if message.get("id") == id_]
        return answers[0] if answers else None

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool, and return its result."""
        params = {"name": tool, "arguments": arguments}
        answer = await self.request("tools/call", params, next(self.ids))
        assert answer is not None
        return answer["result"]

    async def cancel(self, id_: int) -> None:
        """Cancel a request."""
        await self.post(_message("notifications/cancelled", {"requestId": id_}))

    async def call_without_session(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool as in 2026-07-28, and return its result."""
        params = {"name": tool, "arguments": arguments, "_meta": MODERN_META}
        version = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call"}
        body = _message("tools/call", params, next(self.ids))
        answer = await self.post(body, **version, **{"mcp-name": tool})
        text = answer.text
        if "data: " in text:
            text = text.split("data: ")[-1]
        return json.loads(text)["result"]


@asynccontextmanager
async def open_http_server(
    simulator: Simulator, folder: Path, **settings: Any
) -> AsyncGenerator[httpx.AsyncClient, None]:
    """Run a server over HTTP, and yield what reaches it."""
    given: dict[str, Any] = {
        "token": simulator.token,
        "base_url": simulator.url,
        "state_dir": folder,
        "check_images": False,
        **settings,
    }
    server = build_server(Settings(**given), clock=Clock(now=virtual_now))
    app = http_app(server, host="127.0.0.1")
    accept = {"Accept": "application/json, text/event-stream"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url=f"http://127.0.0.1:{PORT}",
            headers=accept,
            timeout=3600,
        ) as http,
    ):
        yield http


@asynccontextmanager
async def open_http_client(
    simulator: Simulator, folder: Path, **settings: Any
) -> AsyncGenerator[HttpClient, None]:
    """Run a server over HTTP, and yield a client with a session."""
    async with open_http_server(simulator, folder, **settings) as http:
        client = HttpClient(http)
        await client.initialize()
        yield client


def _message(method: str, params: dict[str, Any], id_: int | None = None) -> dict[str, Any]:
    given = {} if id_ is None else {"id": id_}
    return {"jsonrpc": "2.0", "method": method, "params": params, **given}
