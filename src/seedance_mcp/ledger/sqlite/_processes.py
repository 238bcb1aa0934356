"""Which of the processes that share a state folder still run.

Each process holds the lock of a file of its own. The system releases it however the process ends,
kill -9 and a power failure included, so a file that can be locked belongs to a dead process.
"""

from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

from seedance_mcp.file_locks import LockFile


class LiveProcesses:
    """The processes that share a state folder, of which this one is alive until `close`.

    Each has its file in `folder`, which is created if it is missing.

    Raises:
        OSError: The folder cannot be written, or has no locks.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self.process = uuid4().hex
        # Another process may lock or remove the file as a dead one's just after it is created.
        while not (lock := LockFile.try_lock(folder / self.process, must_lock=True)):
            pass
        self._lock = lock

    def is_alive(self, process: str) -> bool:
        """Return whether a process still runs; True if that is unknown."""
        if process == self.process:
            return True
        try:
            lock = LockFile.try_lock(self._folder / process, create=False, must_lock=True)
        except FileNotFoundError:
            return False
        except OSError:
            # Its paid request may be on its way.
            return True
        if lock:
            lock.close()
        return lock is None

    def remove_dead(self) -> None:
        """Remove the files of dead processes."""
        for path in self._folder.iterdir():
            if path.name != self.process:
                with suppress(OSError):
                    if lock := LockFile.try_lock(path, create=False, must_lock=True):
                        with closing(lock):
                            lock.remove()

    def close(self) -> None:
        """Let this process count as dead."""
        self._lock.close()
        self._lock.remove()
