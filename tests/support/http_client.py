"""A client of the server over HTTP, in memory and in virtual time; answers are JSON as sent."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from seedance_mcp.clock import Clock
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.mcp_server.transports.http import http_app
from seedance_mcp.mcp_server.transports.http_options import HttpOptions
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
        """Post JSON or bytes, and return the answer once it has ended."""
        sent: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self._http.post("/mcp", headers=self._headers | headers, **sent)

    async def initialize(self, **changes: Any) -> None:
        """Begin a session, with changes of what is known of the client."""
        answer = await self.post(_message("initialize", INITIALIZE | changes, next(self.ids)))
        self._headers["mcp-session-id"] = answer.headers["mcp-session-id"]
        await self.post(_message("notifications/initialized", {}))

    def moved_to(self, http: httpx.AsyncClient) -> "HttpClient":
        """Return a client of another server with the same session."""
        moved = HttpClient(http)
        moved._headers = self._headers
        return moved

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
        params = {"name": tool, "arguments": arguments}
        return await self.request_without_session("tools/call", params, name=tool)

    async def request_without_session(
        self, method: str, params: dict[str, Any], *, name: str | None = None
    ) -> dict[str, Any]:
        """Send a request as in 2026-07-28, perhaps with a name in its headers; return its result.

        Capabilities of the client may be among the parameters, in `_meta`.
        """
        meta = MODERN_META | params.get("_meta", {})
        headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": method}
        if name is not None:
            headers["mcp-name"] = name
        body = _message(method, params | {"_meta": meta}, next(self.ids))
        answer = await self.post(body, **headers)
        text = answer.text
        if "data: " in text:
            text = text.split("data: ")[-1]
        answered = json.loads(text)
        assert "result" in answered, answered
        return answered["result"]


@asynccontextmanager
async def open_http_server(
    simulator: Simulator,
    folder: Path,
    options: HttpOptions | None = None,
    is_stopping: Callable[[], bool] = bool,
    layer: Callable[[ASGIApp], ASGIApp] | None = None,
    **settings: Any,
) -> AsyncGenerator[httpx.AsyncClient, None]:
    """Run a server over HTTP, perhaps in a further layer, and yield what reaches it."""
    given: dict[str, Any] = {
        "token": simulator.token,
        "base_url": simulator.url,
        "state_dir": folder,
        "check_images": False,
        **settings,
    }
    configured = Settings(**given)
    server = build_server(configured, clock=Clock(now=virtual_now))
    app = http_app(server, options or HttpOptions(), configured, is_stopping=is_stopping)
    accept = {"Accept": "application/json, text/event-stream"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(layer(app) if layer else app),
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
