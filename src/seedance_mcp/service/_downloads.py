"""Downloads in the background: each file once, recorded in the ledger.

A download goes on whether or not a call still waits for it, so a cancelled call loses nothing. Of
all processes that share a ledger, one at a time downloads a job's files, and it reads the ledger
first, since another one may have finished them.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.clock import Clock
from seedance_mcp.errors import DownloadFailed, LinkRefused
from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.store import Locks
from seedance_mcp.observability.spans import job_step
from seedance_mcp.outputs.download import Downloader, file_exists

from ._download_failures import DownloadFailures
from .reports import DownloadProgress, JobReport, WatchDownload

logger = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.25
"""How often a call reports progress, and a process tries to lock a job."""


class Records(Protocol):
    """Where it is kept which files were downloaded: the ledger, or another."""

    async def current(self, job: Job) -> Job:
        """Return a job as it is known now."""
        ...

    async def record_files(self, job: Job) -> bool:
        """Record where a job's files were saved, and return whether that was possible."""
        ...


@dataclass(kw_only=True)
class _Download:
    """The download of one job's files.

    Attributes:
        job: The job, with the files that were saved so far.
        done: Set when it has ended, one way or the other.
        failure: The first failure, None if there was none.
        first_automatic: Whether this is the first attempt of an automatic download.
    """

    job: Job
    progress: DownloadProgress = field(default_factory=DownloadProgress)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)
    failure: DownloadFailed | None = None
    first_automatic: bool = False


