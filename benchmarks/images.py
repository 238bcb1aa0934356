"""Measure what checking a large image reads and takes, compared with downloading it.

Both are measured in one run against a local host that supports ranges.
"""

import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from io import BytesIO
from statistics import median

import anyio
import httpx
from PIL import Image

from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.models.model import load_models
from tests.support.image_host import MEGABYTE, ImageHost, Page, serve_images

from .figures import Figure, as_table

RUNS = 7
MOST_BYTES = 64 * 1024
"""How much of an image may be read for a check."""
SIZE = 25 * MEGABYTE


@dataclass(frozen=True, kw_only=True)
class Act:
    """What was done to an image: the median of its time, and the most bytes that it took."""

    milliseconds: float
    sent: int


def image() -> bytes:
    """Return a JPEG, padded after its end to 25 MB, which a reader of headers never reaches."""
    drawn = BytesIO()
    Image.effect_noise((2000, 1500), 90).convert("RGB").save(drawn, "JPEG", quality=95)
    return drawn.getvalue().ljust(SIZE, b"\0")


async def checking(host: ImageHost) -> None:
    """Check the image as the server does."""
    model = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
    preflight = Preflight(check=True, allow_private=True, local_files=False)
    await preflight.check(model, {"first_frame_image_url": host.url(), "prompt": "Mist."})


async def downloading(host: ImageHost) -> None:
    """Download the whole image."""
    async with httpx.AsyncClient() as http:
        await http.get(host.url(), headers={"Range": "bytes=0-"})


async def measured(host: ImageHost, act: Callable[[ImageHost], Awaitable[None]]) -> Act:
    """Return how long something takes, and the most bytes that were sent for it."""
    times: list[float] = []
    sent = 0
    for _ in range(RUNS):
        before, began = host.sent, time.perf_counter()
        await act(host)
        times.append(time.perf_counter() - began)
        sent = max(sent, host.sent - before)
    return Act(milliseconds=1000 * median(times), sent=sent)


async def figures() -> list[Figure]:
    """Measure both."""
    async with serve_images(image=Page(body=image(), ranges=True)) as host:
        checked, downloaded = await measured(host, checking), await measured(host, downloading)
    read = Figure(
        name="read to check an image of 25 MB",
        value=checked.sent,
        aim=MOST_BYTES,
        unit="bytes",
        details=f"{checked.milliseconds:.0f} ms, to {downloaded.milliseconds:.0f} to download it",
    )
    return [read]


def main() -> None:
    """Print the figures, and exit with 1 if too much is read."""
    found = anyio.run(figures)
    print(as_table(found))
    sys.exit(not all(figure.met for figure in found))


if __name__ == "__main__":
    main()
