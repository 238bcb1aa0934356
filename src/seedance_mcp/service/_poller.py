"""One poller a job, however many callers wait for it.

The first caller starts it, the last one to leave stops it, and all of them get the same reports.
Pollers share nothing but the connections and the throttle of the RunComfy client.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from seedance_mcp.clock import Clock
from seedance_mcp.errors import (
    JobNotFound,
    RateLimited,
    Rejection,
    RunComfyError,
    TokenRejected,
)
from seedance_mcp.jobs.job import Job
from seedance_mcp.polling.schedule import FIRST_SECONDS, job_timing

from ._schedules import Schedules
from .reports import JobReport

logger = logging.getLogger(__name__)

UNATTENDED_FACTOR = 1.5
UNATTENDED_AGE_DIVISOR = 20.0
UNATTENDED_SECONDS = 3.0
"""While no call waits, a pause is so much longer, and at least the job's age divided by this.

A client that polls its task at the interval that it was told so comes first, and makes the polls
here needless. At least, a pause takes these seconds for each job that is polled: RunComfy may limit
requests, and purchases come first.
"""

MOST_POLLS_PER_SECOND = 100.0
"""How often this process polls, all jobs together: more would take the processor from the calls.

Up to 400 jobs are so polled as often as their schedules say.
"""


@dataclass(eq=False, repr=False)
class Poller:
    """Polls one job for all who wait for it.

    Attributes:
        last: The last report; at first, what the first caller knows. The job has a request id.
        streams: Where reports go, one a caller.
        calls: How many of the callers are calls; the other one follows the job in the background.
        call_joined: Set when a call joins.
        polling: Whether RunComfy has been asked and has not answered yet.
        scope: Cancels it.
    """

    last: JobReport
    _poll: Callable[[Job], Awaitable[Job]]
    # Returns what others have learned of a job since a time, None if a poll is needed.
    _known_since: Callable[[Job, datetime], Awaitable[Job | None]]
    # Returns how many jobs this process polls.
    _polled_jobs: Callable[[], int]
    _schedules: Schedules
    _clock: Clock
    streams: set[MemoryObjectSendStream[JobReport]] = field(
        default_factory=set[MemoryObjectSendStream[JobReport]], init=False
    )
    calls: int = field(default=0, init=False)
    call_joined: anyio.Event = field(default_factory=anyio.Event, init=False)
    polling: bool = field(default=False, init=False)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope, init=False)
    # How long RunComfy wants to be left alone.
    _retry_after: float = field(default=0.0, init=False)
    _positions: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]], init=False)

    async def run(self) -> None:
        """Poll until the job has ended, RunComfy refuses to answer, or all callers have left."""
        try:
            with self.scope:
                await self._run()
        except Exception:
            # It runs beside paid requests, which a bug in a poller must not take down.
            logger.exception("The poller of %s broke", self.last.job.request_id)
        finally:
            for stream in self.streams:
                stream.close()

    async def _run(self) -> None:
        schedule = await self._schedules.of(self.last.job)
        over, first = self.last.job.status.final, True
        while not over:
            seen = job_timing(self.last.job, self._clock.now(), until_start=self._until_start())
            pause = max(self._retry_after, schedule.pause(seen, self._clock.random))
            pause = min(pause, FIRST_SECONDS) if first and not self.calls else pause
            pause = max(pause, self._polled_jobs() / MOST_POLLS_PER_SECOND)
            known = None
            if self.calls:
                await self._clock.sleep(pause)
            else:
                aged = 0.0 if first else seen.elapsed / UNATTENDED_AGE_DIVISOR
                shared = UNATTENDED_SECONDS * self._polled_jobs()
                known = await self._rest(max(pause * UNATTENDED_FACTOR, aged, shared))
            report, over = (known, known.job.status.final) if known else await self._ask()
            first = False
            self.last = replace(report, usual_seconds=schedule.usual_seconds)
            for stream in self.streams:
                stream.send_nowait(self.last)

    async def _ask(self) -> tuple[JobReport, bool]:
        """Poll the job, and return the report and whether it is the last one."""
        self._retry_after, self.polling = 0.0, True
        try:
            job = await self._poll(self.last.job)
        except RunComfyError as error:
            # The job is paid for and its id is known: a failed poll must not lose it.
            self._retry_after = error.retry_after or 0.0
            over = isinstance(error, Rejection) and not isinstance(error, RateLimited)
            gone = isinstance(error, JobNotFound | TokenRejected)
            return replace(self.last, stale_reason=error.message, out_of_reach=gone), over
        finally:
            self.polling = False
        # The ledger may know by now that the id is another job's.
        over = job.status.final or not job.request_id
        return replace(self.last, job=job, stale_reason=None, out_of_reach=False), over

    async def _rest(self, pause: float) -> JobReport | None:
        """Pause while no call waits, and return a report if there is no need to poll by then."""
        since, job = self._clock.now(), self.last.job
        self.call_joined = anyio.Event()
        with anyio.move_on_after(pause):
            await self.call_joined.wait()
            return self.last  # which is what the call has just learned
        known = await self._known_since(job, since)
        return known and replace(self.last, job=known, stale_reason=None)

    def _until_start(self) -> float | None:
        """Return the seconds until the job runs, estimated from its movement in the queue."""
        position = self.last.job.queue_position
        if position is None:
            self._positions.clear()
            return None
        now = anyio.current_time()
        self._positions.append((now, position))
        since, first = self._positions[0]
        return (now - since) * position / (first - position) if position < first else None
