"""A simulator whose clips are shots of a film: real MP4s of a few frames, no two of them alike."""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import anyio
import av
from PIL import Image

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running

from .image_likeness import psnr
from .sample_clips import last_frame

FRAMES = 4
SIZE = (320, 304)
"""Just over what the model's rules ask of an image."""


@dataclass
class Film:
    """The shots that were rendered, by request id."""

    size: tuple[int, int] = SIZE
    shots: dict[str, Path] = field(default_factory=dict[str, Path])

    def render(self, path: Path, *_: object, **__: object) -> None:
        """Write the next shot, whatever its images are."""
        self.shots[path.stem] = path
        with av.open(str(path), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=24)
            stream.width, stream.height = self.size
            stream.pix_fmt, stream.options = "yuv420p", {"preset": "ultrafast", "crf": "12"}
            for number in range(FRAMES):
                image = self._image(len(self.shots), number)
                container.mux(stream.encode(cast("av.VideoFrame", av.VideoFrame.from_image(image))))
            container.mux(stream.encode())

    def _image(self, shot: int, number: int) -> Image.Image:
        ramp = Image.linear_gradient("L").resize(self.size)
        flat = Image.new("L", self.size, 60 * shot % 256)
        image = Image.merge("RGB", (ramp, flat, ramp.transpose(Image.Transpose.ROTATE_180)))
        image.paste((255, 255, 255), (40 * number, 40, 40 * number + 40, 80))
        return image

    def psnr(self, data_uri: str, request_id: str) -> float:
        """Return how alike an image that was sent and the last frame of a shot are, in dB."""
        return likeness(data_uri, self.shots[request_id])


def likeness(data_uri: str, clip: Path) -> float:
    """Return how alike an image that was sent and the last frame of a clip are, in dB."""
    return psnr(sent_image(data_uri), cast("Image.Image", last_frame(clip).to_image()))


def sent_image(data_uri: str) -> Image.Image:
    """Return the image of a data: URI as it was sent, which must be a PNG."""
    head, _, body = data_uri.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(BytesIO(base64.b64decode(body)), formats=["PNG"])


@asynccontextmanager
async def run_film(
    size: tuple[int, int] = SIZE, **switches: Any
) -> AsyncGenerator[tuple[Simulator, Film], None]:
    """Run a simulator that renders shots, in virtual time."""
    film = Film(size)
    behaviour = Behaviour(images="never", **switches)
    async with running(behaviour, clock=anyio.current_time, render=film.render) as simulator:
        yield simulator, film
