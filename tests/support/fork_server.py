"""Servers as real processes that start quickly: each is forked from one that has imported it all.

A start of the interpreter and the SDK's imports take more than a second of CPU time; a fork takes
milliseconds. What is forked has a single thread, no event loop and no open file of the package,
and each child runs the command `seedance-mcp` with pipes, stderr and environment of its own.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

from anyio.abc import Process

from .forked_process import ForkedProcess
from .forked_server import ForkedServer
from .server_process import Servers
from .timeouts import TIMEOUT_SECONDS

ROOT = Path(__file__).parents[2]


class ForkServer(Servers):
    """Starts servers as forks.

    Attributes:
        stderr: The file that collects what the servers of `fork` write to stderr.
    """

    def __init__(self, control: socket.socket, stderr: Path) -> None:
        self._control = control
        self.stderr = stderr

    @contextmanager
    def forked(self, env: Mapping[str, str]) -> Generator[ForkedServer, None, None]:
        """Start a server over stdio, and end it with the context."""
        server = self.fork(env)
        try:
            yield server
        finally:
            server.close()

    def fork(self, env: Mapping[str, str]) -> ForkedServer:
        """Start a server over stdio that the caller closes."""
        with self.stderr.open("ab") as stderr:
            pid, stdin, stdout = self._fork([], env, stderr.fileno(), ROOT)
        return ForkedServer(pid, self._wait_for, stdin=stdin, stdout=stdout)

    @asynccontextmanager
    async def start(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        *,
        stderr: IO[bytes] | int,
        cwd: Path | None = None,
    ) -> AsyncGenerator[Process, None]:
        """Start the command."""
        reading = None
        if stderr == subprocess.PIPE:
            reading, writing = os.pipe()
        elif stderr == subprocess.DEVNULL:
            writing = os.open(os.devnull, os.O_WRONLY)
        else:
            assert not isinstance(stderr, int)
            writing = os.dup(stderr.fileno())
        pid, stdin, stdout = self._fork(arguments, env, writing, cwd or ROOT)
        os.close(writing)
        async with ForkedProcess(
            pid, self._wait_for, stdin=stdin, stdout=stdout, stderr=reading
        ) as process:
            yield process

    def _wait_for(self, pid: int) -> int:
        """Wait for the end of a child, and return its exit code."""
        self._control.send(json.dumps({"ended": pid}).encode())
        code: int = json.loads(self._control.recv(1024))
        return code

    def _fork(
        self, arguments: Sequence[str], env: Mapping[str, str], stderr: int, cwd: Path
    ) -> tuple[int, int, int]:
        """Start the command, and return its pid and our ends of its stdin and stdout."""
        # Reading the authorities' certificates is half of a start, and nothing here is encrypted.
        env = {"SSL_CERT_DIR": str(self.stderr.parent), **env}
        stdin, to_stdin = os.pipe()
        from_stdout, stdout = os.pipe()
        message = json.dumps({"arguments": arguments, "env": env, "cwd": str(cwd)}).encode()
        socket.send_fds(self._control, [message], [stdin, stdout, stderr])
        pid: int = json.loads(self._control.recv(1024))
        os.close(stdin)
        os.close(stdout)
        return pid, to_stdin, from_stdout


@contextmanager
def run_fork_server(folder: Path) -> Generator[ForkServer, None, None]:
    """Run a fork server, and end it; its files are in the folder."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.support.fork_server_main", str(theirs.fileno())]
    with ours, subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        ours.settimeout(TIMEOUT_SECONDS)
        try:
            assert ours.recv(1024) == b"ready"
            yield ForkServer(ours, folder / "stderr")
        finally:
            process.kill()
