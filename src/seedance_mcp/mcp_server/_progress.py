"""Progress notifications of one call: at every change, and at least every 5 seconds."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.service.reports import DownloadProgress

# A second less than is promised, for a machine that is busy.
HEARTBEAT_SECONDS = 4.0


class Notify(Protocol):
    """Whoever carries a progress notification to the client."""

    def __call__(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> Awaitable[None]:
        """Send one notification."""
        ...


class Progress:
    """The notifications of one call; `progress` is the job's age and strictly increases.

    There is no `total`, since the service gives no percentage.

    Args:
        notify: Carries a notification to the client.
        clock: What time it is.
        at_first: What the call does before there is a job, None for nothing that takes time.
    """

    def __init__(self, notify: Notify, clock: Clock, at_first: str | None = None) -> None:
        self._notify = notify
        self._clock = clock
        self._at_first = at_first
        self._began = clock.now()
        self._job: Job | None = None
        self._usual_seconds: float | None = None
        self._last = -1.0

    async def __call__(self, job: Job, usual_seconds: float | None = None) -> None:
        """Hear where the job stands, and notify if that is news."""
        before, self._job = self._job, job
        self._usual_seconds = usual_seconds or self._usual_seconds
        news = before is None or (job.status, job.queue_position) != (
            before.status,
            before.queue_position,
        )
        if news:
            await self.beat()

    async def beat(self) -> None:
        """Notify of where the job stands, or of what is done before there is one."""
        now = self._clock.now()
        if self._job is not None:
            elapsed = self._job.elapsed_seconds(now)
            message = describe(self._job, elapsed, self._usual_seconds)
        elif self._at_first is not None:
            elapsed = (now - self._began).total_seconds()
            message = f"{self._at_first}, {elapsed:.0f} s"
        else:
            return
        self._last = round(max(elapsed, self._last + 0.001), 3)
        await self._notify(self._last, None, message)


class BytesProgress:
    """The notifications of a call that saves files: bytes so far, out of how many.

    `progress` strictly increases: where no byte has come since, by a thousandth of one.

    Args:
        notify: Carries a notification to the client.
    """

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._tally: DownloadProgress | None = None
        self._last = -1.0

    async def __call__(self, tally: DownloadProgress) -> None:
        """Hear how far it is, and notify if that is news."""
        before, self._tally = self._tally, tally
        if tally != before:
            await self.beat()

    async def beat(self) -> None:
        """Notify of how far it is; before that is known, RunComfy is asked where the files lie."""
        tally = self._tally or DownloadProgress()
        self._last = round(max(tally.size, self._last + 0.001), 3)
        message = f"saved {tally}" if self._tally else "asking RunComfy"
        await self._notify(self._last, tally.total, message)


def describe(job: Job, elapsed_seconds: float, usual_seconds: float | None = None) -> str:
    """Say where a job stands in a few words for a person.

    Args:
        job: The job.
        elapsed_seconds: How old it is.
        usual_seconds: How long such a job usually takes in all; None where that is not known.
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
    notify: Notify, clock: Clock, *, at_first: str | None = None
) -> AsyncGenerator[Progress, None]:
    """JobReport the progress of a call for as long as it runs."""
    progress = Progress(notify, clock, at_first)
    async with beating(progress.beat, clock):
        yield progress


@asynccontextmanager
async def beating(beat: Callable[[], Awaitable[None]], clock: Clock) -> AsyncGenerator[None, None]:
    """Beat at least every 5 seconds for as long as a call runs."""

    async def heartbeat() -> None:
        while True:
            await clock.sleep(HEARTBEAT_SECONDS)
            await beat()

    broken: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heartbeat)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again outside of the group
            broken = error
        tasks.cancel_scope.cancel()
    if broken is not None:
        # From within, the group would wrap the error of a call in a group of errors.
        raise broken
