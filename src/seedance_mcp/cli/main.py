"""The command `seedance-mcp`: its arguments and its exit codes. It serves over stdio by default.

Each subcommand is a module of its own, imported only when it runs: start-up time is what a user
of an assistant waits for, and a signal must be able to end the process during the imports.
"""

import os
import sys
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from seedance_mcp import __version__
from seedance_mcp.errors import SeedanceError

from ._argument_types import count, host_header, origin, path, port, seconds
from ._output import drop_output, replace_closed_streams
from ._setting_flags import SETTING_FLAGS

HTTP_FLAGS = (
    *("host", "port", "path", "allowed_hosts", "allowed_origins"),
    *("metrics_host", "metrics_port"),
)
"""The attributes of `HttpOptions`; those that are None were not given."""

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 and the number of SIGINT."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line, and end the process with its exit code."""
    replace_closed_streams()
    options = _parser().parse_args(argv, Namespace(environment=os.environ))
    try:
        name = options.command or "serve"
        # No other command's module is imported.
        run = getattr(import_module(f"._{name}", __package__), name)
        run(options)
    except SeedanceError as error:
        sys.exit(f"seedance-mcp: {error.message}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever reads has seen enough.
        drop_output()
        sys.exit(1)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="seedance-mcp",
        description="Make video clips with ByteDance Seedance on RunComfy, as an MCP server.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.set_defaults(transport="stdio", **dict.fromkeys(HTTP_FLAGS))
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="serve MCP, over stdio by default"))
    _add_demo(commands.add_parser("demo", help="make simulated clips; needs no account"))
    _add_doctor(commands.add_parser("doctor", help="say what keeps a clip from being made"))
    _add_gallery(commands.add_parser("gallery", help="show every clip in a browser"))
    # Shortened, --token would mean --token-in-file.
    said = "put this server into a client"
    _add_install(commands.add_parser("install", help=said, allow_abbrev=False))
    _add_jobs(commands.add_parser("jobs", help="list what was bought, what it cost, where it is"))
    _add_join(commands.add_parser("join", help="join the clips of several jobs to one file"))
    _add_ledger(commands.add_parser("ledger", help="move the ledger into a database"))
    _add_models(commands.add_parser("models", help="list, search and add models"))
    _add_simulate(commands.add_parser("simulate", help="run the simulator of RunComfy on its own"))
    _add_token(commands.add_parser("token", help="make access tokens for callers over HTTP"))
    uninstall = commands.add_parser("uninstall", help="take this server out of a client again")
    uninstall.add_argument("client", metavar="CLIENT", help="such as cursor; see install --list")
    return parser


def _add_serve(serve: ArgumentParser) -> None:
    serve.add_argument("--transport", choices=["stdio", "http"], default="stdio")
    option = serve.add_argument_group("with --transport http").add_argument
    option("--host", help="the address to listen on (default: 127.0.0.1)")
    option("--port", type=port, help="(default: 8000; 0: a free one)")
    option("--path", type=path, help="the endpoint's (default: /mcp)")
    said = "a name that it is reached by, such as example.com or example.com:*; may be repeated"
    hosts = option("--allowed-host", type=host_header, action="append", metavar="NAME", help=said)
    said = "the origin of pages that may call, such as https://example.com; may be repeated"
    pages = option("--allowed-origin", type=origin, action="append", metavar="ORIGIN", help=said)
    hosts.dest, pages.dest = "allowed_hosts", "allowed_origins"
    option("--metrics-port", type=port, help="serve figures for Prometheus on this port")
    option("--metrics-host", help="and on this address (default: 127.0.0.1)")


def _add_demo(demo: ArgumentParser) -> None:
    demo.add_argument(
        "--image", type=Path, metavar="FILE", help="the first frame of the first clip"
    )
    demo.add_argument("--last-image", type=Path, metavar="FILE", help="its last frame")
    demo.add_argument("--prompt", help="what happens in it")
    demo.add_argument("--resolution", help="such as 720p")
    demo.add_argument("--duration", type=int, metavar="SECONDS", help="5 or 10")


def _add_doctor(doctor: ArgumentParser) -> None:
    doctor.add_argument("--json", action="store_true", help="print it for a program")


def _add_gallery(gallery: ArgumentParser) -> None:
    option = gallery.add_argument
    option("--no-browser", action="store_true", help="only print the URL")
    option("--port", type=port, default=0, help="(default: a free one)")


def _add_install(install: ArgumentParser) -> None:
    option = install.add_argument
    option("client", nargs="?", metavar="CLIENT", help="such as cursor; see --list")
    option("--list", action="store_true", help="list the clients, and which are on this machine")
    option("--print", action="store_true", help="print what would be installed; write nothing")
    option("--token-in-file", action="store_true", help="put the token into the client's file")
    settings = install.add_argument_group("settings", "They go into the client's entry.")
    for flag, variable, value, does in SETTING_FLAGS:
        if value:
            settings.add_argument(flag, dest=variable, metavar=value, help=does)
        else:
            settings.add_argument(flag, dest=variable, action=BooleanOptionalAction, help=does)


def _add_jobs(jobs: ArgumentParser) -> None:
    jobs.add_argument("--status", help="only jobs with this status, such as completed")
    jobs.add_argument("--limit", type=count, default=20, metavar="N", help="(default: 20)")
    jobs.add_argument("--json", action="store_true", help="print it for a program")
    actions = jobs.add_subparsers(title="actions", dest="action", metavar="ACTION")
    for name, does in ("show", "show all about a job"), ("get", "download what a job made"):
        action = actions.add_parser(name, help=does)
        action.add_argument("id", metavar="ID", help="a request_id, or its beginning")
        if name == "show":
            action.add_argument("--json", action="store_true", default=SUPPRESS)


def _add_join(join: ArgumentParser) -> None:
    join.add_argument("ids", nargs="+", metavar="ID", help="a request_id, or its beginning")
    file = "a new MP4 file"
    join.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=file)


def _add_ledger(ledger: ArgumentParser) -> None:
    actions = ledger.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    does = "copy the state folder's jobs into the PostgreSQL of SEEDANCE_DATABASE_URL"
    actions.add_parser("move", help=does)


def _add_models(models: ArgumentParser) -> None:
    models.add_argument("--live", action="store_true", help="ask RunComfy for prices and the rest")
    models.add_argument("--search", metavar="TEXT", help="search all that RunComfy has")
    models.add_argument("--json", action="store_true", help="print it for a program")
    actions = models.add_subparsers(title="actions", dest="action", metavar="ACTION")
    add = actions.add_parser("add", help="fetch a model's schema from RunComfy and keep it")
    add.add_argument("id", metavar="MODEL_ID", help="its id in RunComfy's catalogue")
    actions.add_parser("refresh", help="fetch the added ones again and show what changed")
    remove = actions.add_parser("remove", help="forget an added model")
    remove.add_argument("id", metavar="MODEL_ID", help="its id or short name")


def _add_simulate(simulate: ArgumentParser) -> None:
    option = simulate.add_argument
    option("--port", type=port, default=8787, help="(default: %(default)s; 0: a free one)")
    option("--workers", type=count, default=1, metavar="N", help="jobs that run at the same time")
    option("--run-seconds", type=seconds, default=12.0, metavar="S", help="how long a job runs")
    option("--token", default="simulated-token", help="the only token it accepts")


def _add_token(token: ArgumentParser) -> None:
    actions = token.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    new = actions.add_parser("new", help="add a caller to the file, and print its token once")
    new.add_argument("name", metavar="NAME", help="what to call the caller, such as alice")
