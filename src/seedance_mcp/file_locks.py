"""Locks on files, which end with the process that holds them, however it ends."""

import errno
import io
import os
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _wait_for_lock(file: int) -> None:
        """Do nothing: Windows cannot open a folder."""
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _wait_for_lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)


# POSIX says EAGAIN, Windows EACCES or EDEADLK.
_HELD = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}
# What network folders without locks say.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@dataclass(eq=False)
class LockFile:
    """An open file, locked by its holder alone until it is closed or the process ends."""

    path: Path
    file: io.FileIO

    @classmethod
    def try_lock(
        cls, path: Path, *, create: bool = True, mode: int = 0o600, must_lock: bool
    ) -> Self | None:
        """Open and lock a file, to be read and appended to, without waiting.

        A new file has the permissions `mode`. With `must_lock`, a folder without locks is an
        error; otherwise every caller gets the lock there.

        Returns:
            None if another holder has the lock, or removed the file a moment ago.

        Raises:
            OSError: The file cannot be opened or locked.
        """
        with ExitStack() as stack:
            opener = partial(os.open, mode=mode)
            file = stack.enter_context(io.FileIO(path, "a+" if create else "r+", opener=opener))
            if _is_locked(file, must_lock=must_lock) and _is_at(file, path):
                lock = cls(path, file)
                stack.pop_all()  # the holder closes it
                return lock
        return None

    def remove(self) -> None:
        """Remove the file if the system lets go of an open one; it stays locked until `close`."""
        with suppress(OSError):  # Windows does not
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file, which releases the lock."""
        self.file.close()


@contextmanager
def folder_lock(folder: Path) -> Generator[None, None, None]:
    """Hold a folder's lock, blocking until it is free; without locks, hold nothing."""
    descriptor = None
    with suppress(OSError):  # Windows cannot open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        _wait_for_lock(descriptor)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _is_locked(file: io.FileIO, *, must_lock: bool) -> bool:
    """Lock a file and return whether that worked."""
    try:
        _lock(file.fileno())
    except OSError as error:
        if error.errno in _HELD:
            return False
        if must_lock or error.errno not in _NO_LOCKS:
            raise
    return True


def _is_at(file: io.FileIO, path: Path) -> bool:
    """Return whether a file still has its name: its last holder may have removed that.

    Between our opening and locking it, that is; a lock on a nameless file excludes no one.
    """
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False
