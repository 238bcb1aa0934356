"""Following a job for a caller, until it ends or the caller's time is up."""

from collections.abc import Collection, Generator
from contextlib import contextmanager
from math import inf
from typing import Protocol

import anyio

from seedance_mcp.jobs.job import Job

from ._poller import Observed, Pollers
from ._remote import NOT_ANSWERED, REFRESH_SECONDS, Asker
from ._tracking import Records

LAST_LOOK_SECONDS = 0.1
"""How long a ledger that is locked may hold up an answer whose time has come."""


class Watcher(Protocol):
    """Who is told of a job while a call waits for it."""

    async def __call__(self, job: Job, usual_seconds: float | None = None) -> None:
        """Hear where the job stands now, and how long such a job usually takes in all."""
        ...


class Follower:
    """Waits for jobs.

    Args:
        asker: Asks about jobs.
        pollers: Ask again and again, once for all who wait.
        records: What is known of jobs.
    """

    def __init__(self, asker: Asker, pollers: Pollers, records: Records) -> None:
        self._asker = asker
        self._pollers = pollers
        self._records = records
        self._waits: set[anyio.CancelScope] = set()
        self._ending = False

    async def follow(
        self, job: Job, deadline: float, watch: Watcher, *, trouble: str | None = None
    ) -> tuple[Job, str | None]:
        """Wait until a job has ended or the deadline has come; faults are waited out.

        Args:
            job: A job with a request_id.
            deadline: When to stop, on the event loop's clock, in seconds.
            watch: Who is told of every answer.
            trouble: Why the last question was not answered, None where it was.

        Returns:
            The job as last seen, and why it may have moved on since, None where it is fresh.
        """
        known = Observed(job=job, trouble=trouble)
        with self._pollers.joined(known) as (poller, observations):
            with self._wait(deadline):
                async for seen in observations:
                    job, trouble = seen.job, seen.trouble
                    await watch(job, seen.usual_seconds)
            if poller.asking:
                trouble = NOT_ANSWERED
        with anyio.move_on_after(LAST_LOOK_SECONDS):
            # Another call, in this process or not, may have seen the end of it.
            stored = await self._records.current(job)
            job = stored if stored.status.final else job
        return job, None if job.status.final else trouble

    def last(self, request_id: str) -> Observed | None:
        """Give what was last seen of a job that another caller waits for, None where none does."""
        return self._pollers.last(request_id)

    async def refresh(self, jobs: Collection[Job]) -> set[str]:
        """Ask about jobs that have not ended, bounded in time.

        Returns:
            Our ids of those that were not answered, and may have moved on.
        """
        unanswered = {job.id for job in jobs}
        with self._wait(anyio.current_time() + REFRESH_SECONDS):
            await self._asker.refresh(jobs, unanswered.discard)
        return unanswered

    def end_waits(self) -> None:
        """Let every call that waits for a job, now or later, answer with what is known."""
        self._ending = True
        for scope in self._waits:
            scope.cancel()

    @contextmanager
    def _wait(self, deadline: float) -> Generator[None, None, None]:
        with anyio.CancelScope(deadline=-inf if self._ending else deadline) as scope:
            self._waits.add(scope)
            try:
                yield
            finally:
                self._waits.discard(scope)
