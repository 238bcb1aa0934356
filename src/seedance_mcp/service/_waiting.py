"""Following a job for a caller, until it ends or the caller's time is up."""

from collections.abc import Awaitable, Callable, Collection, Generator
from contextlib import contextmanager
from math import inf
from typing import Protocol

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job

from ._poller import Observed, Poller
from ._remote import NOT_ANSWERED, REFRESH_SECONDS, RemoteJobs
from ._schedules import Schedules
from ._tracking import JobTracker

LAST_LOOK_SECONDS = 0.1
"""How long a ledger that is locked may hold up an answer whose time has come."""


class Watcher(Protocol):
    """Who is told of a job while a call waits for it."""

    async def __call__(self, job: Job, usual_seconds: float | None = None) -> None:
        """Hear where the job stands now, and how long such a job usually takes in all."""
        ...


class Pollers:
    """The pollers of a process.

    Args:
        ask: Asks where a job stands, and writes the answer down.
        pace: Says when to ask.
        tasks: Where pollers live: in the scope of one waiter, its end would be every other's.
        clock: Clock, pauses and jitter.
    """

    def __init__(
        self,
        ask: Callable[[Job], Awaitable[Job]],
        pace: Schedules,
        tasks: TaskGroup,
        clock: Clock,
    ) -> None:
        self._ask = ask
        self._pace = pace
        self._tasks = tasks
        self._clock = clock
        self._pollers: dict[str, Poller] = {}

    def last(self, request_id: str) -> Observed | None:
        """Give what was last seen of a job that somebody waits for, None where nobody does."""
        poller = self._pollers.get(request_id)
        return poller.last if poller else None

    @contextmanager
    def joined(
        self, known: Observed
    ) -> Generator[tuple[Poller, MemoryObjectReceiveStream[Observed]], None, None]:
        """Wait for a job with all others who do; the stream ends when there is nothing to come.

        Args:
            known: What the waiter knows of the job; what others have seen of it since comes first.
        """
        request_id = known.job.request_id or ""
        poller = self._pollers.get(request_id)
        if poller is None:
            poller = Poller(known, self._ask, self._pace, self._clock)
            self._pollers[request_id] = poller
            self._tasks.start_soon(self._run, request_id, poller)
        send, receive = anyio.create_memory_object_stream[Observed](inf)
        poller.waiters.add(send)
        send.send_nowait(poller.last)
        try:
            with send, receive:
                yield poller, receive
        finally:
            poller.waiters.discard(send)
            if not poller.waiters:
                poller.scope.cancel()
                self._forget(request_id, poller)

    async def _run(self, request_id: str, poller: Poller) -> None:
        await poller.run()
        self._forget(request_id, poller)

    def _forget(self, request_id: str, poller: Poller) -> None:
        if self._pollers.get(request_id) is poller:
            del self._pollers[request_id]


class Waiter:
    """Waits for jobs.

    Args:
        asker: Asks about jobs.
        pollers: Ask again and again, once for all who wait.
        records: What is known of jobs.
    """

    def __init__(self, asker: RemoteJobs, pollers: Pollers, records: JobTracker) -> None:
        self._asker = asker
        self._pollers = pollers
        self._records = records
        self._waits: set[anyio.CancelScope] = set()
        self._ending = False

    async def follow(
        self, job: Job, deadline: float, watch: Watcher, *, stale_reason: str | None = None
    ) -> tuple[Job, str | None]:
        """Wait until a job has ended or the deadline has come; faults are waited out.

        Args:
            job: A job with a request_id.
            deadline: When to stop, on the event loop's clock, in seconds.
            watch: Who is told of every answer.
            stale_reason: Why the last question was not answered, None where it was.

        Returns:
            The job as last seen, and why it may have moved on since, None where it is fresh.
        """
        known = Observed(job=job, stale_reason=stale_reason)
        with self._pollers.joined(known) as (poller, observations):
            with self._wait(deadline):
                async for seen in observations:
                    job, stale_reason = seen.job, seen.stale_reason
                    await watch(job, seen.usual_seconds)
            if poller.asking:
                stale_reason = NOT_ANSWERED
        with anyio.move_on_after(LAST_LOOK_SECONDS):
            # Another call, in this process or not, may have seen the end of it.
            stored = await self._records.current(job)
            job = stored if stored.status.final else job
        return job, None if job.status.final else stale_reason

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
