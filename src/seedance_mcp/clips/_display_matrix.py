"""How an MP4 says that its video is turned: the matrix in its track header.

PyAV shows it with a decoded frame only, and decoding one takes longer than copying a whole clip.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

Matrix = tuple[int, ...]

# As ISO/IEC 14496-12 has it: a, b, u, c, d, v, x, y, w.
UPRIGHT: Matrix = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
# Of a real clip there are some ten at each level.
_MAX_BOXES = 1000


def read_display_matrix(path: Path) -> Matrix:
    """Return the matrix of the first video track, without where it moves the image to."""
    with path.open("rb") as file:
        for track in _inside(file, 0, path.stat().st_size, b"moov", b"trak"):
            if any(
                _read(file, start + 8, 4) == b"vide"
                for start, _ in _inside(file, *track, b"mdia", b"hdlr")
            ):
                return next(_matrices(file, track), UPRIGHT)
    return UPRIGHT


def is_on_its_side(matrix: Matrix) -> bool:
    """Return whether the image is shown turned by a quarter, to either side."""
    return abs(matrix[1]) > abs(matrix[0])


def _matrices(file: BinaryIO, track: tuple[int, int]) -> Iterator[Matrix]:
    for start, end in _inside(file, *track, b"tkhd"):
        # Version 1 has times of 64 bits.
        at = start + (52 if _read(file, start, 1) == b"\1" else 40)
        if at + 36 <= end:
            a, b, u, c, d, v, _, _, w = struct.unpack(">9i", _read(file, at, 36))
            yield a, b, u, c, d, v, 0, 0, w


def _inside(
    file: BinaryIO, start: int, end: int, kind: bytes, *deeper: bytes
) -> Iterator[tuple[int, int]]:
    """Yield where the bodies of boxes are: of one kind, or of those inside it."""
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        size, found = struct.unpack(">I4s", _read(file, start, 8))
        body = start + 8
        if size == 1 and start + 16 <= end:
            size, body = struct.unpack(">Q", _read(file, body, 8))[0], start + 16
        close = min(end, start + size if size else end)
        if close < body:
            return
        if found == kind:
            yield from _inside(file, body, close, *deeper) if deeper else [(body, close)]
        start = close


def _read(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length).ljust(length, b"\0")
