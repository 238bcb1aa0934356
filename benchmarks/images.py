"""Measure what checking a large image reads and takes, compared with downloading it.

Run it with `make benchmark`. Both are measured in one run against a local host that supports
ranges, so only their ratio is meaningful.
"""

import time
from io import BytesIO
from statistics import median

import anyio
import httpx
from PIL import Image

from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.models.model import load_models
from tests.support.image_host import MEGABYTE, ImageHost, Page, serve_images

RUNS = 7
SIZE = 25 * MEGABYTE


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


async def main() -> None:
    """Measure and print."""
    async with serve_images(image=Page(body=image(), ranges=True)) as host:
        found: dict[str, tuple[float, int]] = {}
        for name, act in {"checking it": checking, "downloading it": downloading}.items():
            times: list[float] = []
            sent = 0
            for _ in range(RUNS):
                before, started = host.sent, time.perf_counter()
                await act(host)
                times.append(time.perf_counter() - started)
                sent = max(sent, host.sent - before)
            found[name] = median(times), sent
            print(f"{name:<20} {median(times) * 1000:8.1f} ms {sent:>12,} bytes")
        (quick, few), (slow, many) = found.values()
        print(f"{'ratio':<20} {quick / slow:8.3f}    {few / many:>12.5f}")


if __name__ == "__main__":
    anyio.run(main)
