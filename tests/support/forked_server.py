"""A forked server over stdio, driven step by step."""

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Callable
from typing import Any

import anyio

from .server_process import MODERN_META
from .timeouts import TIMEOUT_SECONDS

WaitFor = Callable[[int], int]
"""Waits for the end of a process with this id, and returns its exit code."""


class ForkedServer:
    """A forked server over stdio, its pipes in the test's hands.

    It speaks the stateless revision, so that the first message may be a call. Sending blocks and
    never yields to the event loop, so that a test decides what happens next.
    """

    def __init__(self, pid: int, wait_for: WaitFor, *, stdin: int, stdout: int) -> None:
        self._pid: int | None = pid
        self._wait_for = wait_for
        self._stdin = stdin
        self._stdout = stdout
        self._received = b""
        self._requests = 0
        os.set_blocking(stdout, False)

    @property
    def pid(self) -> int:
        """The id of the process, which runs."""
        assert self._pid is not None
        return self._pid

    def send(self, method: str, **params: Any) -> int:
        """Send a request and return its id."""
        self._requests += 1
        message = {
            "jsonrpc": "2.0",
            "id": self._requests,
            "method": method,
            "params": {"_meta": MODERN_META, **params},
        }
        os.write(self._stdin, json.dumps(message).encode() + b"\n")
        return self._requests

    def send_call(self, tool: str, **arguments: Any) -> int:
        """Send a call of a tool and return its id."""
        return self.send("tools/call", name=tool, arguments=arguments)

    async def answer(self, request_id: int) -> dict[str, Any]:
        """Receive until a request's result comes, and return it."""
        with anyio.fail_after(TIMEOUT_SECONDS):
            while (found := self._find(request_id)) is None:
                await anyio.wait_readable(self._stdout)
                self._read()
        return found

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its result."""
        return await self.answer(self.send_call(tool, **arguments))

    def kill(self) -> None:
        """Kill the process as `kill -9` does, and check that nothing else ended it before."""
        assert self._end() == -signal.SIGKILL

    async def fill_stdout(self) -> None:
        """Leave so much unread in the server's stdout that its next answer blocks."""
        fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, 4096)
        self.send("tools/list")
        with anyio.fail_after(TIMEOUT_SECONDS):
            await anyio.wait_readable(self._stdout)

    def received(self, request_id: int) -> dict[str, Any] | None:
        """Return a request's result if it has come."""
        with contextlib.suppress(BlockingIOError, EOFError):
            while True:
                self._read()
        return self._find(request_id)

    def close(self) -> None:
        """Kill the process if it runs, and close its pipes."""
        if self._pid is not None:
            self._end()
        os.close(self._stdin)
        os.close(self._stdout)

    def _end(self) -> int:
        assert self._pid is not None
        pid, self._pid = self._pid, None
        os.kill(pid, signal.SIGKILL)
        return self._wait_for(pid)

    def _read(self) -> None:
        data = os.read(self._stdout, 2**20)
        if not data:
            raise EOFError("the server has ended")
        self._received += data

    def _find(self, request_id: int) -> dict[str, Any] | None:
        """Return a result among the complete lines."""
        for line in self._received.split(b"\n")[:-1]:
            message = json.loads(line)
            if message.get("id") == request_id:
                result: dict[str, Any] = message["result"]
                return result
        return None
