"""Reads an image's type and size in pixels from its first bytes; no pixel is decoded."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from struct import unpack_from

from ._errors import NotAnImage, UnsupportedImage
from ._orientation import is_sideways, is_turned

MIN_HEADER_BYTES = 32
"""How many bytes it takes to recognize every type."""

# Far above what real images need: a hostile one must not keep the event loop busy.
_MAX_STEPS = 10_000
_MAX_META_BYTES = 1024 * 1024

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_ENDS_HEADER = frozenset({0xD9, 0xDA})
_HEIF_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"hevc": "HEIC",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
}
_UNSUPPORTED = {
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\0\0\1\0": "ICO",
    b"8BPS": "PSD",
    b"II+\0": "BigTIFF",
    b"MM\0+": "BigTIFF",
}

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Header:
    """An image's type, such as JPEG, and its size in pixels, as stored.

    It is `sideways` if its orientation tag swaps width and height, None if unknown; `turned` if an
    EXIF tag alone says that it is shown otherwise than stored.
    """

    kind: str
    width: int
    height: int
    sideways: bool | None = False
    turned: bool = False

    @property
    def shown(self) -> "Header":
        """Return the header with the size as it is shown."""
        if not self.sideways:
            return self
        return replace(self, width=self.height, height=self.width, sideways=False, turned=False)

    def __str__(self) -> str:
        """Return the size, such as "640 x 480 pixels"."""
        return f"{self.width} x {self.height} pixels"


def read_header(data: bytes | bytearray, *, whole: bool) -> Header | None:
    """Read an image's type and size from the bytes so far, None where more are needed.

    Raises:
        NotAnImage: It is not an image, or a damaged one.
        UnsupportedImage: It is an image of a type that cannot be measured here.
    """
    if len(data) < MIN_HEADER_BYTES and not whole:
        return None
    kind, size_of = _identify(bytes(data[: 4 * MIN_HEADER_BYTES]))
    try:
        width, height = size_of(data)
    except (struct.error, IndexError, ValueError) as error:
        # Only a ValueError is certain: the others may mean that the bytes so far end too early.
        if not whole and not isinstance(error, ValueError):
            return None
        raise NotAnImage(f"a damaged {kind}") from None
    if width < 1 or height < 1:
        raise NotAnImage(f"a damaged {kind}")
    sideways, turned = is_sideways(kind, data), is_turned(kind, data)
    return Header(kind=kind, width=width, height=height, sideways=sideways, turned=turned)


def _identify(start: bytes) -> tuple[str, Callable[[bytes | bytearray], Size]]:
    """Return an image's type, and the function that reads its size."""
    for magic, kind, size_of in _MEASURED:
        if start.startswith(magic):
            return kind, size_of
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WebP", _webp
    if start[4:8] == b"ftyp" and (brand := _brand(start)):
        return brand, _heif
    for magic, kind in _UNSUPPORTED.items():
        if start.startswith(magic):
            raise UnsupportedImage(kind)
    if start[4:8] == b"ftyp" or start.startswith((b"\x1aE\xdf\xa3", b"RIFF")):
        raise NotAnImage("a video or audio file")
    raise NotAnImage(_describe_text(start) or "not an image")


def describe(start: bytes) -> str | None:
    """Return what a file is by its first bytes, None unless it is certainly no video or audio."""
    try:
        return f"an image ({_identify(start)[0]})"
    except UnsupportedImage as error:
        return f"an image ({error})"
    except NotAnImage:
        return _describe_text(start)


def _describe_text(start: bytes) -> str | None:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not start:
        return "empty"
    if b"<svg" in text:
        return "an SVG, which has no pixels"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<!--")):
        return "an HTML page"
    if text.startswith(b"<?xml"):
        return "XML"
    return "a PDF" if text.startswith(b"%pdf") else None


def _brand(start: bytes) -> str | None:
    """Return the image type among the brands of an ISO base media file, the major one first."""
    end = min(int.from_bytes(start[:4]), len(start))
    brands = [start[8:12], *(start[at : at + 4] for at in range(16, end, 4))]
    return next((_HEIF_BRANDS[brand] for brand in brands if brand in _HEIF_BRANDS), None)


