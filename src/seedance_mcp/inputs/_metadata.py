"""Removes from a JPEG or PNG whatever is not its image, without decoding a pixel.

What stays is listed here, all else goes: where and with what it was taken, comments, thumbnails,
more images, and what follows the image's end.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from struct import error as struct_error
from struct import unpack_from

# Real images have hundreds. A hostile one must not keep a thread busy, or fill the memory.
_MAX_PARTS = 50_000

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC8}  # with the tables C4 and CC
_KEPT_MARKERS = _FRAMES | {0xDA, 0xDB, 0xDC, 0xDD}
_KEPT_APPLICATION_DATA = {0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_JFIF, _JFIF_BYTES, _SCAN, _END = 0xE0, 16, 0xDA, 0xD9
# A marker inside of the pixels: neither an escaped FF, nor a restart, nor padding.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)

COLOUR_CHUNKS = frozenset({b"cHRM", b"gAMA", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI"})
"""The chunks of a PNG that say which colours its numbers mean."""

_PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"sBIT", b"pHYs"})

Span = tuple[int, int]


def strip_metadata(kind: str, data: bytes) -> bytes | None:
    """Return a JPEG or PNG without metadata; None for other types, and where it is unclear."""
    spans_of = _SPANS.get(kind)
    if spans_of is None:
        return None
    try:
        spans = _joined(spans_of(data))
    except (struct_error, IndexError, ValueError):
        return None
    return data if spans == [(0, len(data))] else b"".join(data[at:end] for at, end in spans)


def colour_chunks(data: bytes) -> bytes:
    """Return the chunks of a PNG that say which colours its numbers mean."""
    chunks = islice(_png_chunks(data), _MAX_PARTS)
    try:
        return b"".join(data[at:end] for name, at, end in chunks if name in COLOUR_CHUNKS)
    except (struct_error, ValueError):
        return b""


def _joined(spans: Iterator[Span]) -> list[Span]:
    joined: list[Span] = []
    for number, (at, end) in enumerate(spans):
        if number > _MAX_PARTS:
            raise ValueError("too many parts")
        if joined and joined[-1][1] == at:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((at, end))
    return joined


def _jpeg_spans(data: bytes) -> Iterator[Span]:
    """Yield what to keep: the marker at the start, segments, pixels, and the marker at the end."""
    yield 0, 2
    at = 2
    while data[at + 1] != _END:
        marker = data[at + 1]
        if data[at] != 0xFF or marker in {0x00, 0x01, *range(0xD0, 0xD9)}:
            raise ValueError("not a segment")
        if marker == 0xFF:  # padding
            at += 1
            yield at, at
            continue
        end = at + 2 + unpack_from(">H", data, at + 2)[0]
        kept = _is_kept(marker, data[at + 4 : min(end, at + 18)], end - at - 2)
        yield (at if kept else end), end
        at = end
        if marker == _SCAN:
            found = _MARKER.search(data, end)
            if found is None:
                raise ValueError("no end")
            at = found.start()
            yield end, at
    if data[at] != 0xFF:
        raise ValueError("not a marker")
    yield at, at + 2


def _is_kept(marker: int, start: bytes, length: int) -> bool:
    if length < 2:
        raise ValueError("too short")
    if marker == _JFIF:  # a longer one has a thumbnail
        return start.startswith(b"JFIF\0") and length == _JFIF_BYTES
    name = _KEPT_APPLICATION_DATA.get(marker)
    return start.startswith(name) if name else marker in _KEPT_MARKERS


def _png_spans(data: bytes) -> Iterator[Span]:
    yield 0, 8
    for name, at, end in _png_chunks(data):
        kept = name in _PIXEL_CHUNKS | COLOUR_CHUNKS
        if name[:1].isupper() and not kept:
            raise ValueError("an unknown chunk that is critical")
        yield (at if kept else end), end


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk's name, start and end, to the last chunk."""
    at, name = 8, b""
    while name != b"IEND":
        length, name = unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ValueError("cut off")
        yield name, at, end
        at = end


_SPANS: dict[str, Callable[[bytes], Iterator[Span]]] = {"JPEG": _jpeg_spans, "PNG": _png_spans}
