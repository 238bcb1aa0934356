"""How many samples an MP4 says it has, known before FFmpeg takes memory for them.

A file of a few kilobytes may say that it has a billion of one byte each, and FFmpeg makes a row of
its index for each.
"""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_MAX_SAMPLES = 2_000_000  # an hour of 60 frames a second and of sound has a fifth of that
_MAX_BOXES = 100_000
_MAX_INDEX_BYTES = 64 * 1024**2
# A box stands where FFmpeg finds it, which is not only where it belongs.
_COUNT = re.compile(rb"(?:(?:stsz|stz2).{8}|trun.{4})(.{4})", re.DOTALL)


def has_bounded_index(path: Path) -> bool:
    """Return whether FFmpeg can read the index of an MP4 without taking much memory.

    Raises:
        OSError: The file cannot be read.
    """
    room, samples = _MAX_INDEX_BYTES, 0
    with path.open("rb") as file:
        for number, (kind, size) in enumerate(_boxes(file)):
            if kind == b"mdat":
                continue
            room -= size
            if room < 0 or number > _MAX_BOXES:
                return False
            content = file.read(size)
            samples += sum(int.from_bytes(count) for count in _COUNT.findall(content))
            if samples > _MAX_SAMPLES or b"cmov" in content:  # a compressed index
                return False
    return True


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
