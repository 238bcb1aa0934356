"""Serving one client on stdin and stdout, on which nothing but JSON-RPC goes.

The end of stdin, SIGTERM and SIGINT end the process with exit code 0 within a second.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager

import anyio
from mcp.server.stdio import stdio_server

from .ending import end_process, until_signal
from .server import SeedanceServer


async def serve_stdio(server: SeedanceServer) -> None:
    """Serve one client on stdin and stdout."""
    with _stdout_for_protocol() as wire:
        server.answers_left = lambda: wire.clear
        async with stdio_server(stdout=wire) as (reading, writing):
            # Nothing but the end of stdin wakes the SDK's reader, so only that leaves this block.
            try:
                async with until_signal(server) as serving:
                    await server.run(reading, writing, server.create_initialization_options())
            except Exception as error:  # noqa: BLE001 - the process ends here
                end_process(error)
            if serving.cancelled_caught:
                end_process(None)


class _Wire(anyio.AsyncFile[str]):
    """The client's pipe, which knows whether all that was written has left.

    A client that has gone is no fault: its end of stdin says the same, and ends the process.
    """

    clear = True

    async def write(self, b: str) -> int:  # type: ignore[override]
        """Write a message."""
        self.clear = False
        return await super().write(b)

    async def flush(self) -> None:
        """See a message off."""
        try:
            await super().flush()
        except BrokenPipeError:
            # What could not be sent would be tried again with every message to come.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.wrapped.fileno())
            os.close(null)
            return
        self.clear = True


@contextmanager
def _stdout_for_protocol() -> Generator[_Wire, None, None]:
    """Take stdout for the protocol alone; whatever a library prints goes to stderr."""
    private = os.dup(1)
    try:
        os.dup2(2, 1)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    stdout = os.fdopen(private, "w", encoding="utf-8", newline="\n", closefd=False)
    try:
        yield _Wire(stdout)
    finally:
        os.dup2(private, 1)
        os.close(private)
