"""Files of ours beside what was downloaded: each once, and never in the place of another's."""

import os
from itertools import islice
from pathlib import Path
from uuid import uuid4

from ._file_names import numbered, rename_to_free

MOST_NAMES = 20
"""How many files of others may have the names that are tried."""


def keep_beside(file: Path, ending: str, data: bytes) -> Path | None:
    """Keep data beside a file: FILE.mp4 and "-last-frame.png" make FILE-last-frame.png.

    A file of that name with other data stays as it is, and the next free name is taken.

    Returns:
        Where the data is, None if too many names are taken.

    Raises:
        OSError: It cannot be written.
    """
    name = Path(f"{file.stem}{ending}")
    for path in islice(numbered(file.parent, name.stem, name.suffix), MOST_NAMES):
        free = not os.path.lexists(path)
        # Another process may have kept the same meanwhile.
        if (free and _write(path, data)) or _holds(path, data):
            return path
    return None


def _holds(path: Path, data: bytes) -> bool:
    try:
        # Only a regular file is read: opening a device could start something.
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _write(path: Path, data: bytes) -> bool:
    """Write a file unless its name is taken, and return whether it was free."""
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
        return rename_to_free(part, path)
    finally:
        part.unlink(missing_ok=True)
