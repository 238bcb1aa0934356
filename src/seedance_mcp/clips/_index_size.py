"""How much memory an MP4's index would take, known before FFmpeg takes it.

A file of a few kilobytes may say that it has a billion samples of one byte each, and FFmpeg makes a
row of its index for each.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_MAX_ROWS = 1_000_000  # an hour of 60 frames a second and of sound takes less than half
_MAX_BOXES = 100_000
_MAX_INDEX_BYTES = 32 * 1024**2
_PIECE_BYTES = 1024**2
# A decoder is opened for each track.
_MAX_TRACKS = 32
_MAX_STILL_IMAGES = 100  # each is looked up among all
# FFmpeg builds no index for more, and text in which a box's type occurs has more in its place.
_MAX_COUNT = 1 << 29
_SAMPLES_OF_SOUND = 1024  # in a row of the index, where sound is not compressed


def has_bounded_index(path: Path) -> bool:
    """Return whether FFmpeg can read the index of an MP4 without taking much memory.

    Raises:
        OSError: The file cannot be read.
    """
    room = _MAX_INDEX_BYTES
    index = bytearray()
    media: list[tuple[int, int]] = []
    with path.open("rb") as file:
        for number, (kind, size) in enumerate(_boxes(file)):
            if kind == b"mdat":
                media.append((file.tell(), size))
                continue
            room -= size
            if room < 0 or number > _MAX_BOXES:
                return False
            index += file.read(size)
        # Both say where fragments are, which may be in the middle of the media.
        is_pointed_at = b"sidx" in index or b"tfra" in index
        return _is_bounded(index) and not (is_pointed_at and _holds_fragment(file, media))


def _is_bounded(index: bytearray) -> bool:
    if b"cmov" in index:  # a compressed index
        return False
    try:
        tracks, images = len(_find(index, b"trak")), len(_find(index, b"infe"))
        samples = sum(_counts(index, b"stsz", 8) + _counts(index, b"stz2", 8))
        samples += sum(_counts(index, b"trun", 4))
        # Each edit may show all samples.
        samples *= max([1, *_counts(index, b"elst", 4)])
        chunks = sum(_counts(index, b"stco", 4) + _counts(index, b"co64", 4))
        rows = chunks * _most_in_a_chunk(index) // _SAMPLES_OF_SOUND
    except ValueError:
        return False
    if tracks > _MAX_TRACKS or images > _MAX_STILL_IMAGES:
        return False
    return max(samples, rows) <= _MAX_ROWS


def _holds_fragment(file: BinaryIO, media: list[tuple[int, int]]) -> bool:
    """Return whether an index of more samples may lie in places of a file: where, and how long."""
    missing = {b"moof", b"trun"}
    for start, size in media:
        file.seek(start)
        left, piece = size, b""
        while left > 0 and (read := file.read(min(left, _PIECE_BYTES))):
            left -= len(read)
            piece = piece[-3:] + read
            missing = {kind for kind in missing if kind not in piece}
    return not missing


def _most_in_a_chunk(index: bytearray) -> int:
    """Return how many samples a chunk has at most, by the tables from samples to chunks."""
    most = 0
    for at in _find(index, b"stsc"):
        body = at + _header(index, at)
        count = int.from_bytes(index[body + 4 : body + 8])
        table = index[body + 8 : body + 8 + 12 * count]
        rows = struct.iter_unpack(">4xI4x", table[: len(table) // 12 * 12])
        most = max(most, max((samples for (samples,) in rows), default=0))
    return most


def _counts(index: bytearray, kind: bytes, offset: int) -> list[int]:
    """Return the number at an offset in the content of each box of a kind."""
    places = (at + _header(index, at) + offset for at in _find(index, kind))
    counts = (int.from_bytes(index[at : at + 4]) for at in places)
    return [count for count in counts if count < _MAX_COUNT]


def _header(index: bytearray, at: int) -> int:
    """Return how far behind its type the content of a box begins; its size may be in between."""
    return 12 if int.from_bytes(index[max(0, at - 4) : at]) == 1 else 4


def _find(index: bytearray, kind: bytes) -> list[int]:
    """Return where boxes of a kind may stand, which for FFmpeg is not only where they belong.

    Raises:
        ValueError: There are too many.
    """
    found: list[int] = []
    at = index.find(kind)
    while at >= 0:
        found.append(at)
        if len(found) > _MAX_BOXES:
            raise ValueError("too many boxes")
        at = index.find(kind, at + 1)
    return found


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield the type of each outermost box and the size of its content, where the file stands."""
    start, end = 0, file.seek(0, 2)
    while start + 8 <= end:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if size == 1:
            size, header = int.from_bytes(file.read(8)), 16
        # One of size 0 goes on to the end.
        stop = start + size if size else end
        if stop < start + header:
            return
        yield kind, min(stop, end) - start - header
        start = stop
