"""The command `seedance-mcp`: it serves over stdio unless it is told otherwise."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from seedance_mcp import __version__
from seedance_mcp.errors import ConfigurationError, SeedanceError

if TYPE_CHECKING:
    import io

    from pydantic import SecretStr

    from seedance_mcp.simulator.server import Simulator

# No command imports what only another one needs, and none before a signal can end it in order.


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line, and end the process with its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except SeedanceError as error:
        sys.exit(f"seedance-mcp: {error.message}")
    except KeyboardInterrupt:
        sys.exit(130)


def _serve(arguments: argparse.Namespace) -> None:
    if arguments.transport == "stdio" and (arguments.host, arguments.port) != (None, None):
        raise ConfigurationError("--host and --port go with --transport http.")
    for number in (signal.SIGINT, signal.SIGTERM):
        # Until it serves there is nothing to be closed.
        signal.signal(number, lambda _, __: os._exit(0))
    from seedance_mcp.mcp_server.app import build_server
    from seedance_mcp.settings import load_settings

    settings = load_settings(os.environ)
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    _redact(settings.token)
    server = build_server(settings, local_files=arguments.transport == "stdio")
    if arguments.transport == "http":
        from seedance_mcp.mcp_server.transports.http import serve_http

        host = arguments.host or "127.0.0.1"
        port = 8000 if arguments.port is None else arguments.port
        run = partial(serve_http, server, host=host, port=port)
    else:
        from seedance_mcp.mcp_server.transports.stdio import serve_stdio

        run = partial(serve_stdio, server)
    _run_to_the_end(run)


def _run_to_the_end(run: Callable[[], Awaitable[None]]) -> None:
    """Serve, and end the process at once whatever comes."""
    import anyio

    from seedance_mcp.mcp_server.transports.shutdown import end_process

    try:
        anyio.run(run)
    except SeedanceError:
        raise
    except BaseException as error:  # noqa: BLE001 - the process ends here
        end_process(error)
    end_process(None)


def _redact(token: "SecretStr | None") -> None:
    """Keep the token out of every line of the log, whichever library writes it."""
    if token is None:
        return
    secret = token.get_secret_value()

    def redacted(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if secret in message:
            record.msg, record.args = message.replace(secret, "[token]"), None
        if record.exc_info:
            # The formatter takes this text instead of making its own.
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_text = text.replace(secret, "[token]")
        return True

    for handler in logging.getLogger().handlers:
        handler.addFilter(redacted)


def _demo(arguments: argparse.Namespace) -> None:
    import anyio

    from ._demo import Wishes, demo

    # A terminal that has no sign for "…" shows another one.
    cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="replace")
    wishes = Wishes(
        image=arguments.image,
        last_image=arguments.last_image,
        prompt=Wishes.prompt if arguments.prompt is None else arguments.prompt,
        resolution=arguments.resolution,
        duration=arguments.duration,
        folder=Path.cwd(),
    )
    anyio.run(demo, wishes, sys.stdout)


def _simulate(arguments: argparse.Namespace) -> None:
    import anyio

    from seedance_mcp.simulator.server import serve

    run = partial(
        serve,
        port=arguments.port,
        workers=arguments.workers,
        run_seconds=arguments.run_seconds,
        token=arguments.token,
        announce=lambda simulator: print(_announcement(simulator), flush=True),  # noqa: T201
    )
    try:
        anyio.run(run)
    except OSError as error:
        raise ConfigurationError(
            f"--port {arguments.port} cannot be had: {error.strerror}."
        ) from None


def _announcement(simulator: "Simulator") -> str:
    """Say how a server is pointed at the simulator."""
    return (
        f"A simulator of RunComfy's Model API, on this machine only: {simulator.url}\n"
        "Its clips are drawn here, and nothing is charged. To serve from it:\n"
        f"  export RUNCOMFY_API_BASE_URL={simulator.url}\n"
        f"  export RUNCOMFY_API_TOKEN={simulator.token}\n"
        "  export SEEDANCE_ALLOW_PRIVATE_URLS=true"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seedance-mcp",
        description="Make video clips with ByteDance Seedance on RunComfy, as an MCP server.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.set_defaults(run=_serve, transport="stdio", host=None, port=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    _add_serve(commands.add_parser)
    _add_demo(commands.add_parser)
    _add_simulate(commands.add_parser)
    return parser


def _add_serve(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    serve = add_parser("serve", help="serve MCP, over stdio unless told otherwise")
    serve.add_argument("--transport", choices=["stdio", "http"], default="stdio")
    serve.add_argument("--host", help="for http; this machine only, 127.0.0.1 by default")
    serve.add_argument("--port", type=_port, help="for http; 8000 by default, 0 takes a free one")
    serve.set_defaults(run=_serve)


def _add_demo(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    demo = add_parser("demo", help="make a simulated clip, with no account")
    demo.add_argument("--image", type=Path, metavar="FILE", help="the first frame")
    demo.add_argument("--last-image", type=Path, metavar="FILE", help="the last frame")
    demo.add_argument("--prompt", help="what happens in the clip")
    demo.add_argument("--resolution", help="such as 720p")
    demo.add_argument("--duration", type=int, help="seconds")
    demo.set_defaults(run=_demo)


def _add_simulate(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    simulate = add_parser("simulate", help="run the simulator of RunComfy alone")
    simulate.add_argument("--port", type=_port, default=8787, help="0 takes a free one")
    simulate.add_argument("--workers", type=_count, default=1, help="jobs that run at once")
    simulate.add_argument("--run-seconds", type=_seconds, default=12.0, help="how long a run takes")
    simulate.add_argument("--token", default="simulated-token", help="the only token it takes")
    simulate.set_defaults(run=_simulate)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1")
    return int(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no time")
    return seconds


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not from 0 to 65535")
    return port
