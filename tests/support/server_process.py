"""The server as a real subprocess, its pipes in the test's own hands."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

COMMAND = [sys.executable, "-m", "seedance_mcp"]

START_SECONDS = 20
"""What a start may take on a busy machine."""

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
    """Give an environment with nothing of this machine's configuration in it."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    ours = {
        "HOME": str(folder),
        "SEEDANCE_STATE_DIR": str(folder / "state"),
        "SEEDANCE_OUTPUT_DIR": str(folder / "videos"),
        "SEEDANCE_CHECK_IMAGES": "false",
    }
    return kept | ours | variables


class Pipes:
    """A server's stdin and stdout, a JSON-RPC message a line."""

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
        """Receive until the answer to a request comes."""
        while (message := await self.receive()).get("id") != request_id:
            pass
        return message

    async def request(
        self, request_id: int, method: str, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send a request and give its answer."""
        await self.send(id=request_id, method=method, params=params or {})
        return await self.answer(request_id)

    async def initialize(self) -> dict[str, Any]:
        """Shake hands as the 2025-11-25 revision does."""
        answer = await self.request(0, "initialize", INITIALIZE)
        await self.send(method="notifications/initialized")
        return answer

    async def rest(self) -> bytes:
        """Read all that is still to come, until stdout is closed."""
        rest = bytearray()
        try:
            while True:
                rest += await self._stdout.receive()
        except anyio.EndOfStream:
            return bytes(rest)


@asynccontextmanager
async def start_server(
    env: Mapping[str, str], *, wrapper: tuple[str, ...] = (), stderr: IO[bytes] | None = None
) -> AsyncGenerator[Pipes, None]:
    """Start the server, and kill it at the end if it still runs.

    Args:
        env: Its whole environment.
        wrapper: A command to run it by, such as one that limits it.
        stderr: Where its log goes, None for nowhere.
    """
    log = stderr or subprocess.DEVNULL
    async with await anyio.open_process([*wrapper, *COMMAND], env=env, stderr=log) as process:
        try:
            yield Pipes(process)
        finally:
            if process.returncode is None:
                process.kill()


@asynccontextmanager
async def start_http_server(env: Mapping[str, str]) -> AsyncGenerator[tuple[str, Process], None]:
    """Start the server on a free port, and kill it at the end if it still runs.

    Yields:
        The URL that the server says it serves on, and the process.
    """
    command = [*COMMAND, "serve", "--transport", "http", "--port", "0"]
    async with await anyio.open_process(command, env=env) as process:
        try:
            assert process.stderr
            line = (await process.stderr.receive()).decode()
            assert line.startswith("Serving on http://127.0.0.1:")
            yield line.removeprefix("Serving on ").strip(), process
        finally:
            if process.returncode is None:
                process.kill()
