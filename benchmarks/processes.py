"""What is measured against, in processes of its own, so that it shares no interpreter.

`python -m benchmarks.processes simulator SECONDS` runs RunComfy's simulator, whose jobs run so
long; `… file PATH` serves a file at every path, as fast as the kernel sends it. Each prints where
it is, as JSON, and ends with its stdin.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running


@contextmanager
def simulated(*, run_seconds: float) -> Generator[tuple[str, str], None, None]:
    """Run a simulator, and yield its URL and its token."""
    with _module("simulator", str(run_seconds)) as place:
        yield place["url"], place["token"]


@contextmanager
def served(path: Path) -> Generator[str, None, None]:
    """Serve a file, and yield the host's URL."""
    with _module("file", str(path)) as place:
        yield place["url"]


@contextmanager
def _module(*arguments: str) -> Generator[dict[str, Any], None, None]:
    command = [sys.executable, "-m", "benchmarks.processes", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield json.loads(process.stdout.readline()) if process.stdout else {}
        finally:
            process.kill()


async def _simulate(run_seconds: float) -> None:
    async with running(
        Behaviour(images="never", run_seconds=run_seconds, balance_usd=1e6, workers=2000)
    ) as simulator:
        _say(url=simulator.url, token=simulator.token)
        await anyio.to_thread.run_sync(sys.stdin.read)


def _serve(path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    _say(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    threading.Thread(target=_accept, args=(listener, path), daemon=True).start()
    sys.stdin.read()


def _accept(listener: socket.socket, path: Path) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_send, args=(connection, path), daemon=True).start()


def _send(connection: socket.socket, path: Path) -> None:
    """Answer one request, and close the connection."""
    with connection, path.open("rb") as file:
        connection.recv(64 * 1024)
        head = ["HTTP/1.1 200 OK", "Content-Type: video/mp4", "Connection: close"]
        head += [f"Content-Length: {os.fstat(file.fileno()).st_size}", "", ""]
        connection.sendall("\r\n".join(head).encode())
        connection.sendfile(file)


def _say(**place: str) -> None:
    print(json.dumps(place), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "simulator":
        anyio.run(_simulate, float(sys.argv[2]))
    else:
        _serve(Path(sys.argv[2]))
