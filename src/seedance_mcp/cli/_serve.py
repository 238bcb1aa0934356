"""`seedance-mcp` and `seedance-mcp serve`: serve MCP over stdio or HTTP."""

import gc
import logging
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from seedance_mcp.errors import ConfigurationError, SeedanceError

if TYPE_CHECKING:
    from pydantic import SecretStr


def serve(options: Namespace) -> None:
    """Serve until the client leaves or a signal arrives; this ends the process."""
    if options.transport == "stdio" and (options.host, options.port) != (None, None):
        raise ConfigurationError("--host and --port require --transport http.")
    for number in (signal.SIGINT, signal.SIGTERM):
        # Until the server runs there is nothing to close. The imports below take most of the
        # start, so the handlers come first.
        signal.signal(number, lambda _, __: os._exit(0))
    # Imports leave no garbage behind, and looking for it would take a tenth of the start.
    gc.disable()
    from seedance_mcp.mcp_server.app import build_server
    from seedance_mcp.settings import load_settings

    settings = load_settings(options.environment)
    logging.basicConfig(
        stream=sys.stderr,  # stdout carries the protocol
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    _redact(settings.token)
    server = build_server(settings, local_files=options.transport == "stdio")
    if options.transport == "http":
        from seedance_mcp.mcp_server.transports.http import serve_http

        host = options.host or "127.0.0.1"
        port = 8000 if options.port is None else options.port
        _run(partial(serve_http, server, host=host, port=port))
    else:
        from seedance_mcp.mcp_server.transports.stdio import serve_stdio

        _run(partial(serve_stdio, server))


def _run(transport: Callable[[], Awaitable[None]]) -> None:
    """Run a transport, then end the process at once, whatever happened.

    Raises:
        SeedanceError: The start failed, and the message is for the user.
    """
    import anyio

    from seedance_mcp.mcp_server.transports.shutdown import end_process

    # What the imports made stays for good, so later collections need not look at it.
    gc.freeze()
    gc.enable()
    try:
        anyio.run(transport)
    except SeedanceError:
        raise
    except BaseException as error:  # noqa: BLE001 - the process ends here
        end_process(error)
    end_process(None)


def _redact(token: "SecretStr | None") -> None:
    """Replace the token in every log line and traceback, whichever library writes it."""
    if token is None:
        return
    secret = token.get_secret_value()

    def redact(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if secret in message:
            record.msg, record.args = message.replace(secret, "[token]"), None
        if record.exc_info:
            # The formatter uses this text instead of formatting the exception itself.
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_text = text.replace(secret, "[token]")
        return True

    for handler in logging.getLogger().handlers:
        handler.addFilter(redact)
