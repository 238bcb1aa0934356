"""Progress notifications of one call: at every change, and at least every 5 seconds."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.service.reports import Counted, JobReport

HEARTBEAT_SECONDS = 4.0
"""The pause between notifications; a second less than promised, for a busy machine."""

Notify = Callable[[float, float | None, str | None], Awaitable[None]]
"""Sends the progress, the total if known, and a message to the client."""


class JobProgress:
    """The notifications of one call; `progress` is the job's age in seconds, strictly increasing.

    There is no `total`, since RunComfy gives no percentage. `preflight` names what the call does
    before there is a job, if that takes time.
    """

    def __init__(self, notify: Notify, clock: Clock, preflight: str | None) -> None:
        self._notify = notify
        self._clock = clock
        self._preflight = preflight
        self._began = clock.now()
        self._job: Job | None = None
        self._usual_seconds: float | None = None
        self._last = -1.0

    async def __call__(self, report: JobReport) -> None:
        """Notify if the job's status or queue position has changed."""
        before, self._job = self._job, report.job
        self._usual_seconds = report.usual_seconds or self._usual_seconds
        if before is None or (before.status, before.queue_position) != (
            report.job.status,
            report.job.queue_position,
        ):
            await self.beat()

    @asynccontextmanager
    async def during(self, preflight: str) -> AsyncGenerator[None, None]:
        """Notify of something else that the call does before there is a job."""
        before, self._preflight = self._preflight, preflight
        try:
            await self.beat()
            yield
        finally:
            self._preflight = before

    async def beat(self) -> None:
        """Notify of where the job stands, or of the preflight before there is one."""
        now = self._clock.now()
        if self._job is not None:
            elapsed = self._job.elapsed_seconds(now)
            message = describe(self._job, elapsed, self._usual_seconds)
        elif self._preflight is not None:
            elapsed = (now - self._began).total_seconds()
            message = f"{self._preflight}, {elapsed:.0f} s"
        else:
            return
        # MCP requires each value to exceed the last, even when the clock has not moved.
        self._last = round(max(elapsed, self._last + 0.001), 3)
        await self._notify(self._last, None, message)


class CountedProgress:
    """The notifications of a call that downloads or joins: what is counted, strictly increasing.

    `before` is what it does until something is counted, and `done` what was done then.
    """

    def __init__(self, notify: Notify, *, before: str, done: str = "") -> None:
        self._notify = notify
        self._before = before
        self._done = done
        self._progress: Counted | None = None
        self._last = -1.0

    async def __call__(self, progress: Counted) -> None:
        """Notify if the progress has changed."""
        before, self._progress = self._progress, progress
        if progress != before:
            await self.beat()

    async def beat(self) -> None:
        """Notify of the progress."""
        progress = self._progress
        size, total = (progress.size, progress.total) if progress else (0, None)
        # While nothing is counted, it increases by a thousandth.
        self._last = round(max(size, self._last + 0.001), 3)
        message = f"{self._done}{progress}" if progress else self._before
        await self._notify(self._last, total, message)


def describe(job: Job, elapsed_seconds: float, usual_seconds: float | None) -> str:
    """Return where a job stands in a few words, for a person.

    `usual_seconds` is how long such a job usually takes in all; None while unknown.
    """
    position = f", position {job.queue_position}" if job.queue_position is not None else ""
    words = f"{job.status.value.replace('_', ' ')}{position}, {elapsed_seconds:.0f} s"
    if usual_seconds is None or job.status.final:
        return words
    left = usual_seconds - elapsed_seconds
    rest = f"about {left:.0f} s left" if left >= 1 else "longer than usual"
    return f"{words}; usually {usual_seconds:.0f} s, {rest}"


@asynccontextmanager
async def reported(
    notify: Notify, clock: Clock, *, preflight: str | None = None
) -> AsyncGenerator[JobProgress, None]:
    """Notify of the progress of a job for as long as the context lasts."""
    progress = JobProgress(notify, clock, preflight)
    async with heartbeat(progress.beat, clock):
        yield progress


@asynccontextmanager
async def heartbeat(
    beat: Callable[[], Awaitable[None]], clock: Clock
) -> AsyncGenerator[None, None]:
    """Call `beat` at least every 5 seconds for as long as the context lasts."""

    async def run() -> None:
        while True:
            await clock.sleep(HEARTBEAT_SECONDS)
            await beat()

    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again outside of the group
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        # Raised inside, the task group would wrap it in an exception group.
        raise failure
