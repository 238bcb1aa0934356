"""The server as a real process, its pipes in the test's hands."""

import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, CompletedProcess
from typing import IO, Any

import anyio
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from seedance_mcp.simulator.server import Simulator

COMMAND = [sys.executable, "-m", "seedance_mcp"]

MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "a test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
"""What every request of the stateless 2026-07-28 revision carries."""

INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "a test", "version": "1"},
}


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return an environment without any configuration of this machine."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    ours = {
        "HOME": str(folder),
        "SEEDANCE_STATE_DIR": str(folder / "state"),
        "SEEDANCE_OUTPUT_DIR": str(folder / "videos"),
        "SEEDANCE_CHECK_IMAGES": "false",
    }
    return kept | ours | variables


def account(simulator: Simulator, folder: Path, **variables: str) -> dict[str, str]:
    """Return the environment of a server whose RunComfy is a simulator."""
    token, url = simulator.token, simulator.url
    return environment(folder, RUNCOMFY_API_TOKEN=token, RUNCOMFY_API_BASE_URL=url, **variables)


class Pipes:
    """A server's stdin and stdout, one JSON-RPC message a line.

    Attributes:
        lines: Every line received so far.
    """

    def __init__(self, process: Process) -> None:
        assert process.stdin
        assert process.stdout
        self.process = process
        self.stdin = process.stdin
        self.lines: list[bytes] = []
        self._stdout = BufferedByteReceiveStream(process.stdout)

    async def send(self, **message: Any) -> None:
        """Send a message."""
        await self.send_raw(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def send_raw(self, data: bytes) -> None:
        """Send bytes that need not be a message."""
        await self.stdin.send(data)

    async def receive(self) -> dict[str, Any]:
        """Receive the next message."""
        line = await self._stdout.receive_until(b"\n", 2**24)
        self.lines.append(line)
        message: dict[str, Any] = json.loads(line)
        return message

    async def answer(self, request_id: int) -> dict[str, Any]:
        """Receive messages until the answer to a request comes, and return it."""
        while (message := await self.receive()).get("id") != request_id:
            pass
        return message

    async def request(
        self, request_id: int, method: str, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send a request and return its answer."""
        await self.send(id=request_id, method=method, params=params or {})
        return await self.answer(request_id)

    async def initialize(self) -> dict[str, Any]:
        """Do the handshake of the 2025-11-25 revision."""
        answer = await self.request(0, "initialize", INITIALIZE)
        await self.send(method="notifications/initialized")
        return answer

    async def read_rest(self) -> bytes:
        """Read until stdout is closed."""
        return b"".join([data async for data in self._stdout])


class Servers(ABC):
    """A way to start the command `seedance-mcp`; what still runs at the end is killed."""

    @abstractmethod
    def start(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        *,
        stderr: IO[bytes] | int,
        cwd: Path | None = None,
    ) -> AbstractAsyncContextManager[Process]:
        """Start the command.

        Args:
            arguments: The command's arguments.
            env: Its whole environment.
            stderr: A file, `PIPE` or `DEVNULL`.
            cwd: Its working directory, this process's by default.
        """

    @asynccontextmanager
    async def stdio(
        self, env: Mapping[str, str], *, stderr: IO[bytes] | int = DEVNULL
    ) -> AsyncGenerator[Pipes, None]:
        """Start a server over stdio."""
        async with self.start([], env, stderr=stderr) as process:
            yield Pipes(process)

    @asynccontextmanager
    async def http(self, env: Mapping[str, str]) -> AsyncGenerator[tuple[str, Process], None]:
        """Start a server on a free port, and yield the URL that it prints and its process."""
        arguments = ["serve", "--transport", "http", "--port", "0"]
        async with self.start(arguments, env, stderr=PIPE) as process:
            assert process.stderr
            line = (await process.stderr.receive()).decode()
            assert line.startswith("Serving on http://127.0.0.1:")
            yield line.removeprefix("Serving on ").strip(), process

    async def command(
        self, arguments: Sequence[str], env: Mapping[str, str], *, cwd: Path | None = None
    ) -> CompletedProcess[bytes]:
        """Run a command that ends by itself, without stdin."""
        async with self.start(arguments, env, stderr=PIPE, cwd=cwd) as process:
            assert process.stdin
            assert process.stdout
            assert process.stderr
            await process.stdin.aclose()
            stdout, stderr = await read_all(process.stdout), await read_all(process.stderr)
            return CompletedProcess(arguments, await process.wait(), stdout, stderr)


class FreshServers(Servers):
    """Start the command as a user does, with an interpreter of its own: a second of CPU time.

    Args:
        wrapper: A command that runs it, such as `prlimit`.
    """

    def __init__(self, wrapper: Sequence[str] = ()) -> None:
        self._wrapper = wrapper

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
        command = [*self._wrapper, *COMMAND, *arguments]
        async with await anyio.open_process(command, env=env, stderr=stderr, cwd=cwd) as process:
            try:
                yield process
            finally:
                if process.returncode is None:
                    process.kill()


async def read_all(stream: ByteReceiveStream) -> bytes:
    """Read a stream to its end."""
    return b"".join([data async for data in stream])
