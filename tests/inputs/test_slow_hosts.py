"""Hosts that send very small pieces must not keep other calls waiting."""

import struct
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from seedance_mcp.errors import InputError
from seedance_mcp.inputs.preflight import Preflight
from tests.support.image_host import Page, serve_images
from tests.support.preflight import FIRST, MODEL
from tests.support.sample_images import ENDLESS_MARKERS, far_jpeg

pytestmark = pytest.mark.anyio

ENTRIES = b"II*\0" + struct.pack("<IH", 8, 65_535) + (b"\0\1\3\0" + bytes(8)) * 20_000
EXTENTS = b"meta" + bytes(4) + b"ispe" * 100_000
BOXES = b"\0\0\0\x08free" * 9_000 + struct.pack(">I", len(EXTENTS) + 4) + EXTENTS


async def outcome(url: str) -> str:
    """Return the warnings about an image, or why it is refused."""
    preflight = Preflight(check=True, allow_private=True, local_files=False)
    try:
        return "\n".join((await preflight.check(MODEL, {"prompt": "A lake", FIRST: url})).warnings)
    except InputError as error:
        return error.message


@asynccontextmanager
async def pauses() -> AsyncGenerator[list[float], None]:
    """Record how long the event loop was blocked, in seconds."""
    found: list[float] = []

    async def beat() -> None:
        while True:
            before = time.thread_time()
            await anyio.sleep(0.01)
            found.append(time.thread_time() - before)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beat)
        yield found
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("body", "chunk"),
    [
        (ENDLESS_MARKERS, 16),
        (ENTRIES, 64),
        (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + BOXES, 64),
    ],
)
async def test_a_host_that_drips_an_endless_header_does_not_block_other_calls(
    body: bytes, chunk: int
) -> None:
    dripping = Page(body=body, length="chunked", chunk=chunk)
    async with serve_images(image=dripping) as host, pauses() as found:
        await outcome(host.url())
    assert max(found) < 0.5


async def test_a_header_that_arrived_before_the_connection_broke_is_used() -> None:
    jpeg = far_jpeg(60_000)
    body = jpeg[: jpeg.index(b"\xff\xc0") + 10]
    async with serve_images(image=Page(body=body, length="long")) as host:
        assert await outcome(host.url()) == ""
