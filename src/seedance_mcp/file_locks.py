"""Locks on files, which end with the process that holds them, and files written whole or not."""

import errno
import io
import os
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic, sleep
from typing import BinaryIO, Self

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    _lock_range = _lock
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _lock_range(file: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


FOLDER_LOCK_SECONDS, LOOK_AGAIN_SECONDS = 2.0, 0.01
"""How long a folder's lock is waited for, which is held for milliseconds, and how often tried."""

# POSIX says EAGAIN, Windows and shares of Windows say EACCES or EDEADLK.
_HELD = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}


@dataclass(eq=False)
class LockFile:
    """An open file, locked by its holder alone until it is closed or the process ends.

    Attributes:
        locked: False where the folder has no locks, so that every caller gets the file.
    """

    path: Path
    file: io.FileIO
    locked: bool

    @classmethod
    def try_lock(cls, path: Path, *, create: bool = True, mode: int = 0o600) -> Self | None:
        """Open and lock a file, to be read and appended to, without waiting.

        A new file has the permissions `mode`.

        Returns:
            None if another holder has the lock, or removed the file a moment ago.

        Raises:
            OSError: The file cannot be opened, or is a symbolic link.
        """
        with ExitStack() as stack:
            file = stack.enter_context(open_in_place(path, "a+" if create else "r+", mode=mode))
            locked = _lock_now(file.fileno())
            if locked is not None and _is_at(file, path):
                lock = cls(path, file, locked)
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


def open_in_place(path: Path, how: str, *, mode: int = 0o666) -> io.FileIO:
    """Open a file, and no symbolic link: others may have put one there, to a file to overwrite.

    Raises:
        OSError: It cannot be opened, or is a symbolic link.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), mode)

    return io.FileIO(path, how, opener=opener)


@contextmanager
def replacing(path: Path, *, mode: int = 0o666) -> Generator[BinaryIO, None, None]:
    """Yield a file that takes a name when it is complete; until then an older one has it.

    A new file has the permissions `mode`, less what the user's umask takes away.

    Raises:
        OSError: It cannot be written; nothing is left of it.
    """
    part = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with io.BufferedWriter(open_in_place(part, "x", mode=mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def is_held(path: Path, *, remove: bool = False) -> bool | None:
    """Return whether a file's lock is held, None if unknown; a free file is removed on `remove`."""
    try:
        lock = LockFile.try_lock(path, create=False)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    if lock is None:
        return True
    with closing(lock):
        if lock.locked and remove:
            lock.remove()
        return False if lock.locked else None


@contextmanager
def folder_lock(
    folder: Path, *, seconds: float = FOLDER_LOCK_SECONDS
) -> Generator[None, None, None]:
    """Hold a folder's lock, waiting until it is free; without locks, hold nothing.

    Raises:
        OSError: Another program has held it for that many seconds, as a stopped one does.
    """
    with ExitStack() as stack:
        descriptor = None
        with suppress(OSError):  # Windows cannot open a folder
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
        until = monotonic() + seconds
        while descriptor is not None and _lock_now(descriptor) is None:
            if monotonic() >= until:
                raise OSError(errno.EAGAIN, "another program has locked its folder")
            sleep(LOOK_AGAIN_SECONDS)
        yield


def has_sqlite_locks(folder: Path) -> bool:
    """Return whether the locks that SQLite takes work in a folder; True if that is unknown."""
    with suppress(OSError), TemporaryFile(dir=folder) as file:
        return _lock_now(file.fileno(), _lock_range) is not False
    return True


def _lock_now(file: int, lock: Callable[[int], None] = _lock) -> bool | None:
    """Lock a file; return None if another holder has the lock, False if there are no locks."""
    try:
        lock(file)
    except OSError as error:
        # Network folders without locks have many words for that: ENOLCK, EOPNOTSUPP, ENOSYS, …
        return None if error.errno in _HELD else False
    return True


def _is_at(file: io.FileIO, path: Path) -> bool:
    """Return whether a file still has its name: its last holder may have removed that.

    Between our opening and locking it, that is; a lock on a nameless file excludes no one.
    """
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    return False
