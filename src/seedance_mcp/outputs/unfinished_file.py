"""A file that takes long to write: one process at a time writes one, and a crash leaves no litter.

It takes these steps, under a lock of the state folder whose file holds the path of step 2:

    1. remove the file that the lock's file names    a killed process left it
    2. write the path of joining-NUMBER.part into the lock's file
    3. write that file, and fsync it
    4. link the final file to it, and unlink it; or rename it, on a disk without links
    5. fsync the folder
    6. empty the lock's file
"""

import logging
import os
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from seedance_mcp.file_locks import LockFile

from ._file_names import fsync_folder, numbered, rename_to_free

logger = logging.getLogger(__name__)

MAX_PATH_BYTES = 64 * 1024
_NAME = re.compile(r"joining-[0-9a-f]{8}\.part")

T = TypeVar("T")


@dataclass(frozen=True)
class UnfinishedFile:
    """The right to write the one file; without a lock, its path is noted nowhere."""

    _lock: LockFile | None

    def write(self, path: Path, write: Callable[[Path], T], *, may_number: bool) -> tuple[Path, T]:
        """Write a file with a path; it blocks.

        Args:
            path: Its path; its folder is created if it is missing.
            write: Writes the file of another path in the same folder.
            may_number: Whether it gets a number if the path is taken.

        Returns:
            Its path, and what `write` returned.

        Raises:
            FileExistsError: The path is taken.
            OSError: It cannot be written.
        """
        self._remove_left_over()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"joining-{uuid4().hex[:8]}.part")
        self._note(os.fsencode(unfinished))
        try:
            written = write(unfinished)
            with unfinished.open("rb+") as file:
                os.fsync(file.fileno())
            paths = numbered(path.parent, path.stem, path.suffix) if may_number else [path]
            final = next((each for each in paths if _rename(unfinished, each)), None)
            if final is None:
                raise FileExistsError
            fsync_folder(path.parent)
            return final, written
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
                self._note(b"")

    def _remove_left_over(self) -> None:
        """Remove the file of a process that was killed, and no other."""
        if self._lock is None:
            return
        with suppress(OSError, ValueError):
            self._lock.file.seek(0)
            left = Path(os.fsdecode(self._lock.file.read(MAX_PATH_BYTES)))
            if left.is_absolute() and _NAME.fullmatch(left.name):
                left.unlink(missing_ok=True)

    def _note(self, path: bytes) -> None:
        if self._lock is None:
            return
        with suppress(OSError):  # a full disk costs no more than the cleaning up
            self._lock.file.truncate(0)
            self._lock.file.write(path)


@contextmanager
def try_lock(path: Path) -> Generator[UnfinishedFile | None, None, None]:
    """Yield the right to write, and None while another process or task has it."""
    try:
        lock = LockFile.try_lock(path)
    except OSError as error:
        logger.warning("%s cannot be locked (%s)", path, error.strerror)
        yield UnfinishedFile(None)
        return
    if lock is None:
        yield None
        return
    try:
        # Without locks, the file that is named may be another process's.
        yield UnfinishedFile(lock if lock.locked else None)
    finally:
        lock.close()


def _rename(path: Path, new: Path) -> bool:
    return not os.path.lexists(new) and rename_to_free(path, new)
