"""One poller a job, however many callers wait for it.

The first caller starts it, the last one to leave stops it, and all of them get the same reports.
Pollers share nothing but the connections and the throttle of the RunComfy client.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.errors import RateLimited, Rejection, RunComfyError
from seedance_mcp.jobs.job import Job
from seedance_mcp.polling.schedule import job_timing

from ._schedules import Schedules
from .reports import JobReport

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectSendStream

logger = logging.getLogger(__name__)


class Poller:
    """Polls one job for all who wait for it.

    Args:
        report: What its first caller knows about the job, which has a request id.
        poll: Asks RunComfy where the job stands, and records the answer.
        schedules: When to poll.
        clock: The time, pauses and jitter.
    """

    def __init__(
        self,
        report: JobReport,
        poll: Callable[[Job], Awaitable[Job]],
        schedules: Schedules,
        clock: Clock,
    ) -> None:
        self.streams: set[MemoryObjectSendStream[JobReport]] = set()
        self.last = report
        self.polling = False
        self.scope = anyio.CancelScope()
        self._poll = poll
        self._schedules = schedules
        self._clock = clock
        self._positions: list[tuple[float, int]] = []

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
            report, retry_after, over = await self._poll_once(self.last)
            self.last = replace(report, usual_seconds=schedule.usual_seconds)
            for stream in self.streams:
                stream.send_nowait(self.last)

    async def _poll_once(self, report: JobReport) -> tuple[JobReport, float, bool]:
        """Poll once.

        Returns:
            The new report, the least pause before the next poll in seconds, and whether this was
            the last poll.
        """
        self.polling = True
        try:
            job = await self._poll(report.job)
        except RunComfyError as error:
            # The job is paid for and its id is known: a failed poll must not lose it.
            over = isinstance(error, Rejection) and not isinstance(error, RateLimited)
            return replace(report, stale_reason=error.message), error.retry_after or 0.0, over
        finally:
            self.polling = False
        return replace(report, job=job, stale_reason=None), 0.0, job.status.final

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
