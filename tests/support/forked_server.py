"""Servers as real processes, quick to start: each is forked from one that has imported it all.

A start of the interpreter and the SDK's imports take more than a second; a fork takes
milliseconds. What is forked has a single thread, no event loop and no open file of the package,
and each child runs the command `seedance-mcp` with pipes, stderr and environment of its own.
"""

import contextlib
import fcntl
import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import anyio
import httpx

from .server_process import MODERN_META, START_SECONDS

ROOT = Path(__file__).parents[2]
ANSWER_SECONDS = 20
"""What an answer may take on a busy machine."""


class ForkedServer:
    """A server that was forked, its pipes in the test's own hands.

    It speaks the stateless revision, so that the first message may be a call.
    """

    def __init__(self, run_fork_server: "ForkServer", pid: int, stdin: int, stdout: int) -> None:
        self._nursery = run_fork_server
        self._pid: int | None = pid
        self._stdin = stdin
        self._stdout = stdout
        self._read = b""
        self._requests = 0
        os.set_blocking(stdout, False)

    def send(self, method: str, **params: Any) -> int:
        """Send a request and give its id."""
        self._requests += 1
        message = {
            "jsonrpc": "2.0",
            "id": self._requests,
            "method": method,
            "params": {"_meta": MODERN_META, **params},
        }
        os.write(self._stdin, json.dumps(message).encode() + b"\n")
        return self._requests

    def begin(self, tool: str, **arguments: Any) -> int:
        """Send a call of a tool and give its id."""
        return self.send("tools/call", name=tool, arguments=arguments)

    async def answer(self, request_id: int) -> dict[str, Any]:
        """Receive until a request's result comes."""
        with anyio.fail_after(ANSWER_SECONDS):
            while (found := self._found(request_id)) is None:
                await anyio.wait_readable(self._stdout)
                self._take_in()
        return found

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and give its result."""
        return await self.answer(self.begin(tool, **arguments))

    def kill(self) -> None:
        """Kill the process as `kill -9` does, and see that nothing else has ended it."""
        assert self._end(signal.SIGKILL) == -signal.SIGKILL

    async def stuff(self) -> None:
        """Leave so much unread in the server's stdout that its next answer cannot leave."""
        fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, 4096)
        self.send("tools/list")
        with anyio.fail_after(ANSWER_SECONDS):
            await anyio.wait_readable(self._stdout)

    def received(self, request_id: int) -> dict[str, Any] | None:
        """Give a request's result if it has come; of one that was killed, nothing more will."""
        with contextlib.suppress(BlockingIOError, EOFError):
            while True:
                self._take_in()
        return self._found(request_id)

    def close(self) -> None:
        """End the process and close its pipes."""
        if self._pid is not None:
            self._end(signal.SIGKILL)
        os.close(self._stdin)
        os.close(self._stdout)

    def _end(self, with_signal: signal.Signals) -> int:
        assert self._pid is not None
        pid, self._pid = self._pid, None
        os.kill(pid, with_signal)
        return self._nursery.buried(pid)

    def _take_in(self) -> None:
        data = os.read(self._stdout, 2**20)
        if not data:
            raise EOFError("the server has ended")
        self._read += data

    def _found(self, request_id: int) -> dict[str, Any] | None:
        """Find a result among the lines that are whole."""
        for line in self._read.split(b"\n")[:-1]:
            message = json.loads(line)
            if message.get("id") == request_id:
                result: dict[str, Any] = message["result"]
                return result
        return None


class ForkServer:
    """Where servers are forked; `stderr` gathers what all of them write there."""

    def __init__(self, control: socket.socket, stderr: Path) -> None:
        self._control = control
        self.stderr = stderr

    @contextmanager
    def served(self, env: Mapping[str, str]) -> Generator[ForkedServer, None, None]:
        """Start a server, and end it with the context."""
        served = self.start(env)
        try:
            yield served
        finally:
            served.close()

    def start(self, env: Mapping[str, str]) -> ForkedServer:
        """Start a server that the caller closes."""
        # Reading the authorities' certificates is half of a start, and nothing here is encrypted.
        env = {**env, "SSL_CERT_DIR": str(self.stderr.parent)}
        stdin, to_stdin = os.pipe()
        from_stdout, stdout = os.pipe()
        stderr = os.open(self.stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        message = json.dumps({"env": env}).encode()
        socket.send_fds(self._control, [message], [stdin, stdout, stderr])
        pid = json.loads(self._control.recv(1024))
        for file in (stdin, stdout, stderr):
            os.close(file)
        return ForkedServer(self, pid, to_stdin, from_stdout)

    def buried(self, pid: int) -> int:
        """Wait for a child that is dying, and give its exit code."""
        self._control.send(json.dumps({"dead": pid}).encode())
        code: int = json.loads(self._control.recv(1024))
        return code


@contextmanager
def run_fork_server(folder: Path) -> Generator[ForkServer, None, None]:
    """Open a nursery, and end it with all that is left in it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.support.forked_server", str(theirs.fileno())]
    with ours, subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        ours.settimeout(START_SECONDS)
        try:
            assert ours.recv(1024) == b"ready"
            yield ForkServer(ours, folder / "stderr")
        finally:
            process.kill()


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does, which nobody signals."""
    with anyio.fail_after(ANSWER_SECONDS):
        while not condition():  # noqa: ASYNC110 - nobody in this process sets an event
            await anyio.sleep(0.001)


def _main(control: socket.socket) -> None:
    from seedance_mcp import settings
    from seedance_mcp.cli import main as cli
    from seedance_mcp.mcp_server import app as server
    from seedance_mcp.mcp_server.transports import stdio as serve_stdio
    from seedance_mcp.service import factory

    assert serve_stdio
    assert factory
    server.build_server(settings.load_settings({}))
    anyio.run(_use_http_once)
    gc.freeze()
    control.send(b"ready")
    while True:
        message, files, _, _ = socket.recv_fds(control, 2**16, 3)
        if not message:
            return
        wish = json.loads(message)
        if "dead" in wish:
            _, status = os.waitpid(wish["dead"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if not answer:
                _become(cli.main, control, files, wish["env"])
            for file in files:
                os.close(file)
        control.send(json.dumps(answer).encode())


async def _use_http_once() -> None:
    """Import what the first request of a process imports, by one that nobody answers."""
    async with httpx.AsyncClient() as client:
        with contextlib.suppress(httpx.ConnectError):
            await client.get("http://127.0.0.1:1/")


def _become(
    main: Any, control: socket.socket, files: list[int], env: Mapping[str, str]
) -> NoReturn:
    try:
        control.close()
        for standard, file in enumerate(files):
            os.dup2(file, standard)
            os.close(file)
        os.environ.clear()
        os.environ.update(env)
        main([])
    finally:
        os._exit(70)


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
