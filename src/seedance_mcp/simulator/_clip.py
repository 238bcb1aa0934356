"""Rendering of a clip: a real H.264 MP4 from the first and the last image.

The clip zooms slowly into the first image; with a last one it zooms out again and dissolves into
it. Every frame says SIMULATED in its lower left corner, once: a clip may begin with a frame of
another one, which it shows first just as it is.

It needs the `video` extra, so `_rendering.py` imports it only when there is work.
"""

# PyAV's stubs leave types out: packets' streams, `from_image`, keyword arguments of `add_stream`.
# pyright: reportUnknownMemberType=false
import math
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import cast

import av
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image, ImageOps

from ._mark import draw_mark, take_off_mark

FRAMES_PER_SECOND = 24  # seen: a real clip of 15 s had 24 frames a second
ZOOM = 0.12  # how much larger the image becomes
DISSOLVE = 0.45  # the fraction of the clip that the dissolve takes


def render(  # noqa: PLR0913  what a clip is made of
    path: Path,
    first: bytes,
    last: bytes | None,
    *,
    height: int,
    seconds: int,
    aspect: float | None = None,
    each_frame: Callable[[], object] = lambda: None,
) -> None:
    """Write a clip of exactly `seconds`, `height` pixels high.

    `aspect` is its width/height, by default that of `first`; images are cropped to it.
    `each_frame` is called before every frame; an exception from it stops the rendering.
    """
    opening, closing = _open(first), _open(last) if last else None
    size = (_even(height * (aspect or opening.width / opening.height)), _even(height))
    count = seconds * FRAMES_PER_SECOND
    # With faststart the index comes first, so that a player need not have the whole file.
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        # The first frame differs from an image of the clip's size by less than can be seen (40 dB).
        stream.options = {"preset": "veryfast", "crf": "16"}
        stream.color_range, stream.colorspace = ColorRange.MPEG, Colorspace.ITU709
        for image in _frames(opening, closing, size=size, count=count):
            each_frame()
            frame = cast("VideoFrame", VideoFrame.from_image(image)).reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def still(image: bytes) -> bytes:
    """Return an image as an upright JPEG."""
    jpeg = BytesIO()
    _open(image).save(jpeg, "JPEG", quality=85)
    return jpeg.getvalue()


def _frames(
    first: Image.Image, last: Image.Image | None, *, size: tuple[int, int], count: int
) -> Iterator[Image.Image]:
    opening = _fit(take_off_mark(first), size)
    closing = last and _fit(take_off_mark(last), size)
    for index in range(count):
        t = index / (count - 1)
        zoom = 1 + ZOOM * (_ease(t) if closing is None else math.sin(math.pi * t) ** 2)
        frame = _view(opening, size, zoom)
        if closing is not None and t > 1 - DISSOLVE:
            dissolved = _ease((t - (1 - DISSOLVE)) / DISSOLVE)
            frame = Image.blend(frame, _view(closing, size, zoom), dissolved)
        draw_mark(frame)
        yield frame


def _fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return an image in the shape of a clip; it stays as it is if it has the clip's size."""
    if image.size == size:
        return image
    # No larger than the closest view needs, so that every frame is quick to cut out.
    largest = (round(size[0] * (1 + ZOOM)), round(size[1] * (1 + ZOOM)))
    return ImageOps.fit(image, largest, Image.Resampling.LANCZOS)


def _view(image: Image.Image, size: tuple[int, int], zoom: float) -> Image.Image:
    # The box has fractional pixels, so that the zoom is smooth.
    x, y = (image.width - image.width / zoom) / 2, (image.height - image.height / zoom) / 2
    box = (x, y, image.width - x, image.height - y)
    return image.resize(size, Image.Resampling.BILINEAR, box=box)


def _open(image: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(BytesIO(image))).convert("RGB")


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))


def _ease(t: float) -> float:
    return t * t * (3 - 2 * t)
