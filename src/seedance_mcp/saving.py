"""Saving the clips of jobs that are done: once each, and as a file that the ledger remembers."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from .download import Downloads, existing
from .errors import DownloadFailed
from .jobs import Job, Status
from .records import Records

logger = logging.getLogger(__name__)

BytesWatcher = Callable[[int, int | None], Awaitable[None]]
"""Who is told how many bytes of a clip are there, of how many in all, None where nobody knows."""


class Saving:
    """The clips of one owner's jobs as files.

    Args:
        downloads: How a clip gets into the folder.
        records: Where it is written down.
        tasks: Where clips are saved that no call waits for.
    """

    def __init__(self, downloads: Downloads, records: Records, tasks: TaskGroup) -> None:
        self._downloads = downloads
        self._records = records
        self._tasks = tasks
        self._scopes: set[anyio.CancelScope] = set()
        self._locks: dict[str, anyio.Lock] = {}
        self._unasked: set[str] = set()

    async def save(self, job: Job, watch: BytesWatcher) -> Job:
        """Save a job's videos; those that were saved before and are still there are left alone.

        Args:
            job: A completed job.
            watch: Who is told of the bytes.

        Returns:
            The job, with where its videos are.

        Raises:
            DownloadFailed: One could not be had or written.
        """
        async with self._locks.setdefault(job.id, anyio.Lock()):
            job = await self._records.current(job)
            if job.saved_to and all(existing(Path(path)) for path in job.saved_to):
                return job
            saved: list[str] = []
            for number, url in enumerate(job.outputs.videos, 1):
                path = await self._downloads.save(job, url, number=number, report=watch)
                saved.append(str(path))
            return await self._records.save(replace(job, saved_to=tuple(saved)))

    def begin(self, job: Job) -> None:
        """Save a job's videos in the background, if it is done and they are not yet."""
        if job.status is Status.COMPLETED and not job.saved_to and job.id not in self._unasked:
            self._unasked.add(job.id)
            self._tasks.start_soon(self._save_unasked, job)

    def end(self) -> None:
        """Stop what is saved in the background; it goes on from there another time."""
        for scope in self._scopes:
            scope.cancel()

    async def _save_unasked(self, job: Job) -> None:
        try:
            with anyio.CancelScope() as scope:
                self._scopes.add(scope)
                await self.save(job, _nobody)
        except DownloadFailed as error:
            logger.warning("%s was not saved: %s", job.request_id, error.message)
        finally:
            self._unasked.discard(job.id)


async def _nobody(_: int, __: int | None) -> None:
    """Watch nothing."""
