"""Reads a client's lines within a bound, and finds the id of one that is not a message."""

import json
import re
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

MOST_LINE_BYTES = 64 * 1024 * 1024
"""How long a line may be; images inside it take most of that."""

PIECE_BYTES = 64 * 1024
"""How much is read at once, and kept of either end of a line that is too long."""

TOO_LONG = "The line is longer than 64 MiB. Nothing was done or charged."

NO_BATCHES = "Batches are not supported: send each message by itself. Nothing was done or charged."

MOST_PARTS = 1_000_000
"""How many strings and brackets of an invalid line are searched for its id."""

MOST_CANDIDATES = 16
"""How many members named "id" at the end of a line that is too long may be its id."""

# A string, which may be cut off, or a bracket; then what may follow the name "id".
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_PARTS = re.compile(_STRING + r"?|[\[{}\]]", re.DOTALL)
_ID = re.compile(rf"\s*:\s*({_STRING}|-?[0-9]{{1,18}}(?![0-9.eE]))", re.ASCII | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class LongLine:
    """Both ends of a line that is too long to be read."""

    head: str
    tail: str

    def find_id(self) -> str | int | None:
        """Return the line's id, None where it is in neither end."""
        if (found := find_id(self.head, cut=True)) is not None:
            return found
        starts = [match.start() for match in re.finditer('"id"', self.tail)]
        # What follows the right one ends with the bracket that the line began with.
        ends = (find_id("{" + self.tail[start:]) for start in starts[-MOST_CANDIDATES:])
        return next((found for found in ends if found is not None), None)


def read_line(file: BinaryIO) -> str | LongLine:
    """Read the next line, "" at the end."""
    line = bytearray()
    while piece := file.readline(PIECE_BYTES):
        line += piece
        if len(line) > MOST_LINE_BYTES:
            head = bytes(line[:PIECE_BYTES])
            del line[:-PIECE_BYTES]
            return LongLine(head=_decoded(head), tail=_decoded(_skip_line(file, bytes(line))))
        if piece.endswith(b"\n"):
            break
    return _decoded(line)


def _skip_line(file: BinaryIO, tail: bytes) -> bytes:
    """Read a line to its end, and return its last bytes."""
    while not tail.endswith(b"\n") and (piece := file.readline(PIECE_BYTES)):
        tail = (tail + piece)[-PIECE_BYTES:]
    return tail


def _decoded(data: bytes | bytearray) -> str:
    return data.decode("utf-8", "replace")


def find_id(line: str, *, cut: bool = False) -> str | int | None:
    """Return the id of an invalid line, None unless the line is an object with an id.

    JSON that nests too deeply or has too long a number cannot be parsed, but it has a sender. Only
    a line that is `cut` off may end inside of the object.
    """
    depth, found = 0, None
    for part in islice(_PARTS.finditer(line), MOST_PARTS):
        if part[0] in "[{":
            depth += 1
        elif part[0] in "]}":
            depth -= 1
        elif depth == 1 and part[0] == '"id"':
            match = _ID.match(line, part.end())
            # A number at the very end may go on.
            found = match if match and not (cut and match.end() == len(line)) else found
    try:
        given: str | int | None = json.loads(found[1]) if found and (cut or not depth) else None
    except ValueError:
        return None
    # A lone surrogate cannot be encoded.
    return None if isinstance(given, str) and not given.isprintable() else given
