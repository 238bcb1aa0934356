"""The event loop with a virtual clock, on which most tests run."""

import asyncio
import gc
from asyncio import StreamReader, StreamWriter
from contextlib import suppress

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def _serve(_: StreamReader, writer: StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize("steps", range(5))
async def test_a_connection_given_up_midway_leaves_no_socket_open(steps: int) -> None:
    async with await asyncio.start_server(_serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connecting = asyncio.ensure_future(asyncio.open_connection("127.0.0.1", port))
        for _ in range(steps):
            await asyncio.sleep(0)
        assert connecting.cancel()
        with suppress(asyncio.CancelledError):
            await connecting
    del connecting
    # A socket that is left open warns, which is an error.
    gc.collect()
