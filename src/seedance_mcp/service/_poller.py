"""One poller a job, however many callers wait for it.

The first caller starts it, the last one to leave stops it, and all of them get the same reports.
Pollers share nothing but the connections and the throttle of the RunComfy client.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from seedance_mcp.clock import Clock
from seedance_mcp.errors import RateLimited, Rejection, RunComfyError
from seedance_mcp.jobs.job import Job
from seedance_mcp.polling.schedule import job_timing

from ._schedules import Schedules
from .reports import JobReport

logger = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)
class Poller:
    """Polls one job for all who wait for it.

    Attributes:
        last: The last report; at first, what the first caller knows. The job has a request id.
        streams: Where reports go, one a caller.
        polling: Whether RunComfy has been asked and has not answered yet.
        scope: Cancels it.
    """

    last: JobReport
    _poll: Callable[[Job], Awaitable[Job]]
    _schedules: Schedules
    _clock: Clock
    streams: set[MemoryObjectSendStream[JobReport]] = field(
        default_factory=set[MemoryObjectSendStream[JobReport]], init=False
    )
    polling: bool = field(default=False, init=False)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope, init=False)
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
        retry_after, over = 0.0, self.last.job.status.final
        while not over:
            seen = job_timing(self.last.job, self._clock.now(), until_start=self._until_start())
            pause = schedule.pause(seen, self._clock.random)
            await self._clock.sleep(max(retry_after, pause))
            self.polling = True
            try:
                job = await self._poll(self.last.job)
            except RunComfyError as error:
                # The job is paid for and its id is known: a failed poll must not lose it.
                report = replace(self.last, stale_reason=error.message)
                retry_after = error.retry_after or 0.0
                over = isinstance(error, Rejection) and not isinstance(error, RateLimited)
            else:
                report = replace(self.last, job=job, stale_reason=None)
                # The ledger may know by now that the id is another job's.
                retry_after, over = 0.0, job.status.final or not job.request_id
            finally:
                self.polling = False
            self.last = replace(report, usual_seconds=schedule.usual_seconds)
            for stream in self.streams:
                stream.send_nowait(self.last)

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
