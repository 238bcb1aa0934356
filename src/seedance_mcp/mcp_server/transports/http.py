"""Serves many clients over Streamable HTTP, on this machine only."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager

import anyio
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette

from seedance_mcp.errors import ConfigurationError
from seedance_mcp.mcp_server._server import SeedanceServer
from seedance_mcp.setting_values import is_loopback

from ._http_answers import HttpAnswers
from .shutdown import until_signal

SUBMIT_GRACE_SECONDS = 10.0
"""How long a paid request may still take when the server ends: whoever ends it waits as long."""


async def serve_http(server: SeedanceServer, *, host: str, port: int) -> None:
    """Serve many clients over Streamable HTTP; port 0 takes a free one. The URL goes to stderr.

    Raises:
        ConfigurationError: The address is not a loopback address, the port is taken, or the
            service cannot be opened.
    """
    server.submit_grace_seconds = SUBMIT_GRACE_SECONDS
    listening = _listen(host, port)
    app = http_app(server, host=host)
    logging.getLogger("uvicorn.error").addFilter(_not_about_shutdown)
    # Whatever is still open once the calls have answered is a stream that would never end.
    http = _HttpServer(
        uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=0
        )
    )
    sys.stderr.write(f"Serving on http://{_name(host)}:{listening.getsockname()[1]}/mcp\n")
    sys.stderr.flush()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(http.serve, [listening])
        async with until_signal(server):
            await anyio.sleep_forever()
        http.should_exit = True
    if server.failure:
        raise server.failure


def http_app(server: SeedanceServer, *, host: str) -> Starlette:
    """Return the server as an ASGI application, for requests to a host of this machine."""
    names = sorted({_name(host), "127.0.0.1", "localhost", "[::1]"})
    server.saves_files = False
    app = server.streamable_http_app(
        host=host,
        transport_security=TransportSecuritySettings(
            allowed_hosts=[form for name in names for form in (name, f"{name}:*")],
            allowed_origins=[f"http://{name}{port}" for name in names for port in ("", ":*")],
        ),
    )
    app.add_middleware(HttpAnswers)
    return app


def _name(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class _HttpServer(uvicorn.Server):
    """uvicorn without its signal handling, which in the end kills the process by the signal."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the caller."""
        yield


def _not_about_shutdown(record: logging.LogRecord) -> bool:
    """Drop what uvicorn logs about streams that are cut off at shutdown."""
    cut_off = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cut_off and "graceful shutdown" not in record.getMessage()


def _listen(host: str, port: int) -> socket.socket:
    if not is_loopback(host):
        raise ConfigurationError(
            f"--host must be a loopback address, such as 127.0.0.1, not {host}: everyone who can"
            " reach this server can spend your RunComfy balance."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only if the protocol is named; with it, answers that are
    # written in two parts take 40 ms longer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise ConfigurationError(f"Cannot listen on port {port}: {str(reason).lower()}.") from None
    return listening
