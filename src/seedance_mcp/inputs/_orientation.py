"""Whether an image is shown lying on its side, as its camera's orientation tag says it."""

import struct
from struct import unpack_from

_EXIF_LIMIT = 64 * 1024
_ENTRIES = 1000
_TAG = 274
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})


def turned(kind: str, data: bytes | bytearray) -> bool | None:
    """Tell whether width and height change places when an image is shown.

    Args:
        kind: Its type.
        data: Its beginning, as far as it was read for its size.

    Returns:
        None where it cannot be told yet.
    """
    match kind:
        case "JPEG":
            at = data.find(b"Exif\0\0", 0, 4 * _EXIF_LIMIT)
            return at >= 4 and data[at - 4 : at - 2] == b"\xff\xe1" and _by_exif(data, at + 6)
        case "PNG":
            at = data.find(b"eXIf", 0, data.find(b"IDAT") + 1 or None)
            return at >= 0 and _by_exif(data, at + 4)
        case "WebP":
            return _webp(data)
        case "TIFF":
            return _by_exif(data, 0)
        case "AVIF" | "HEIC" | "HEIF":
            at = data.find(b"irot")
            return at >= 0 and bool(data[at + 4 : at + 5] and data[at + 4] & 1)
        case _:
            return False


def _webp(data: bytes | bytearray) -> bool | None:
    if data[12:16] != b"VP8X" or not data[20] & 0x08:
        return False
    at = data.rfind(b"EXIF")
    if at < 0:  # it stands behind the pixels
        return None
    prefix = 6 if data[at + 8 : at + 14] == b"Exif\0\0" else 0
    return _by_exif(data, at + 8 + prefix)


def _by_exif(data: bytes | bytearray, start: int) -> bool:
    """Look for the tag in a TIFF directory; a damaged one turns nothing."""
    exif = bytes(data[start : start + _EXIF_LIMIT]) if start else data
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return False
    order = "<" if exif[:1] == b"I" else ">"
    try:
        at = unpack_from(order + "I", exif, 4)[0]
        for number in range(min(_ENTRIES, unpack_from(order + "H", exif, at)[0])):
            tag, _, _, value = unpack_from(order + "HHIH", exif, at + 2 + 12 * number)
            if tag == _TAG:
                return value in _ON_ITS_SIDE
    except struct.error:
        pass
    return False
