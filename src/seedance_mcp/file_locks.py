"""Locks on open files, which end with the process that has them, whatever ends it."""

import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _wait(file: int) -> None:
        """Wait for nobody: a folder cannot be opened here."""
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _wait(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)


_TAKEN = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


def locked(file: int) -> bool:
    """Lock an open file without waiting, for as long as it is open.

    Returns:
        Whether nobody else has it. Some network folders have no locks at all; there it is true
        for everybody, since what cannot be locked must still be usable.

    Raises:
        OSError: It cannot be told.
    """
    try:
        _lock(file)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        if error.errno not in _NO_LOCKS:
            raise
    return True


@contextmanager
def folder_lock(folder: Path) -> Generator[None, None, None]:
    """Keep all others that do so in the same folder waiting, where there are locks; it blocks."""
    descriptor = None
    with suppress(OSError):  # Windows cannot open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        _wait(descriptor)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
