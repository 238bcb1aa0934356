"""A server over stdio in a process of its own, which is asked one thing at a time."""

import json
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from tests.support.server_process import COMMAND, INITIALIZE

EMPTY = """
from mcp.server import MCPServer

server = MCPServer("empty")


@server.tool()
def nothing() -> str:
    '''Do nothing.'''
    return "nothing"


server.run("stdio")
"""
OURS = tuple(COMMAND)
EMPTY_SERVER = (sys.executable, "-c", EMPTY)
"""A server of the same SDK with one tool, which does nothing."""


class Pipe:
    """A server's stdin and stdout.

    Attributes:
        process: The server.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self._stdin, self._stdout = (
            cast("IO[bytes]", process.stdin),
            cast("IO[bytes]", process.stdout),
        )
        self._sent = 0

    def request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request, and return its result."""
        self._sent += 1
        self._send(id=self._sent, method=method, params=params)
        while True:
            message = json.loads(self._stdout.readline())
            if message.get("id") == self._sent:
                return message["result"]

    def initialize(self) -> None:
        """Do the handshake."""
        if "serverInfo" not in self.request("initialize", INITIALIZE):
            raise RuntimeError("The server did not answer initialize.")
        self._send(method="notifications/initialized")

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool, and return what it answered."""
        result = self.request("tools/call", {"name": tool, "arguments": arguments})
        if result.get("isError"):
            raise RuntimeError(f"{tool} failed: {result['content']}")
        return result

    @property
    def megabytes(self) -> float:
        """Return the server's resident memory (Linux)."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1]
        return int(pages) * 4096 / 1e6

    def _send(self, **message: Any) -> None:
        self._stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self._stdin.flush()


@contextmanager
def started(command: Sequence[str], env: Mapping[str, str]) -> Generator[Pipe, None, None]:
    """Start a server, and kill it at the end."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
    ) as process:
        try:
            yield Pipe(process)
        finally:
            process.kill()
