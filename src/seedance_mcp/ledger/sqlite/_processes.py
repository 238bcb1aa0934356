"""Which processes that share a state folder are alive, told by locks that end with them.

Each process holds a lock on a file of its own. The system lets go of it whatever ends the process,
kill -9 and a crash of the machine included, so a file that can be locked is a dead process's.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _taken(path: Path) -> Generator[None, None, None]:
    """Hold the lock of a process that is dead.

    Raises:
        OSError: It is alive, or that cannot be told.
    """
    file = os.open(path, os.O_RDWR)
    try:
        _lock(file)
        yield
    finally:
        os.close(file)


class LiveProcesses:
    """This process's sign of life in a state folder.

    Args:
        folder: Where the processes that share a ledger have theirs.

    Raises:
        OSError: It cannot be written there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self.process = uuid4().hex
        self._path = folder / self.process
        self._file = self._locked()

    def is_alive(self, process: str) -> bool:
        """Tell whether another process that shares the folder still runs."""
        if process == self.process:
            return True
        try:
            with _taken(self._folder / process):
                return False
        except FileNotFoundError:
            return False
        except OSError:
            # What cannot be looked at is not declared dead: its request may be on its way.
            return True

    def remove_dead(self) -> None:
        """Remove what dead processes left."""
        for path in self._folder.iterdir():
            if path.name != self.process:
                # A process that is just starting finds its file gone, as it is locked meanwhile.
                with suppress(OSError), _taken(path):
                    path.unlink()

    def close(self) -> None:
        """End this process's sign of life."""
        with suppress(OSError):
            os.close(self._file)
            self._path.unlink()

    def _locked(self) -> int:
        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _lock(file)
                # Another process may have removed the name between open and lock.
                if self._path.exists():
                    return file
            except OSError:
                pass
            os.close(file)
