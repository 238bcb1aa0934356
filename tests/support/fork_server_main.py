"""The process that forks servers; its only argument is the number of its control socket."""

import contextlib
import gc
import json
import os
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

import anyio
import httpx


def main(control: socket.socket) -> None:
    from seedance_mcp import settings
    from seedance_mcp.cli import main as cli
    from seedance_mcp.mcp_server import app as server
    from seedance_mcp.mcp_server.transports import http, stdio
    from seedance_mcp.service import factory

    del http, stdio, factory
    server.build_server(settings.load_settings({})).streamable_http_app()
    anyio.run(_use_http_once)
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
                _become(cli.main, control, files, **order)
            for file in files:
                os.close(file)
        control.send(json.dumps(answer).encode())


async def _use_http_once() -> None:
    """Import what a process's first request imports, with a request that is refused."""
    async with httpx.AsyncClient() as client:
        with contextlib.suppress(httpx.ConnectError):
            await client.get("http://127.0.0.1:1/")


def _become(
    command: Callable[[Sequence[str]], None],
    control: socket.socket,
    files: list[int],
    arguments: Sequence[str],
    env: Mapping[str, str],
) -> NoReturn:
    """Run the command as a process of its own, and end as one."""
    code = 70
    try:
        control.close()
        for standard, file in enumerate(files):
            os.dup2(file, standard)
            os.close(file)
        os.environ.clear()
        os.environ.update(env)
        command(arguments)
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
