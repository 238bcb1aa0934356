"""Open jobs followed to their end whether or not a call waits, so that every clip is downloaded.

A client may stop a task that goes on, give a call up, or restart the server. Of all processes that
share a state folder, one at a time follows a job: its lock ends with the process, and the next one
takes over. Nothing here acknowledges a job or counts as an answer that says that it failed.
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from seedance_mcp.bounded import BoundedDict
from seedance_mcp.clock import Clock
from seedance_mcp.errors import SeedanceError
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import OPEN, Status
from seedance_mcp.ledger.store import Locks, Store

from ._downloads import BackgroundDownloads
from ._tracking import JobTracker
from ._waiting import Waiter
from .reports import JobReport, ignore

logger = logging.getLogger(__name__)

START_SECONDS = 3.0
"""When the ledger is looked through for the first time, after the service was opened."""

LOOK_SECONDS = 15.0
"""The pause until the ledger is looked through again, for what other processes left."""

TRY_AGAIN_SECONDS = 300.0
"""When a job is followed again about which RunComfy refused to answer, though it may know it."""

NOT_KNOWN_YET = timedelta(minutes=1)
"""How long after a job was begun it may not be known everywhere at RunComfy."""

FOLLOWED_FOR = timedelta(hours=48)
"""How long after a job was begun it is followed."""

MOST_FOLLOWED = 100
"""How many jobs a process follows at once; each lock is an open file."""

MOST_LISTED_JOBS = 1000
MOST_LISTED_CLIPS = 100
"""How many of the newest jobs that are open, or completed, are looked through."""

MOST_STARTED_DOWNLOADS = 5
"""How many downloads are started at each look."""


@dataclass(eq=False, repr=False)
class JobFollower:
    """Follows the jobs of one owner."""

    _store: Store
    _tracker: JobTracker
    _waiter: Waiter
    _downloads: BackgroundDownloads
    _locks: Locks
    _tasks: TaskGroup
    _clock: Clock
    # Otherwise it does nothing at all.
    _enabled: bool
    _followed: set[str] = field(default_factory=set[str], init=False)
    # When what could not be followed to its end is followed again, by request id.
    _next_try: BoundedDict[str, float] = field(
        default_factory=lambda: BoundedDict[str, float](MOST_LISTED_JOBS), init=False
    )
    _ending: bool = field(default=False, init=False)
    _scopes: set[anyio.CancelScope] = field(default_factory=set[anyio.CancelScope], init=False)

    def start(self) -> None:
        """Start looking for open jobs in the background."""
        if self._enabled:
            self._tasks.start_soon(self._run)

    def follow(self, job: Job, *, answered: bool = False) -> None:
        """Follow a job in the background if it is open and no process follows it yet.

        `answered` says that RunComfy has just said where it stands.
        """
        request_id = job.request_id
        if not self._enabled or self._ending or job.status not in OPEN:
            return
        if request_id is None or not self._is_young(job):
            return
        if not answered and anyio.current_time() < self._next_try.get(request_id, -inf):
            return
        if request_id not in self._followed and len(self._followed) < MOST_FOLLOWED:
            self._followed.add(request_id)
            self._tasks.start_soon(self._follow, job, request_id)

    def shut_down(self) -> None:
        """Follow nothing any more."""
        self._ending = True
        for scope in self._scopes:
            scope.cancel()

    @contextmanager
    def _until_shutdown(self) -> Generator[None, None, None]:
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                if self._ending:
                    scope.cancel()
                yield
            finally:
                self._scopes.discard(scope)

    async def _run(self) -> None:
        with self._until_shutdown():
            await self._clock.sleep(START_SECONDS)
            while True:
                try:
                    await self._look()
                except SeedanceError as error:
                    logger.info("Open jobs are not known: %s", error.message)
                except Exception:
                    logger.exception("Looking for open jobs broke")
                await self._clock.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        """Follow the jobs that are open, and download clips whose download was cut off."""
        owner = self._tracker.owner
        for job in (await self._store.recent(owner, statuses=OPEN, limit=MOST_LISTED_JOBS)).jobs:
            self.follow(job)
            # What another process follows makes room for the next one.
            await anyio.lowlevel.checkpoint()
        done = (Status.COMPLETED,)
        page = await self._store.recent(owner, statuses=done, limit=MOST_LISTED_CLIPS)
        started = 0
        for job in filter(self._is_young, page.jobs):
            # Only a newer link helps against a refusal, and nothing here reads one.
            if started < MOST_STARTED_DOWNLOADS and not self._downloads.was_refused(job):
                started += self._downloads.start_automatic(job)

    async def _follow(self, job: Job, request_id: str) -> None:
        try:
            with self._until_shutdown():
                async with self._locks.try_lock(request_id) as locked:
                    if locked:
                        await self._wait_for_end(job, request_id)
        except Exception:
            # It runs beside paid requests, which a bug here must not take down.
            logger.exception("Following %s broke", request_id)
        finally:
            self._followed.discard(request_id)

    async def _wait_for_end(self, job: Job, request_id: str) -> None:
        # The process that followed it before may have seen its end.
        report = JobReport(job=await self._tracker.current(job))
        age = max(self._clock.now() - job.created_at, timedelta(0))
        deadline = anyio.current_time() + (FOLLOWED_FOR - age).total_seconds()
        report = await self._waiter.wait(report, deadline, ignore, is_call=False)
        if not report.job.status.final:
            young = self._clock.now() - job.created_at < NOT_KNOWN_YET
            pause = inf if report.out_of_reach and not young else TRY_AGAIN_SECONDS
            self._next_try[request_id] = anyio.current_time() + pause
        self._downloads.start_automatic(report.job)

    def _is_young(self, job: Job) -> bool:
        return self._clock.now() - job.created_at < FOLLOWED_FOR
