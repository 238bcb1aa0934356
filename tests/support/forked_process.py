"""A forked process in the form that anyio gives its processes."""

import os
import signal

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process

from .forked_server import WaitFor


class ForkedProcess(Process):
    """A forked server as anyio has its processes."""

    def __init__(
        self, pid: int, wait_for: WaitFor, *, stdin: int, stdout: int, stderr: int | None = None
    ) -> None:
        self._pid = pid
        self._wait_for = wait_for
        # Readable once the process has ended; it is the fork server's child, not ours.
        self._pidfd = os.pidfd_open(pid)
        self._returncode: int | None = None
        self._stdin = _Writer(stdin)
        self._stdout = _Reader(stdout)
        self._stderr = None if stderr is None else _Reader(stderr)

    async def wait(self) -> int:
        if self._returncode is None:
            await anyio.wait_readable(self._pidfd)
            self._returncode = self._wait_for(self._pid)
        return self._returncode

    async def aclose(self) -> None:
        """Kill the process if it still runs, and close its pipes."""
        with anyio.CancelScope(shield=True):
            await self._stdin.aclose()
            await self._stdout.aclose()
            if self._stderr is not None:
                await self._stderr.aclose()
            if self._returncode is None:
                self.kill()
                await self.wait()
        os.close(self._pidfd)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, signal: int) -> None:
        if self._returncode is None:
            os.kill(self._pid, signal)

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def returncode(self) -> int | None:
        return self._returncode

    @property
    def stdin(self) -> ByteSendStream:
        return self._stdin

    @property
    def stdout(self) -> ByteReceiveStream:
        return self._stdout

    @property
    def stderr(self) -> ByteReceiveStream | None:
        return self._stderr


class _Pipe:
    def __init__(self, file: int) -> None:
        os.set_blocking(file, False)
        self._file: int | None = file

    @property
    def _open_file(self) -> int:
        if self._file is None:
            raise anyio.ClosedResourceError
        return self._file

    async def aclose(self) -> None:
        if self._file is not None:
            anyio.notify_closing(self._file)
            os.close(self._file)
            self._file = None


class _Reader(_Pipe, ByteReceiveStream):
    async def receive(self, max_bytes: int = 65536) -> bytes:
        await anyio.wait_readable(self._open_file)
        data = os.read(self._open_file, max_bytes)
        if not data:
            raise anyio.EndOfStream
        return data


class _Writer(_Pipe, ByteSendStream):
    async def send(self, item: bytes) -> None:
        left = memoryview(item)
        while left:
            await anyio.wait_writable(self._open_file)
            try:
                left = left[os.write(self._open_file, left) :]
            except BrokenPipeError:
                raise anyio.BrokenResourceError from None
