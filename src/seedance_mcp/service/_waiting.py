"""Waiting for jobs on behalf of callers, until they end or the caller's time is up."""

from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from math import inf

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream

from seedance_mcp.clock import Clock
from seedance_mcp.errors import SeedanceError
from seedance_mcp.jobs.job import Job
from seedance_mcp.observability.observer import Observer

from ._poller import Poller
from ._remote import NOT_ANSWERED, RemoteJobs
from ._schedules import Schedules
from ._tracking import JobTracker
from .reports import JobReport, WatchJob

REFRESH_TIMEOUT_SECONDS = 10.0
"""How long refreshing a list of jobs may take."""

MOST_PARALLEL_POLLS = 5
"""How many jobs of a list are polled side by side."""

LEDGER_TIMEOUT_SECONDS = 0.1
"""How long a locked ledger may delay an answer whose time is up."""


@dataclass(eq=False, repr=False)
class Waiter:
    """Waits for jobs, each of which has at most one poller."""

    _remote: RemoteJobs
    _tracker: JobTracker
    _schedules: Schedules
    # Runs the pollers: in the scope of one caller, its end would be every other's.
    _tasks: TaskGroup
    _clock: Clock
    _observer: Observer = field(default_factory=Observer)
    # Those of this process, whosever jobs they poll.
    _all_pollers: set[Poller] = field(default_factory=set[Poller])
    _pollers: dict[str, Poller] = field(default_factory=dict[str, Poller], init=False)
    _waits: set[anyio.CancelScope] = field(default_factory=set[anyio.CancelScope], init=False)
    _ending: bool = field(default=False, init=False)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for a job or polls one."""
        return not (self._waits or self._pollers)

    async def wait(
        self, report: JobReport, deadline: float, watch: WatchJob, *, is_call: bool = True
    ) -> JobReport:
        """Wait until a job has ended or the deadline has passed; failed polls are repeated.

        Args:
            report: A job with a request id.
            deadline: When to stop, on the event loop's clock, in seconds.
            watch: Called with every new report; the last one is returned.
            is_call: Whether a call waits; else the job is only followed in the background.
        """
        with self._join(report, is_call=is_call) as (poller, reports):
            with self._until(deadline):
                async for seen in reports:
                    report = replace(
                        report,
                        job=seen.job,
                        stale_reason=seen.stale_reason,
                        out_of_reach=seen.out_of_reach,
                    )
                    await watch(seen)
            if poller.polling:
                report = replace(report, stale_reason=NOT_ANSWERED)
        with anyio.move_on_after(LEDGER_TIMEOUT_SECONDS):
            # Another call, perhaps in another process, may have seen the end.
            stored = await self._tracker.current(report.job)
            if stored.status.final:
                report = replace(report, job=stored)
        return replace(report, stale_reason=None) if report.job.status.final else report

    def last(self, request_id: str) -> JobReport | None:
        """Return the last report of a job that another call waits for, None if none does."""
        poller = self._pollers.get(request_id)
        return poller.last if poller and poller.calls else None

    async def refresh(self, jobs: Collection[Job]) -> set[str]:
        """Poll jobs once each, some side by side, for a limited time.

        Returns:
            Our ids of those without an answer, which may be stale.
        """
        unanswered = {job.id for job in jobs}
        limiter = anyio.CapacityLimiter(MOST_PARALLEL_POLLS)

        async def poll(job: Job) -> None:
            async with limiter:
                with suppress(SeedanceError):
                    await self._remote.poll(job)
                    unanswered.discard(job.id)

        with self._until(anyio.current_time() + REFRESH_TIMEOUT_SECONDS):
            async with anyio.create_task_group() as tasks:
                for job in jobs:
                    tasks.start_soon(poll, job)
        return unanswered

    def shut_down(self) -> None:
        """Let every call that waits, now or later, answer with what is known."""
        self._ending = True
        for scope in self._waits:
            scope.cancel()

    @contextmanager
    def _until(self, deadline: float) -> Generator[None, None, None]:
        with anyio.CancelScope(deadline=-inf if self._ending else deadline) as scope:
            self._waits.add(scope)
            try:
                yield
            finally:
                self._waits.discard(scope)

    @contextmanager
    def _join(
        self, report: JobReport, *, is_call: bool
    ) -> Generator[tuple[Poller, MemoryObjectReceiveStream[JobReport]], None, None]:
        """Yield a job's poller and a stream of its reports, which ends with the polling."""
        request_id = report.job.request_id or ""
        poller = self._pollers.get(request_id) or self._start_poller(request_id, report)
        if is_call and not poller.calls:
            # The call has just polled, or read the ledger, and knows no less.
            poller.last = replace(poller.last, job=report.job, stale_reason=report.stale_reason)
            poller.call_joined.set()
        poller.calls += is_call
        self._observer.waits_changed(+is_call)
        send, receive = anyio.create_memory_object_stream[JobReport](inf)
        poller.streams.add(send)
        # What others have seen comes first: this caller may know an older state.
        send.send_nowait(poller.last)
        try:
            with send, receive:
                yield poller, receive
        finally:
            poller.streams.discard(send)
            poller.calls -= is_call
            self._observer.waits_changed(-is_call)
            if not poller.streams:
                poller.scope.cancel()
                self._forget(request_id, poller)

    def _start_poller(self, request_id: str, report: JobReport) -> Poller:
        # Warnings and reuse belong to the caller alone.
        known = JobReport(job=report.job, stale_reason=report.stale_reason)
        poller = Poller(
            known,
            self._remote.poll,
            self._tracker.known_since,
            self._all_pollers.__len__,
            self._schedules,
            self._clock,
        )
        self._pollers[request_id] = poller
        self._all_pollers.add(poller)
        self._tasks.start_soon(self._run, request_id, poller)
        return poller

    async def _run(self, request_id: str, poller: Poller) -> None:
        await poller.run()
        self._forget(request_id, poller)

    def _forget(self, request_id: str, poller: Poller) -> None:
        self._all_pollers.discard(poller)
        # Another caller may have started a new poller of the same job by now.
        if self._pollers.get(request_id) is poller:
            del self._pollers[request_id]
