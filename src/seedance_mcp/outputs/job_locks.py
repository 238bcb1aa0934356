"""Locks on jobs: of all processes that share a state folder, one downloads a job's files."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from seedance_mcp.file_locks import LockFile

logger = logging.getLogger(__name__)


class JobLocks:
    """The locks of jobs, each a file in a folder that is created if it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def try_lock(self, name: str) -> AsyncGenerator[bool, None]:
        """Lock a job's id while the context lasts; yield False if another process has the lock."""
        path = self._folder / name
        try:
            # Not its parents: where the state folder is away, another one must not take its place.
            self._folder.mkdir(mode=0o700, exist_ok=True)
            lock = LockFile.try_lock(path)
        except OSError as error:
            # A full disk must not keep the user from a clip that is paid for.
            logger.warning("%s cannot be locked (%s)", path, error.strerror)
            yield True
            return
        if lock is None:
            yield False
            return
        try:
            yield True
        finally:
            lock.remove()
            lock.close()