@dataclass(eq=False, repr=False)
class BackgroundDownloads:
    """Downloads the files of one owner's jobs."""

    _downloader: Downloader
    _records: Records
    _locks: Locks
    _tasks: TaskGroup
    _clock: Clock
    # Whether every job is downloaded as soon as it is seen to be completed.
    _automatic: bool
    # Called with a job whose clip was just downloaded; it neither waits nor fails.
    _on_clip: Callable[[Job], None]
    _ending: bool = field(default=False, init=False)
    _under_way: dict[str, _Download] = field(default_factory=dict[str, _Download], init=False)
    _failures: DownloadFailures = field(default_factory=DownloadFailures, init=False)

    async def download(
        self, report: JobReport, *, deadline: float, watch: WatchDownload
    ) -> JobReport:
        """Download what a job made, except for files that are still where they were saved.

        Args:
            report: A job; nothing is downloaded before it has ended.
            deadline: When to return, done or not, on the event loop's clock, in seconds.
            watch: Called with the progress.
        """
        job = await self._current(report.job)
        if _is_saved(job):
            return replace(report, job=job)
        download = self._under_way.get(job.id) or self._start(job)
        with anyio.CancelScope(deadline=deadline):
            while not download.done.is_set():
                await watch(download.progress)
                with anyio.move_on_after(PROGRESS_SECONDS):
                    await download.done.wait()
            await watch(download.progress)
        return _with_outcome(replace(report, job=job), download)

    async def wait_for_automatic(self, report: JobReport, *, deadline: float) -> JobReport:
        """Wait for the first automatic download of a job, if one is under way."""
        download = self._under_way.get(report.job.id)
        if download is None or not download.first_automatic:
            return report
        with anyio.CancelScope(deadline=deadline):
            await download.done.wait()
        return _with_outcome(report, download)

    def start_automatic(self, job: Job) -> bool:
        """Start downloading what a job made, if downloads are automatic and one is due.

        Returns:
            Whether it was started.
        """
        wanted = self._automatic and not all(job.saved)
        if not wanted or self._ending or job.id in self._under_way:
            return False
        due = self._failures.is_due(job.id, anyio.current_time())
        if due:
            self._start(job).first_automatic = job.id not in self._failures
        return due

    def was_refused(self, job: Job) -> bool:
        """Return whether a host refused the link that a job was last downloaded from."""
        return self._failures.was_refused(job.id)

    def shut_down(self) -> None:
        """Cancel the downloads; another attempt continues them."""
        self._ending = True
        for download in self._under_way.values():
            download.scope.cancel()

    async def _current(self, job: Job) -> Job:
        """Return a job as the ledger has it, unless the ledger does not know how it ended."""
        known = await self._records.current(job)
        return known if known.status is job.status else job

    def _start(self, job: Job) -> _Download:
        download = self._under_way[job.id] = _Download(job=job)
        if self._ending:
            download.scope.cancel()
        self._tasks.start_soon(self._run, download)
        return download

    async def _run(self, download: _Download) -> None:
        job = download.job
        try:
            with download.scope:
                await self._download_when_locked(download)
        except Exception:
            # A bug here must not end the server and its other jobs.
            logger.exception("The download of %s broke", job.request_id)
            download.failure = DownloadFailed("The download broke inside this server; see its log.")
        finally:
            del self._under_way[job.id]
            if failure := download.failure:
                logger.warning("%s was not downloaded: %s", job.request_id, failure.message)
            self._failures.note(job.id, download.failure, anyio.current_time())
            download.done.set()

    async def _download_when_locked(self, download: _Download) -> None:
        """Download a job's files once no other process does."""
        while True:
            async with self._locks.try_lock(download.job.request_id or download.job.id) as locked:
                if locked:
                    await self._download_each(download)
                    return
            download.progress = DownloadProgress(elsewhere=True)
            await self._clock.sleep(PROGRESS_SECONDS)

    async def _download_each(self, download: _Download) -> None:
        """Download every file that is missing; a failure does not keep the others from coming."""
        download.job = await self._current(download.job)
        size = 0
        for place, path in enumerate(download.job.saved):
            if path and file_exists(Path(path)):
                continue
            try:
                with job_step("download", download.job.request_id, download.job.model_id):
                    size += await self._download_one(download, place, size)
            except DownloadFailed as failure:
                download.failure = download.failure or failure

    async def _download_one(self, download: _Download, place: int, before: int) -> int:
        """Download one file after `before` bytes of others, and return its size in bytes."""
        outputs = download.job.outputs.each
        output = outputs[place]

        async def count(size: int, total: int | None) -> None:
            # The sizes of the files to come are unknown, so there is no sum before the last one.
            if total is not None:
                total = before + total if output is outputs[-1] else None
            download.progress = DownloadProgress(size=before + size, total=total)

        async def record(path: Path) -> bool:
            saved = download.job.saved
            saved[place] = str(path)
            download.job = replace(download.job, saved_to=tuple(saved))
            return await self._records.record_files(download.job)

        fetch = partial(self._downloader.download, on_bytes=count, on_saved=record)
        try:
            path = await fetch(download.job, output)
        except LinkRefused:
            # RunComfy signs links anew, and another call may have read a newer one.
            links = (await self._current(download.job)).outputs.each
            same = ((one.kind, one.number) == (output.kind, output.number) for one in links)
            newest = next(compress(links, same), output)
            if newest == output:
                raise
            path = await fetch(download.job, newest)
        size = path.stat().st_size
        await count(size, size)
        if output.kind == "video" and place == 0:
            self._on_clip(download.job)
        return size


def _with_outcome(report: JobReport, download: _Download) -> JobReport:
    """Add to a report where the files are, why some are not there, or how far it is."""
    error = download.failure.line if download.failure else None
    # Either may know of videos that came later.
    outputs = max(report.job.outputs, download.job.outputs, key=lambda one: len(one.videos))
    saved_to = download.job.with_outputs(outputs).saved_to
    saved = replace(report.job, outputs=outputs, saved_to=saved_to)
    progress = None if error or _is_saved(saved) else download.progress
    return replace(report, job=saved, download_error=error, download_progress=progress)


def _is_saved(job: Job) -> bool:
    return all(path and file_exists(Path(path)) for path in job.saved)
