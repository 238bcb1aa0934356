"""The metadata beside a `.part` file, `.part.json`: what the bytes belong to.

It is locked while bytes are added, by a lock that ends with the process. So what a killed process
left is resumed by one other process, never by two.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seedance_mcp.file_locks import LockFile

MAX_METADATA_BYTES = 64 * 1024


@dataclass(frozen=True)
class PartMetadata:
    """What the bytes of a `.part` file belong to, under the names that are on the disk.

    Attributes:
        origin: The job, the output and its URL.
        validator: What tells this content from another at the same URL, None if nothing does.
        total: The output's length in bytes, None while unknown.
        named: The finished file's name, None until the output is whole.
    """

    origin: str
    validator: str | None = None
    total: int | None = None
    named: str | None = None


class MetadataFile:
    """A locked `.part.json` file.

    Args:
        lock: The file.
        part: The path of its `.part` file.

    Attributes:
        content: What is in it; nothing's metadata if it cannot be read.
    """

    def __init__(self, lock: LockFile, part: Path) -> None:
        self._lock = lock
        self.part = part
        self.content = _read(lock)

    def write(self, content: PartMetadata) -> None:
        """Replace the file's content."""
        self.content = content
        self._lock.file.truncate(0)
        self._lock.file.write(json.dumps(asdict(content)).encode())

    def remove(self) -> None:
        """Remove the file; it stays locked until `close`."""
        self._lock.remove()

    def close(self) -> None:
        """Close the file and release its lock."""
        self._lock.close()


def lock_first_free(parts: Iterator[Path]) -> MetadataFile:
    """Lock the metadata of the first of some `.part` files that no other download has.

    Args:
        parts: Their paths, without end.

    Raises:
        OSError: The folder cannot be written.
    """
    for part in parts:
        path = part.with_name(f"{part.name}.json")
        # As readable as the clips beside it.
        if lock := LockFile.try_lock(path, mode=0o666, must_lock=False):
            return MetadataFile(lock, part)
    raise AssertionError("the paths have no end")


def _read(lock: LockFile) -> PartMetadata:
    lock.file.seek(0)
    with suppress(ValueError, TypeError, RecursionError):
        read: Any = PartMetadata(**json.loads(lock.file.read(MAX_METADATA_BYTES)))
        if _is_valid(read):
            return read
    return PartMetadata("")


def _is_valid(read: Any) -> bool:
    """Return whether every value has its type; others write into the folder too."""
    origin, validator, total, named = read.origin, read.validator, read.total, read.named
    return (
        isinstance(origin, str)
        and (validator is None or is_validator(validator))
        and (total is None or (type(total) is int and total >= 0))
        and (named is None or (isinstance(named, str) and Path(named).name == named))
    )


def is_validator(value: Any) -> bool:
    """Return whether a value can be sent in an If-Range header."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and bool(value)
