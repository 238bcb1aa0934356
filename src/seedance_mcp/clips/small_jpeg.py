"""Images as JPEGs that are small enough to be shown beside a text.

Pillow is imported by whoever has the image.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, kw_only=True)
class JpegBounds:
    """How large a JPEG may be.

    Attributes:
        max_side: The longest side in pixels.
        max_bytes: Its size in bytes.
    """

    max_side: int
    max_bytes: int


PREVIEW = JpegBounds(max_side=640, max_bytes=60_000)
"""What a model looks at."""

POSTER = JpegBounds(max_side=320, max_bytes=30_000)
"""What people see in the place of a clip."""

_SHARES = (1.0, 0.75, 0.5, 0.25)
_QUALITIES = (80, 60, 40)


def small_jpeg(image: "Image", bounds: JpegBounds) -> bytes | None:
    """Return an RGB image as a JPEG within bounds, without metadata; the given one is used up.

    None if it never gets so small. This blocks for a moment.
    """
    # Nearly always the very first is small enough.
    for side in (int(share * bounds.max_side) for share in _SHARES):
        image.thumbnail((side, side))
        for quality in _QUALITIES:
            jpeg = BytesIO()
            image.save(jpeg, "JPEG", quality=quality, optimize=True)
            if jpeg.tell() <= bounds.max_bytes:
                return jpeg.getvalue()
    return None
