"""Saving what jobs made: each file once, and as one that the ledger remembers.

A job is saved in the background, whoever asked for it and whether they still wait: a call that is
cancelled, or whose time is up, loses nothing that came. Out of all processes that share a ledger
one at a time saves a job, and it looks into the ledger once it is the one.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.clock import Clock
from seedance_mcp.errors import DownloadFailed, LinkRefused
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Output, Status
from seedance_mcp.outputs.download import Downloader, file_exists
from seedance_mcp.outputs.job_locks import JobLocks

from ._tracking import JobTracker
from .reports import DownloadProgress, JobReport

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
"""How often a call looks how far it is, and a process whether it is its turn."""

UNASKED_PAUSE_SECONDS = 60.0
"""How long nobody tries again to save a job that nobody asked for; twice as long every time."""

Watcher = Callable[[DownloadProgress], Awaitable[None]]
"""Who is told how far the saving of a job has come."""


@dataclass(kw_only=True)
class _Work:
    """A job that is being saved.

    Attributes:
        job: The job, with what was saved of it so far.
        tally: How far it has come.
        scope: What ends it before it is done.
        done: Set when it has ended, one way or another.
        failure: The first thing that went wrong, None while nothing has.
        unasked: Whether this is the first attempt, and nobody asked for it.
    """

    job: Job
    tally: DownloadProgress = field(default_factory=DownloadProgress)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)
    failure: DownloadFailed | None = None
    unasked: bool = False


class BackgroundDownloads:
    """What one owner's jobs made, as files.

    Args:
        downloads: How a file gets into the folder.
        records: Where it is written down.
        claims: Who else saves.
        tasks: Where jobs are saved; it must outlive every call.
        clock: Clock and pauses.
        unasked: Whether every job is saved as soon as it is seen to be done.
    """

    def __init__(  # noqa: PLR0913 - the parts that are put together
        self,
        downloads: Downloader,
        records: JobTracker,
        claims: JobLocks,
        tasks: TaskGroup,
        clock: Clock,
        *,
        unasked: bool,
    ) -> None:
        self._downloads = downloads
        self._records = records
        self._claims = claims
        self._tasks = tasks
        self._clock = clock
        self._unasked = unasked
        self._ending = False
        self._under_way: dict[str, _Work] = {}
        self._failures: dict[str, tuple[int, float]] = {}

    async def save(self, report: JobReport, *, deadline: float, watch: Watcher) -> JobReport:
        """Save what a job made; what was saved before and is still there is left alone.

        Args:
            report: What is known of the job; of one that is not completed nothing is saved.
            deadline: When to answer with what is there, on the event loop's clock, in seconds.
            watch: Who is told how far it is.

        Returns:
            The report, with where the files are, why some are not, or how far it has come.
        """
        job = await self._current(report.job)
        if job.status is not Status.COMPLETED or _is_saved(job):
            return replace(report, job=job)
        work = self._under_way.get(job.id) or self._begun(job)
        with anyio.CancelScope(deadline=deadline):
            while not work.done.is_set():
                await watch(work.tally)
                with anyio.move_on_after(LOOK_SECONDS):
                    await work.done.wait()
            await watch(work.tally)
        return _told(replace(report, job=work.job), work)

    async def awaited(self, report: JobReport, *, deadline: float) -> JobReport:
        """Wait for what is being saved of a job unasked, and for the first time.

        Args:
            report: What is known of the job; where nothing is being saved, it is given back.
            deadline: As for `save`.
        """
        work = self._under_way.get(report.job.id)
        if work is None or not work.unasked:
            return report
        with anyio.CancelScope(deadline=deadline):
            await work.done.wait()
        return _told(report, work)

    def seen(self, job: Job) -> None:
        """Save what a job made in the background, if every job is to be and this one is done."""
        done = job.status is Status.COMPLETED and not all(job.saved)
        if not (self._unasked and done) or self._ending or job.id in self._under_way:
            return
        times, failed_at = self._failures.get(job.id, (0, 0.0))
        pause = UNASKED_PAUSE_SECONDS * 2 ** min(times - 1, 10)
        if not times or anyio.current_time() >= failed_at + pause:
            self._begun(job).unasked = not times

    def end(self) -> None:
        """Stop what is being saved; it goes on from there another time."""
        self._ending = True
        for work in self._under_way.values():
            work.scope.cancel()

    async def _current(self, job: Job) -> Job:
        """Give a job as the ledger has it, unless that could not be told how it ended."""
        known = await self._records.current(job)
        return known if known.status is job.status else job

    def _begun(self, job: Job) -> _Work:
        work = self._under_way[job.id] = _Work(job=job)
        if self._ending:
            work.scope.cancel()
        self._tasks.start_soon(self._do, work)
        return work

    async def _do(self, work: _Work) -> None:
        job = work.job
        try:
            with work.scope:
                await self._take_turn(work)
        except Exception:
            # Of no use to anybody but the log: it must not end the server, and its other jobs.
            logger.exception("Saving %s broke", job.request_id)
            work.failure = DownloadFailed("Saving broke inside this server, and its log says how.")
        finally:
            self._settle(job, work.failure)
            work.done.set()

    def _settle(self, job: Job, failure: DownloadFailed | None) -> None:
        del self._under_way[job.id]
        times, _ = self._failures.pop(job.id, (0, 0.0))
        if failure:
            logger.warning("%s was not saved: %s", job.request_id, failure.message)
            self._failures[job.id] = times + 1, anyio.current_time()

    async def _take_turn(self, work: _Work) -> None:
        """Save a job once no other process does."""
        while True:
            with self._claims.try_lock(work.job.request_id or work.job.id) as ours:
                if ours:
                    await self._save_each(work)
                    return
            work.tally = DownloadProgress(elsewhere=True)
            await self._clock.sleep(LOOK_SECONDS)

    async def _save_each(self, work: _Work) -> None:
        """Save every file of a job that is not there; one that cannot be had stops no other."""
        work.job = await self._current(work.job)
        outputs = work.job.outputs.each
        size = 0
        for place, (output, path) in enumerate(zip(outputs, work.job.saved, strict=True)):
            if path and file_exists(Path(path)):
                continue
            count = _Count(work=work, before=size, last=output is outputs[-1])
            try:
                size += await self._save_one(work, place, count)
            except DownloadFailed as failure:
                work.failure = work.failure or failure

    async def _save_one(self, work: _Work, place: int, count: "_Count") -> int:
        """Save a file of a job and write down where; give its size in bytes."""

        async def record(path: Path) -> bool:
            saved = work.job.saved
            saved[place] = str(path)
            work.job = replace(work.job, saved_to=tuple(saved))
            return await self._records.save(work.job)

        async def save(output: Output) -> Path:
            return await self._downloads.download(work.job, output, on_bytes=count, on_saved=record)

        output = work.job.outputs.each[place]
        try:
            path = await save(output)
        except LinkRefused:
            # Somebody may have asked the service since, which signs its links anew.
            newest = (await self._current(work.job)).outputs.each[place]
            if newest == output:
                raise
            path = await save(newest)
        size = path.stat().st_size
        await count(size, size)
        return size


@dataclass(frozen=True, kw_only=True)
class _Count:
    """Counts the bytes of one file after another.

    Attributes:
        work: Whose tally it is.
        before: How many bytes came of the files before.
        last: Whether no other file comes after; only then is it known how much it is in all.
    """

    work: _Work
    before: int
    last: bool

    async def __call__(self, size: int, total: int | None) -> None:
        """Hear how many bytes of the file there are, and of how many."""
        known = self.last and total is not None
        self.work.tally = DownloadProgress(
            size=self.before + size, total=self.before + (total or 0) if known else None
        )


def _told(report: JobReport, work: _Work) -> JobReport:
    """Add to a report where the files are, why some are not, or how far it has come."""
    failure = work.failure.line if work.failure else None
    left = None if failure or _is_saved(work.job) else work.tally
    saved = replace(report.job, saved_to=work.job.saved_to)
    return replace(report, job=saved, download_error=failure, download_progress=left)


def _is_saved(job: Job) -> bool:
    return all(path and file_exists(Path(path)) for path in job.saved)
