"""The process that forks servers; its only argument is the number of its control socket."""

import contextlib
import gc
import json
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import anyio
import httpx

from .client import ARGUMENTS


def main(control: socket.socket) -> None:
    from seedance_mcp.cli import _serve
    from seedance_mcp.cli import main as cli
    from seedance_mcp.mcp_server.transports import http, stdio

    del _serve, http, stdio
    anyio.run(_make_a_call)
    anyio.run(_use_http_once)
    # A child has only the thread that forks, so that no other one may hold a lock by then.
    while threading.active_count() > 1:
        time.sleep(0.001)
    # What is frozen is not collected in the children, whose memory so stays shared.
    gc.freeze()
    control.send(b"ready")
    while True:
        message, files, _, _ = socket.recv_fds(control, 2**16, 3)
        if not message:
            return
        order = json.loads(message)
        if "ended" in order:
            _, status = os.waitpid(order["ended"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if not answer:
                _become(cli.main, control, files, order)
            for file in files:
                os.close(file)
        control.send(json.dumps(answer).encode())


async def _make_a_call() -> None:
    """Import what a server imports at its start and at its first call."""
    from mcp import Client

    from seedance_mcp.mcp_server.app import build_server
    from seedance_mcp.settings import load_settings

    with TemporaryDirectory() as folder:
        variables = {"RUNCOMFY_API_TOKEN": "made-up", "SEEDANCE_STATE_DIR": folder}
        settings = load_settings(variables | {"SEEDANCE_CHECK_IMAGES": "false"})
        transport = httpx.MockTransport(_refuse)
        server = build_server(settings, transport=transport)
        server.streamable_http_app()
        async with Client(server) as client:
            assert (await client.call_tool("generate_video", ARGUMENTS)).is_error


def _refuse(_: httpx.Request) -> httpx.Response:
    return httpx.Response(401, stream=httpx.ByteStream(b"{}"))


async def _use_http_once() -> None:
    """Import what a process's first connection imports."""
    async with httpx.AsyncClient() as client:
        with contextlib.suppress(httpx.ConnectError):
            await client.get("http://127.0.0.1:1/")


def _become(
    command: Callable[[Sequence[str]], None],
    control: socket.socket,
    files: list[int],
    order: Mapping[str, Any],
) -> NoReturn:
    """Run the command as a process of its own, and end as one."""
    code = 70
    try:
        control.close()
        for standard, file in enumerate(files):
            os.dup2(file, standard)
            os.close(file)
        # Python's own streams still take their files for those of the fork server.
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, mode, buffering=1, encoding="utf-8", closefd=False)
            for number, mode in enumerate("rww")
        )
        os.environ.clear()
        os.environ.update(order["env"])
        time.tzset()
        os.chdir(order["cwd"])
        command(order["arguments"])
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(end.code + "\n")
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - the process ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
