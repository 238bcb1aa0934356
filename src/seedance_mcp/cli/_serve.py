"""`seedance-mcp` and `seedance-mcp serve`: serve MCP over stdio or HTTP."""

import gc
import logging
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from seedance_mcp.errors import ConfigurationError, SeedanceError

from .main import HTTP_FLAGS

if TYPE_CHECKING:
    from seedance_mcp.settings import Settings

COLLECTED_AFTER = (2_000, 20, 500)
"""After how many new objects the newest are searched for garbage, and how rarely older ones are.

Python's own are (700, 10, 10). Cycles are few here, as reference counts free nearly everything.
"""


def serve(options: Namespace) -> None:
    """Serve until the client leaves or a signal arrives; this ends the process."""
    given = {name: value for name in HTTP_FLAGS if (value := getattr(options, name)) is not None}
    if options.transport == "stdio" and given:
        raise ConfigurationError(f"{_flag(next(iter(given)))} requires --transport http.")
    for number in (signal.SIGINT, signal.SIGTERM):
        # Until the server runs there is nothing to close. The imports below take most of the
        # start, so the handlers come first.
        signal.signal(number, lambda _, __: os._exit(0))
    # Imports leave no garbage behind, and looking for it would take a tenth of the start.
    gc.disable()
    from seedance_mcp.observability.logs import NOTICES, configure_logging
    from seedance_mcp.observability.tracing import secret_headers, start_tracing
    from seedance_mcp.settings import load_settings

    settings = load_settings(options.environment)
    configure_logging(
        sys.stderr,  # stdout carries the protocol
        level=settings.log_level,
        form=settings.log_format,
        secrets=[*settings.secrets, *secret_headers(options.environment)],
    )
    start_tracing(options.environment, sys.stderr)
    try:
        _start(settings, options.transport, given)
    except SeedanceError as error:
        logging.getLogger(NOTICES).critical("seedance-mcp: %s", error.message)
        sys.exit(1)


def _start(settings: "Settings", transport: str, given: Mapping[str, Any]) -> NoReturn:
    """Serve with these settings, over HTTP with these options."""
    from seedance_mcp.mcp_server.app import build_server

    server = build_server(settings, local_files=transport == "stdio")
    if transport == "http":
        from seedance_mcp.mcp_server.transports.http import serve_http
        from seedance_mcp.mcp_server.transports.http_options import HttpOptions

        _run(partial(serve_http, server, HttpOptions(**given), settings))
    else:
        from seedance_mcp.mcp_server.transports.stdio import serve_stdio

        _run(partial(serve_stdio, server))


def _flag(name: str) -> str:
    """Return the flag that sets an attribute of `HttpOptions`."""
    singular = name.removesuffix("s") if name.startswith("allowed_") else name
    return f"--{singular.replace('_', '-')}"


def _run(transport: Callable[[], Awaitable[None]]) -> NoReturn:
    """Run a transport, then end the process at once, whatever happened.

    Raises:
        SeedanceError: The start failed, and the message is for the user.
    """
    import anyio

    from seedance_mcp.mcp_server.transports.shutdown import end_process

    # What the imports made stays for good, so later collections need not look at it.
    gc.freeze()
    # With a thousand calls that wait, a search of all objects stops every one of them for a second.
    gc.set_threshold(*COLLECTED_AFTER)
    gc.enable()
    try:
        anyio.run(transport)
    except SeedanceError:
        raise
    except BaseException as error:  # noqa: BLE001 - the process ends here
        end_process(error)
    end_process(None)
