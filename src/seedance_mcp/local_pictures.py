"""Pictures of this machine, as the data: URIs in which they are sent: files, and data: URIs.

Only what decodes as a picture leaves, and only regular files are read. Everything here blocks and
belongs in a worker thread; Pillow is imported when the first such picture comes.
"""

import base64
import binascii
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from math import sqrt
from typing import TYPE_CHECKING
from urllib.parse import unquote

from .image_rules import RuleBroken, hold
from .local_files import READ_LIMIT, read_regular_file
from .pictures import Header, NoPicture, Size, Unfit, Unmeasured, read_header
from .schema import ImageRule

if TYPE_CHECKING:
    from PIL import Image

URI_LIMIT = 6 * 1024 * 1024
"""The longest data: URI that RunComfy's own clients send (client)."""

SENT_AS_THEY_ARE = {"JPEG": "image/jpeg", "PNG": "image/png"}
"""What surely every service takes; all else is converted."""

# What Pillow reads by itself, without running other programs (as it would for EPS).
_FORMATS = (
    *("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"),
    *("JPEG2000", "ICO", "PSD", "PPM"),
)
_QUALITIES = (92, 85)
_DATA_URI = re.compile(r"data:[a-z0-9.+/;=\"-]{0,200}?;base64,", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, kw_only=True)
class LocalPicture:
    """A picture ready to be sent.

    Attributes:
        uri: The data: URI.
        header: The type and size of what is sent.
    """

    uri: str
    header: Header


def is_local(value: str) -> bool:
    """Tell whether an argument means a picture of this machine: a path, file:// or data:."""
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]+(?=:)", value)
    return scheme is None or scheme[0].lower() in {"file", "data"}


def local_picture(value: str, rules: Sequence[ImageRule]) -> LocalPicture:
    """Read a picture of this machine and make it what can be sent.

    Args:
        value: A path, a file: URL or a data: URI.
        rules: The rules that it must keep, and that what is made of it keeps too.

    Raises:
        Unfit: It is no picture, or it cannot be read.
        RuleBroken: It breaks a rule.
    """
    data = _from_uri(value) if value[:5].lower() == "data:" else read_regular_file(value)
    known = _known(data)
    hold(rules, known)
    with _opened(data, known.kind if known else "picture", rules) as image:
        kind = known.kind if known else str(image.format)
        hold(rules, Header(kind=kind, width=image.width, height=image.height))
        _decode(image, kind)
        header = Header(kind=kind, width=image.width, height=image.height)
        media_type = SENT_AS_THEY_ARE.get(kind)
        if media_type and _uri_length(media_type, len(data)) <= URI_LIMIT:
            hold(rules, header, len(data))
            return LocalPicture(uri=_uri(media_type, data), header=header)
        return _converted(_flat(image), rules)


def _from_uri(uri: str) -> bytes:
    head = _DATA_URI.match(uri)
    if head is None:
        raise Unfit("a data: URI must hold base64")
    if len(uri) > READ_LIMIT * 4 // 3:
        raise Unfit(f"it is larger than {READ_LIMIT // 1024**2} MB")
    body = uri[head.end() :]
    try:
        return base64.b64decode(unquote(body) if "%" in body else body, validate=True)
    except (binascii.Error, ValueError):
        raise Unfit("its base64 is damaged") from None


def _known(data: bytes) -> Header | None:
    """Read a header without Pillow, so that no file is opened only to find it far too large."""
    try:
        return read_header(data, whole=True)
    except Unmeasured:
        return None
    except NoPicture as error:
        if re.match(rb"P[1-6]\s", data):  # a PPM, perhaps, which Pillow will tell
            return None
        raise Unfit(f"it is {error}") from None


def _opened(data: bytes, kind: str, rules: Sequence[ImageRule]) -> "Image.Image":
    from PIL import Image  # noqa: PLC0415 - only once there is a picture

    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]
    try:
        return Image.open(BytesIO(data), formats=formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        pixels = (r for r in rules if (r.quantity, r.comparison) == ("width_pixels", "<"))
        message = next((rule.message for rule in pixels), "It has too many pixels.")
        raise RuleBroken(f"{message} It is a decompression bomb.") from None
    except _faults():
        raise Unfit(f"it is a {kind} that cannot be read here") from None


def _decode(image: "Image.Image", kind: str) -> None:
    """Decode the first frame: damage shows now, while it costs nothing."""
    try:
        image.load()
    except _faults():
        raise Unfit(f"it is a damaged {kind}") from None


def _faults() -> tuple[type[Exception], ...]:
    """Give what Pillow raises for pictures that it cannot read, warnings made errors included."""
    from PIL import Image  # noqa: PLC0415

    return (
        *(OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError),
        *(struct.error, MemoryError, OverflowError, Warning, Image.DecompressionBombError),
    )


def _flat(image: "Image.Image") -> "Image.Image":
    """Make a picture what a JPEG can be: upright, 8 bits a channel, on white."""
    from PIL import Image, ImageOps  # noqa: PLC0415

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow would cut these off at 255 (its stubs leave point and resize partly untyped).
        wide = image.convert("I")
        image = wide.point(lambda value: value * (1 / 256)).convert("L")  # pyright: ignore[reportUnknownMemberType]
    if "A" in image.mode or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _converted(image: "Image.Image", rules: Sequence[ImageRule]) -> LocalPicture:
    """Make a JPEG that is short enough and keeps the rules, scaled down only where it must be."""
    size = image.size
    while True:
        header = Header(kind="JPEG", width=size[0], height=size[1])
        hold(rules, header)
        scaled = image if size == image.size else _resized(image, size)
        data = b""
        for quality in _QUALITIES:
            data = _jpeg(scaled, quality)
            if _uri_length("image/jpeg", len(data)) <= URI_LIMIT:
                hold(rules, header, len(data))
                return LocalPicture(uri=_uri("image/jpeg", data), header=header)
        excess = _uri_length("image/jpeg", len(data)) / URI_LIMIT
        size = _smaller(size, min(0.95, 1 / sqrt(excess)), rules)


def _resized(image: "Image.Image", size: Size) -> "Image.Image":
    return image.resize(size, reducing_gap=2.0)  # pyright: ignore[reportUnknownMemberType]


def _smaller(size: Size, scale: float, rules: Sequence[ImageRule]) -> Size:
    """Scale a size down, to the whole pixels nearby at which the rules still hold."""
    width, height = int(size[0] * scale), int(size[1] * scale)
    for near in ((width, height), (width + 1, height), (width, height + 1)):
        try:
            hold(rules, Header(kind="JPEG", width=max(1, near[0]), height=max(1, near[1])))
        except RuleBroken:
            continue
        return near
    raise Unfit(f"it cannot be made shorter than {URI_LIMIT // 1024**2} MB within the rules")


def _jpeg(image: "Image.Image", quality: int) -> bytes:
    sink = BytesIO()
    image.save(sink, "JPEG", quality=quality)
    return sink.getvalue()


def _uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def _uri_length(media_type: str, byte_size: int) -> int:
    return len(_uri(media_type, b"")) + (byte_size + 2) // 3 * 4
