"""Converts PNGs that not every program shows alike to plain ones, without a loss.

As with JPEGs, everything here blocks and takes memory for every pixel.
"""

from io import BytesIO
from typing import TYPE_CHECKING

from ._metadata import colour_chunks

if TYPE_CHECKING:
    from PIL import Image

_SIGNATURE_AND_HEADER_BYTES = 33
_BIT_DEPTH_AT, _COLOUR_TYPE_AT = 24, 25
_GREY_WITH_ALPHA = 4


def is_deep(data: bytes) -> bool:
    """Return whether a PNG has 16 bits a channel."""
    return data[_BIT_DEPTH_AT] == 16


def convert_to_png(image: "Image.Image", source: bytes) -> bytes:
    """Convert an image that `turn_upright` returned; no pixel of it changes.

    Its colours mean what they mean in `source`, the PNG that it was read from.
    """
    if source[_COLOUR_TYPE_AT] == _GREY_WITH_ALPHA and image.mode == "RGBA":
        image = image.convert("LA")  # with 16 bits, Pillow reads it as colours
    # Pillow would write a transparent colour of 16 bits as if it had 8.
    transparent = None if is_deep(source) else image.info.get("transparency")
    sink = BytesIO()
    image.save(sink, "PNG", transparency=transparent, icc_profile=None)
    data = sink.getvalue()
    at = _SIGNATURE_AND_HEADER_BYTES
    return data[:at] + colour_chunks(source) + data[at:]