def _png(data: bytes | bytearray) -> Size:
    width, height = unpack_from(">II", data, 16)
    if data[12:16] != b"IHDR":
        raise ValueError("the header does not come first")
    return width, height


def _gif(data: bytes | bytearray) -> Size:
    width, height = unpack_from("<HH", data, 6)
    return width, height


def _bmp(data: bytes | bytearray) -> Size:
    old = unpack_from("<I", data, 14)[0] == 12  # OS/2's header
    width, height = unpack_from("<HH" if old else "<ii", data, 18)
    return width, abs(height)


def _jpeg(data: bytes | bytearray) -> Size:
    at = 2
    for _ in range(_MAX_STEPS):
        at = data.find(b"\xff", at)  # decoders skip bytes between two markers
        if at < 0:
            raise IndexError("cut off")
        if data[at + 1] in (0x00, 0xFF):  # padding, not a marker
            at += 1
            continue
        marker, at = data[at + 1], at + 2
        if marker in _SOF:
            height, width = unpack_from(">HH", data, at + 3)
            return width, height
        if marker in _ENDS_HEADER:
            raise ValueError("no size before the pixels")
        if marker not in _NO_LENGTH:
            at += max(2, unpack_from(">H", data, at)[0])
    raise ValueError("too many markers")


def _webp(data: bytes | bytearray) -> Size:
    form = bytes(data[12:16])
    if form == b"VP8X":
        low, high, low_height, high_height = unpack_from("<HBHB", data, 24)
        return (high << 16 | low) + 1, (high_height << 16 | low_height) + 1
    if form == b"VP8L":
        bits = unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8 ":
        width, height = unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if len(form) < 4:
        raise IndexError("cut off")
    raise ValueError("unknown chunk")


def _tiff(data: bytes | bytearray) -> Size:
    order = "<" if data[:1] == b"I" else ">"
    at = unpack_from(order + "I", data, 4)[0]
    found: dict[int, int] = {}
    entries = unpack_from(order + "H", data, at)[0]
    if entries > _MAX_STEPS:
        raise ValueError("too many entries")
    for number in range(entries):
        entry = at + 2 + 12 * number
        tag, form = unpack_from(order + "HH", data, entry)
        if tag in (256, 257):  # width and height, as 16 or 32 bits
            found[tag] = unpack_from(order + ("H" if form == 3 else "I"), data, entry + 8)[0]
    if len(found) < 2:
        raise ValueError("no size in the first directory")
    return found[256], found[257]


def _heif(data: bytes | bytearray) -> Size:
    """Return the largest size in the meta box: the others are of tiles and thumbnails."""
    at, length, name = 0, 0, b""
    for _ in range(_MAX_STEPS):
        at += length
        length, name = unpack_from(">I4s", data, at)
        if name == b"meta" or length < 8:  # a box has 8 bytes of head
            break
    if name != b"meta" or length > _MAX_META_BYTES:
        raise ValueError("no meta box, or one that is too long")
    if len(data) < at + length:
        raise IndexError("cut off")
    sizes: list[Size] = []
    found = data.find(b"ispe", at, at + length)
    while found >= 0 and len(sizes) < _MAX_STEPS:
        width, height = unpack_from(">II", data, found + 8)
        sizes.append((width, height))
        found = data.find(b"ispe", found + 4, at + length)
    if not sizes:
        raise ValueError("no size")
    return max(sizes, key=lambda size: size[0] * size[1])


_MEASURED: tuple[tuple[bytes, str, Callable[[bytes | bytearray], Size]], ...] = (
    (b"\xff\xd8\xff", "JPEG", _jpeg),
    (b"\x89PNG\r\n\x1a\n", "PNG", _png),
    (b"GIF87a", "GIF", _gif),
    (b"GIF89a", "GIF", _gif),
    (b"BM", "BMP", _bmp),
    (b"II*\0", "TIFF", _tiff),
    (b"MM\0*", "TIFF", _tiff),
)
