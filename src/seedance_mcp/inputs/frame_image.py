"""Loads the frame of a clip that a call continues as the data: URI that is sent.

It keeps its own size and colours, so that the seam between the clips does not show. This blocks and
belongs in a worker thread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING

from seedance_mcp.models.model import FileRule

from ._data_uri import encode_uri, max_uri_bytes
from ._errors import UnusableFile
from ._image_header import Header
from ._rules import check_rules, max_bytes

if TYPE_CHECKING:
    from PIL import Image

BEST_QUALITY = 100
"""From here on Pillow's JPEGs get no better."""


@dataclass(frozen=True, kw_only=True)
class FrameImage:
    """A frame, and its name in errors, such as "the last frame of REQUEST_ID"."""

    png: bytes
    name: str


def load_frame(
    png: bytes, rules: Sequence[FileRule], check_cancelled: Callable[[], object]
) -> tuple[str, Header]:
    """Return a frame as a data: URI of the PNG if that fits, else of a JPEG, and its header.

    `check_cancelled` is called between the steps, and raises if the call was cancelled.

    Raises:
        RuleViolated: It breaks a rule.
        UnusableFile: No JPEG of it is small enough.
    """
    from PIL import Image

    image = Image.open(BytesIO(png), formats=["PNG"])
    header = Header(kind="PNG", width=image.width, height=image.height)
    check_rules(rules, header)
    if len(png) <= _most_bytes("image/png", rules):
        return encode_uri("image/png", png), header
    jpeg = _best_jpeg(image, _most_bytes("image/jpeg", rules), check_cancelled)
    return encode_uri("image/jpeg", jpeg), replace(header, kind="JPEG")


def _most_bytes(media_type: str, rules: Sequence[FileRule]) -> int:
    # The rules are strict.
    return int(min(max_uri_bytes(media_type), max_bytes(rules) - 1))


def _best_jpeg(
    image: "Image.Image", most_bytes: int, check_cancelled: Callable[[], object]
) -> bytes:
    """Return the JPEG of the highest quality that fits, with a colour for every pixel."""
    best, low, high = b"", 1, BEST_QUALITY
    while low <= high:
        check_cancelled()
        quality, sink = (low + high + 1) // 2, BytesIO()
        image.save(sink, "JPEG", quality=quality, subsampling=0)
        if sink.tell() <= most_bytes:
            best, low = sink.getvalue(), quality + 1
        else:
            high = quality - 1
    if not best:
        raise UnusableFile("It is too large to send at its own size.")
    return best
