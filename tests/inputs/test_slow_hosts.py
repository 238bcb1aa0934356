"""Hosts that send what they send in very small pieces: no other call may have to wait for that."""

import struct
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from seedance_mcp.errors import InputError
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.models.model import load_models
from tests.support.image_host import Page, serve_images
from tests.support.sample_images import ENDLESS_MARKERS, far_jpeg

pytestmark = pytest.mark.anyio

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
FIRST = "first_frame_image_url"

ENTRIES = b"II*\0" + struct.pack("<IH", 8, 65_535) + (b"\0\1\3\0" + bytes(8)) * 20_000
EXTENTS = b"meta" + bytes(4) + b"ispe" * 100_000
BOXES = b"\0\0\0\x08free" * 9_000 + struct.pack(">I", len(EXTENTS) + 4) + EXTENTS


async def look(url: str) -> str:
    """Give the warnings about an image, or why it is refused."""
    gate = Preflight(MODEL, check=True, allow_private=True, local_files=False)
    try:
        return "\n".join((await gate.look({"prompt": "A lake", FIRST: url})).warnings)
    except InputError as error:
        return error.message


@asynccontextmanager
async def pauses() -> AsyncGenerator[list[float], None]:
    """Note how long the event loop did not come round, in seconds."""
    found: list[float] = []

    async def beat() -> None:
        while True:
            before = time.perf_counter()
            await anyio.sleep(0.01)
            found.append(time.perf_counter() - before)

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
async def test_a_host_that_drips_a_head_without_end_keeps_no_other_call_waiting(
    body: bytes, chunk: int
) -> None:
    dripping = Page(body=body, length="chunked", chunk=chunk)
    async with serve_images(image=dripping) as host, pauses() as found:
        await look(host.url())
    assert max(found) < 0.5


async def test_what_came_before_a_connection_broke_is_looked_at_to_its_last_byte() -> None:
    jpeg = far_jpeg(60_000)
    body = jpeg[: jpeg.index(b"\xff\xc0") + 10]
    async with serve_images(image=Page(body=body, length="long")) as host:
        assert await look(host.url()) == ""
