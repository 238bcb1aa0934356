"""Who saves a job's files: one at a time, out of all processes that share a state folder."""

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from seedance_mcp.file_locks import locked

logger = logging.getLogger(__name__)


class JobLocks:
    """Claims on jobs, each a locked file that ends with the process.

    Args:
        folder: Where they lie; it is made where it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def try_lock(self, name: str) -> Generator[bool, None, None]:
        """Claim a job for as long as the context lasts.

        Args:
            name: The job's, which is also a file's.

        Yields:
            Whether it could be, since nobody else has it. Where no claim can be written down it
            is true: a full disk keeps nobody from what it paid for.
        """
        path = self._folder / name
        try:
            file = self._opened(path)
        except OSError as error:
            logger.warning("%s cannot be locked (%s)", path, error.strerror)
            yield True
            return
        if file is None:
            yield False
            return
        try:
            yield True
        finally:
            with suppress(OSError):  # Windows keeps a file that is open
                path.unlink()
            os.close(file)

    def _opened(self, path: Path) -> int | None:
        """Open and lock a file; None where somebody else has it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            # Whoever had it before may have taken the name away between the two calls above.
            with suppress(FileNotFoundError):
                if locked(file) and os.path.samestat(os.fstat(file), path.stat()):
                    return file
        except OSError:
            os.close(file)
            raise
        os.close(file)
        return None
