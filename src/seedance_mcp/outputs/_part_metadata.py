"""The note beside a `.part` file, `.part.json`: which content the bytes belong to.

It is locked while bytes are added, by a lock that ends with the process, so that what a killed one
left is continued by one other and never by two.
"""

import io
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seedance_mcp.file_locks import locked

from ._file_names import numbered

_MOST_BYTES = 64 * 1024  # of a note


@dataclass(frozen=True)
class Content:
    """What the bytes of a `.part` file belong to.

    Attributes:
        origin: Whose clip it is and where it lies.
        validator: What tells this content from another at the same place, None where nothing does.
        total: How long it is, in bytes, None while unknown.
        named: The name that the whole file gets, None before.
    """

    origin: str
    validator: str | None = None
    total: int | None = None
    named: str | None = None


class Note:
    """A note that is nobody else's while it is open.

    Args:
        file: It, locked.
        part: The `.part` file that it is about.
    """

    def __init__(self, file: io.FileIO, part: Path) -> None:
        self._file = file
        self.part = part
        self.content = _read(file)

    def write(self, content: Content) -> None:
        """Write down which content the bytes belong to."""
        self.content = content
        self._file.truncate(0)
        self._file.write(json.dumps(asdict(content)).encode())

    def remove(self) -> None:
        """Take the note away."""
        with suppress(OSError):
            Path(os.fsdecode(self._file.name)).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the note."""
        self._file.close()


def claimed(folder: Path, name: str) -> Note:
    """Claim a `.part` file that nobody adds to.

    Raises:
        OSError: None can be had there.
    """
    for part in numbered(folder, name, ".part"):
        file = io.FileIO(f"{part}.json", "a+")
        try:
            # Whoever had it before may have taken the name away between the two calls.
            with suppress(FileNotFoundError):
                if locked(file.fileno()) and _is_named(file):
                    return Note(file, part)
        except OSError:
            file.close()
            raise
        file.close()
    raise AssertionError("there are endless names")


def _is_named(file: io.FileIO) -> bool:
    return os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))  # noqa: PTH116 - of a str


def _read(file: io.FileIO) -> Content:
    """Read a note; what cannot be used in every part is as none."""
    file.seek(0)
    try:
        noted: Any = Content(**json.loads(file.read(_MOST_BYTES)))
    except (ValueError, TypeError, RecursionError):
        return Content("")
    return noted if _is_sound(noted) else Content("")


def _is_sound(noted: Any) -> bool:
    origin, validator, total, named = noted.origin, noted.validator, noted.total, noted.named
    return (
        isinstance(origin, str)
        and (validator is None or is_validator(validator))
        and (total is None or (type(total) is int and total >= 0))
        and (named is None or (isinstance(named, str) and Path(named).name == named))
    )


def is_validator(value: Any) -> bool:
    """Tell whether a value can stand in an If-Range header."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and bool(value)
