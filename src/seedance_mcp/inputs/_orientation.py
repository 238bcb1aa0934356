"""Reads from an image's orientation tag whether it is shown otherwise than it is stored."""

import struct
from contextlib import suppress
from struct import unpack_from

_MAX_EXIF_BYTES = 64 * 1024
_MAX_ENTRIES = 1000
_ORIENTATION_TAG = 274
_UPRIGHT = 1
_SIDEWAYS = frozenset({5, 6, 7, 8})


def is_sideways(kind: str, data: bytes | bytearray) -> bool | None:
    """Return whether an image's width and height are swapped when it is shown.

    None where the tag may be further into the file than what was read for its size.
    """
    if kind in {"AVIF", "HEIC", "HEIF"}:
        at = data.find(b"irot")
        return at >= 0 and bool(data[at + 4 : at + 5] and data[at + 4] & 1)
    orientation = _read_orientation(kind, data)
    return None if orientation is None else orientation in _SIDEWAYS


def is_turned(kind: str, data: bytes | bytearray) -> bool:
    """Return whether an image is shown turned or mirrored because of an EXIF tag alone.

    A HEIC or AVIF is turned by what every decoder must read, so it does not count.
    """
    return _read_orientation(kind, data) in range(_UPRIGHT + 1, 9)


def _read_orientation(kind: str, data: bytes | bytearray) -> int | None:
    """Return the tag's value, 1 where there is none, None where it may be further into the file."""
    at = -1
    match kind:
        case "JPEG":
            found = data.find(b"Exif\0\0", 0, 4 * _MAX_EXIF_BYTES)
            # In front of it stand the segment's marker and its length, two bytes each.
            if found >= 4 and data[found - 4 : found - 2] == b"\xff\xe1":
                at = found + 6
        case "PNG":
            found = data.find(b"eXIf", 0, data.find(b"IDAT") + 1 or None)
            at = found + 4 if found >= 0 else -1
        case "WebP":
            return _webp(data)
        case "TIFF":
            at = 0
        case _:
            pass
    return _by_exif(data, at) if at >= 0 else _UPRIGHT


def _webp(data: bytes | bytearray) -> int | None:
    if data[12:16] != b"VP8X" or not data[20] & 0x08:
        return _UPRIGHT
    at = data.rfind(b"EXIF")
    if at < 0:  # it comes after the pixels
        return None
    prefix = 6 if data[at + 8 : at + 14] == b"Exif\0\0" else 0
    return _by_exif(data, at + 8 + prefix)


def _by_exif(data: bytes | bytearray, start: int) -> int:
    """Read the tag from a TIFF directory; a damaged one counts as upright."""
    exif = bytes(data[start : start + _MAX_EXIF_BYTES]) if start else data
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return _UPRIGHT
    order = "<" if exif[:1] == b"I" else ">"
    with suppress(struct.error):
        at = unpack_from(order + "I", exif, 4)[0]
        for number in range(min(_MAX_ENTRIES, unpack_from(order + "H", exif, at)[0])):
            tag, _, _, value = unpack_from(order + "HHIH", exif, at + 2 + 12 * number)
            if tag == _ORIENTATION_TAG:
                return int(value)
    return _UPRIGHT
