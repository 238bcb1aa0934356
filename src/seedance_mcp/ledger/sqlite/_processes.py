"""Which of the processes that share a state folder still run.

Each process holds the lock of a file of its own. The system releases it however the process ends,
kill -9 and a power failure included, so a file that can be locked belongs to a dead process. Some
network folders have no locks; there it is unknown who runs.
"""

from itertools import repeat
from pathlib import Path
from uuid import uuid4

from seedance_mcp.file_locks import LockFile, is_held
from seedance_mcp.ledger._versions import version_of

UNLOCKED = "-unlocked"
"""The end of the name of a process whose file has no lock, so that it may be dead or alive."""


class LiveProcesses:
    """The processes that share a state folder, of which this one, `process`, lives until `close`.

    A file's name begins with the version of its process's tables, but in the first versions.

    Raises:
        OSError: The folder cannot be written.
    """

    def __init__(self, folder: Path, version: int) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self.process = f"{version}-{uuid4().hex}"
        # Another process may lock or remove the file as a dead one's just after it is created.
        attempts = map(LockFile.try_lock, repeat(folder / self.process, 20))
        self._lock = next(filter(None, attempts), None)
        if self._lock is None or not self._lock.locked:
            self.close()
            self.process += UNLOCKED

    def is_alive(self, process: str) -> bool | None:
        """Return whether a process still runs, None if that is unknown."""
        return process == self.process or process_lives(self._folder, process)

    def remove_dead(self) -> None:
        """Remove the files of dead processes."""
        for path in self._folder.iterdir():
            is_held(path, remove=True)

    def close(self) -> None:
        """Let this process count as dead."""
        if self._lock:
            self._lock.close()
            self._lock.remove()


def process_lives(folder: Path, process: str) -> bool | None:
    """Return whether another process still runs, None if that is unknown."""
    return None if process.endswith(UNLOCKED) else is_held(folder / process)


def some_process_lives(folder: Path) -> bool:
    """Return whether any process that uses the ledger is known to run."""
    return folder.is_dir() and any(is_held(path) for path in folder.iterdir())


def older_process_lives(folder: Path, version: int) -> bool:
    """Return whether a process that uses tables older than `version` still runs."""
    if not folder.is_dir():
        return False
    return any(version_of(path.name) < version and is_held(path) for path in folder.iterdir())
