"""One poller a job, however many callers wait for it.

The first waiter starts it, the last one that leaves stops it, and every waiter is told the same
observations. Between pollers nothing is shared but the connections and the throttle, which are the
client's.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.errors import RateLimited, Rejection, RunComfyError
from seedance_mcp.jobs.job import Job
from seedance_mcp.polling.schedule import sighting

from ._schedules import Schedules

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectSendStream

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What a poll came to.

    Attributes:
        job: The job as last seen.
        stale_reason: Why it may have moved on since, in one line; None where it is fresh.
        usual_seconds: How long such a job usually takes; None while that is not known.
    """

    job: Job
    stale_reason: str | None = None
    usual_seconds: float | None = None


class Poller:
    """The questions about one job, asked for all who wait for it.

    Args:
        known: What its first waiter knows of the job, which has a request_id.
        ask: Asks where it stands, and writes the answer down.
        pace: Says when to ask.
        clock: Clock, pauses and jitter.
    """

    def __init__(
        self,
        known: Observed,
        ask: Callable[[Job], Awaitable[Job]],
        pace: Schedules,
        clock: Clock,
    ) -> None:
        self.waiters: set[MemoryObjectSendStream[Observed]] = set()
        self.last = known
        self.asking = False
        self.scope = anyio.CancelScope()
        self._job = known.job
        self._ask = ask
        self._pace = pace
        self._clock = clock
        self._queue: list[tuple[float, int]] = []

    async def run(self) -> None:
        """Ask until the job has ended or the service refuses to tell, or nobody waits any more."""
        try:
            with self.scope:
                await self._poll()
        except Exception:
            # It lives beside paid requests, which no fault of a poll may take down.
            logger.exception("The poller of %s broke", self._job.request_id)
        finally:
            for waiter in self.waiters:
                waiter.close()

    async def _poll(self) -> None:
        schedule = await self._pace.schedule(self._job)
        usual_seconds = schedule.usual_seconds
        pause, over = 0.0, self._job.status.final
        while not over:
            now = self._clock.now()
            seen = sighting(self._job, now, until_start=self._until_start())
            planned = schedule.pause(seen, self._clock.random)
            await self._clock.sleep(max(pause, planned))
            stale_reason, pause, over = await self._asked()
            self.last = Observed(
                job=self._job, stale_reason=stale_reason, usual_seconds=usual_seconds
            )
            for waiter in self.waiters:
                waiter.send_nowait(self.last)

    async def _asked(self) -> tuple[str | None, float, bool]:
        """Ask once.

        Returns:
            Why there was no answer, the least pause before the next question in seconds, and
            whether there is none.
        """
        self.asking = True
        try:
            self._job = await self._ask(self._job)
        except RunComfyError as error:
            # The job is paid for and its id known: no fault of a poll may lose it.
            over = isinstance(error, Rejection) and not isinstance(error, RateLimited)
            return error.message, error.retry_after or 0.0, over
        finally:
            self.asking = False
        return None, 0.0, self._job.status.final

    def _until_start(self) -> float | None:
        """Tell from a job's movement in the queue when it will run."""
        position = self._job.queue_position
        if position is None:
            self._queue.clear()
            return None
        now = anyio.current_time()
        self._queue.append((now, position))
        since, first = self._queue[0]
        return (now - since) * position / (first - position) if position < first else None
