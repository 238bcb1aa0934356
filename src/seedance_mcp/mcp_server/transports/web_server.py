"""uvicorn with bounds, whatever it serves."""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from ._connections import Connection, allow_open_files

KEEP_ALIVE_SECONDS = 150
"""How long a connection waits for its next request: longer than proxies keep theirs."""

_NOT_LOGGED = ("Invalid HTTP request", "Unsupported upgrade", "No supported WebSocket", "Cancel ")


def web_server(app: ASGIApp, lifespan: Literal["on", "off"] = "on") -> uvicorn.Server:
    """Return what serves an application over HTTP until its `should_exit` is set.

    The process may open as many files as its connections need from here on.
    """
    allow_open_files()
    logging.getLogger("uvicorn.error").addFilter(_is_worth_a_line)
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        server_header=False,
        # Whatever stands in front: no limit depends on an address.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        # Whatever is still open once the calls have answered is a stream that would never end.
        timeout_graceful_shutdown=0,
    )
    return _HttpServer(config)


class _HttpServer(uvicorn.Server):
    """uvicorn without its signal handling, which in the end kills the process by the signal."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the caller."""
        yield


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Drop what uvicorn logs of streams cut off at shutdown, and of what clients do wrong."""
    cut_off = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cut_off and not record.getMessage().startswith(_NOT_LOGGED)
