"""Shrinks images to posters, whatever their bytes are.

They may come from anywhere, so only the types that people send are read, and what would take much
memory or time is refused before it is decoded. This blocks and belongs in a worker thread; Pillow
is imported by the first image.
"""

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

from seedance_mcp.clips.small_jpeg import POSTER, small_jpeg

from ._errors import NotAnImage, UnsupportedImage
from ._image_header import read_header
from ._jpeg_conversion import flatten, pillow_errors, turn_upright

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = {"JPEG": 36_000_000, "PNG": 36_000_000, "GIF": 36_000_000, "WebP": 12_000_000}
"""As many as any model takes; a WebP takes 16 bytes of memory for each, others up to 8."""

MOST_SCANS = 20
"""How often a JPEG may go over its pixels; encoders do up to 12 times."""

_START_OF_SCAN = b"\xff\xda"

# Pillow averages the pixels of these without a copy of all of them.
_AVERAGED = frozenset({"RGB", "L", "CMYK"})
_COARSE_SIDE = 4 * POSTER.max_side


def shrink_image(data: bytes, check_cancelled: Callable[[], object]) -> bytes | None:
    """Return the poster of an image: upright, on white, without metadata.

    None if it is not an image, a damaged one, or one that takes too much to decode.
    `check_cancelled` is called between the steps, and raises if the call was cancelled.
    """
    from PIL import Image

    kind = _bounded_kind(data)
    if kind is None:
        return None
    try:
        image = Image.open(BytesIO(data), formats=[kind.upper()])
        # A GIF's first frame may be larger than the GIF says that it is.
        if image.width * image.height > MOST_PIXELS[kind]:
            return None
        small = _reduce(image)
        check_cancelled()
        return small_jpeg(flatten(turn_upright(small)), POSTER)
    except pillow_errors():
        return None


def _bounded_kind(data: bytes) -> str | None:
    """Return an image's type, None if it must not be decoded; no pixel is decoded for that."""
    try:
        header = read_header(data, whole=True)
    except (NotAnImage, UnsupportedImage):
        return None
    if header is None or header.width * header.height > MOST_PIXELS.get(header.kind, 0):
        return None
    too_many = header.kind == "JPEG" and data.count(_START_OF_SCAN) > MOST_SCANS
    return None if too_many else header.kind


def _reduce(image: "Image.Image") -> "Image.Image":
    """Return an image with so few pixels that all else is cheap; the given one is used up."""
    from PIL import Image

    if image.mode in _AVERAGED:
        # A JPEG is not even decoded at its full size.
        image.thumbnail((POSTER.max_side, POSTER.max_side))
        return image
    image.load()
    scale = _COARSE_SIDE / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.NEAREST)  # pyright: ignore[reportUnknownMemberType]
