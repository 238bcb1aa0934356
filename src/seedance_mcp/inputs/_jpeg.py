"""Images of any kind made JPEGs that can be sent: short enough, and within the rules.

Everything here blocks, takes memory for every pixel, and belongs in a worker thread.
"""

import base64
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from math import sqrt
from typing import TYPE_CHECKING

from seedance_mcp.models.model import ImageRule

from ._errors import RuleViolated, UnusableImage
from ._image_header import Header, Size
from ._rules import hold

if TYPE_CHECKING:
    from PIL import Image

URI_LIMIT = 6 * 1024 * 1024
"""The longest data: URI that RunComfy's own clients send (client)."""

PROFILE_LIMIT = 256 * 1024
"""The longest colour profile that goes along; few are longer than 4 KB."""

_QUALITIES = (92, 85)


@dataclass(frozen=True, kw_only=True)
class LocalImage:
    """An image ready to be sent.

    Attributes:
        uri: The data: URI.
        header: The type and size of what is sent.
    """

    uri: str
    header: Header


def faults() -> tuple[type[Exception], ...]:
    """Give what Pillow raises for images that it cannot read, warnings made errors included."""
    from PIL import Image

    return (
        *(OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError),
        *(struct.error, MemoryError, OverflowError, Warning, Image.DecompressionBombError),
    )


def flat(image: "Image.Image") -> "Image.Image":
    """Make an image what a JPEG can be: upright, 8 bits a channel, on white.

    Of what else the file held only the colour profile stays: no place, no camera, no comment.
    """
    from PIL import Image, ImageOps

    with suppress(*faults()):  # a damaged tag turns nothing
        ImageOps.exif_transpose(image, in_place=True)
    profile = image.info.get("icc_profile", b"")
    transparent = "A" in image.mode or "transparency" in image.info
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow would cut these off at 255 (its stubs leave point and resize partly untyped).
        wide = image.convert("I")
        image = wide.point(lambda value: value * (1 / 256)).convert("L")  # pyright: ignore[reportUnknownMemberType]
    if transparent:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.new("RGB", layer.size, "white")
        image.paste(layer, mask=layer)
    elif image.mode != "RGB":
        image = image.convert("RGB")
    # A profile of grey or of inks means nothing once the pixels are RGB.
    fits = profile[16:20] == b"RGB " and len(profile) <= PROFILE_LIMIT
    image.info = {"icc_profile": profile} if fits else {}
    return image


def converted(
    image: "Image.Image", rules: Sequence[ImageRule], still_wanted: Callable[[], object]
) -> LocalImage:
    """Make a JPEG that is short enough and keeps the rules, scaled down only where it must be.

    Args:
        image: What `flat` gave.
        rules: The rules that it must keep.
        still_wanted: Called between the steps; it raises where nobody waits any more.

    Raises:
        UnusableImage: There is no such JPEG.
        RuleViolated: The image breaks a rule as it is.
    """
    size = image.size
    while True:
        header = Header(kind="JPEG", width=size[0], height=size[1])
        hold(rules, header)
        scaled = image if size == image.size else _resized(image, size)
        data = b""
        for quality in _QUALITIES:
            still_wanted()
            data = _jpeg(scaled, quality)
            if uri_length("image/jpeg", len(data)) <= URI_LIMIT:
                hold(rules, header, len(data))
                return LocalImage(uri=data_uri("image/jpeg", data), header=header)
        del scaled
        excess = uri_length("image/jpeg", len(data)) / URI_LIMIT
        size = _smaller(size, min(0.95, 1 / sqrt(excess)), rules)


def data_uri(media_type: str, data: bytes) -> str:
    """Put a file into a URI."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def uri_length(media_type: str, byte_size: int) -> int:
    """Tell how long the URI of so large a file is."""
    return len(data_uri(media_type, b"")) + (byte_size + 2) // 3 * 4


def _resized(image: "Image.Image", size: Size) -> "Image.Image":
    return image.resize(size, reducing_gap=2.0)  # pyright: ignore[reportUnknownMemberType]


def _smaller(size: Size, scale: float, rules: Sequence[ImageRule]) -> Size:
    """Scale a size down, to the whole pixels nearby at which the rules still hold."""
    width, height = int(size[0] * scale), int(size[1] * scale)
    for near in ((width, height), (width + 1, height), (width, height + 1)):
        try:
            hold(rules, Header(kind="JPEG", width=max(1, near[0]), height=max(1, near[1])))
        except RuleViolated:
            continue
        return near
    raise UnusableImage(
        f"it cannot be made shorter than {URI_LIMIT // 1024**2} MB within the rules"
    )


def _jpeg(image: "Image.Image", quality: int) -> bytes:
    sink = BytesIO()
    image.save(sink, "JPEG", quality=quality, icc_profile=image.info.get("icc_profile"))
    return sink.getvalue()
