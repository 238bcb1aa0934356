"""The metadata beside a `.part` file, `.part.json`: what the bytes belong to.

It is locked while bytes are added, by a lock that ends with the process. So what a killed process
left is resumed by one other process, never by two.
"""

import io
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seedance_mcp.file_locks import LockFile

MAX_METADATA_BYTES = 64 * 1024


@dataclass(frozen=True)
class PartMetadata:
    """What the bytes of a `.part` file belong to; the fields' names are those on the disk.

    Attributes:
        origin: The job, the output and its URL.
        validator: The ETag or date of this content, None if it has none that can be trusted.
        total: The output's length in bytes, None while unknown.
        named: The finished file's name, None until every byte is there.
    """

    origin: str
    validator: str | None = None
    total: int | None = None
    named: str | None = None


class MetadataFile(LockFile):
    """A locked `.part.json` file; its content has no origin if it cannot be read."""

    def __init__(self, path: Path, file: io.FileIO, locked: bool) -> None:  # noqa: FBT001 - the base's
        super().__init__(path, file, locked)
        self.content = _read(file)

    def write(self, content: PartMetadata) -> None:
        self.content = content
        self.file.truncate(0)
        self.file.write(json.dumps(asdict(content)).encode())


def _read(file: io.FileIO) -> PartMetadata:
    file.seek(0)
    with suppress(ValueError, TypeError, RecursionError):
        read: Any = PartMetadata(**json.loads(file.read(MAX_METADATA_BYTES)))
        if _is_valid(read):
            return read
    return PartMetadata("")


def _is_valid(read: Any) -> bool:
    # Other programs write into the folder too, and `named` becomes a path.
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
