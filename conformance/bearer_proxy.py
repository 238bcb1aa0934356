"""A proxy that adds a bearer token to every request, since the suite cannot send one.

`python -m conformance.bearer_proxy URL` takes the token from BEARER_TOKEN and prints its own URL.
"""

import os
import socket
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .common import say

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"]
OF_A_CONNECTION = {b"connection", b"transfer-encoding", b"keep-alive"}
"""Headers that are about the connection itself, which is another one behind the proxy."""


def bearer_proxy(origin: str, token: str) -> Starlette:
    """Return a proxy of a server as an ASGI application."""
    # No call of the suite waits for longer than a minute.
    http = httpx.AsyncClient(base_url=origin, timeout=60, trust_env=False)

    async def forward(request: Request) -> Response:
        headers = [*request.headers.raw, (b"authorization", f"Bearer {token}".encode())]
        path = httpx.URL(request.url.path, query=request.url.query.encode())
        sent = http.build_request(
            request.method, path, headers=headers, content=await request.body()
        )
        answer = await http.send(sent, stream=True)
        passed_on = StreamingResponse(
            answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose)
        )
        passed_on.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower() not in OF_A_CONNECTION
        ]
        return passed_on

    @asynccontextmanager
    async def lifespan(_: Starlette) -> "AsyncGenerator[None, None]":
        async with http:
            yield

    return Starlette(routes=[Route("/{path:path}", forward, methods=METHODS)], lifespan=lifespan)


def main() -> None:
    """Serve until the process is ended."""
    url = urlsplit(sys.argv[1])
    app = bearer_proxy(f"{url.scheme}://{url.netloc}", os.environ["BEARER_TOKEN"])
    listening = socket.create_server(("127.0.0.1", 0))
    say(f"http://127.0.0.1:{listening.getsockname()[1]}{url.path} passes on to {url.geturl()}")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=0))
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
