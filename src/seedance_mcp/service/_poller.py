"""One poller a job, however many callers wait for it.

The first waiter starts it, the last one that leaves stops it, and every waiter is told the same
observations. Between pollers nothing is shared but the connections and the throttle, which are the
client's.
"""

import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from seedance_mcp.clock import Surroundings
from seedance_mcp.errors import RateLimited, Refusal, ServiceError
from seedance_mcp.jobs.job import Job

from ._schedules import Pace, sighting

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What a poll came to.

    Attributes:
        job: The job as last seen.
        trouble: Why it may have moved on since, in one line; None where it is fresh.
        usual_seconds: How long such a job usually takes; None while that is not known.
    """

    job: Job
    trouble: str | None = None
    usual_seconds: float | None = None


class Poller:
    """The questions about one job, asked for all who wait for it.

    Args:
        known: What its first waiter knows of the job, which has a request_id.
        ask: Asks where it stands, and writes the answer down.
        pace: Says when to ask.
        surroundings: Clock, pauses and jitter.
    """

    def __init__(
        self,
        known: Observed,
        ask: Callable[[Job], Awaitable[Job]],
        pace: Pace,
        surroundings: Surroundings,
    ) -> None:
        self.waiters: set[MemoryObjectSendStream[Observed]] = set()
        self.last = known
        self.asking = False
        self.scope = anyio.CancelScope()
        self._job = known.job
        self._ask = ask
        self._pace = pace
        self._surroundings = surroundings
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
            now = self._surroundings.clock()
            seen = sighting(self._job, now, until_start=self._until_start())
            planned = schedule.pause(seen, self._surroundings.random)
            await self._surroundings.sleep(max(pause, planned))
            trouble, pause, over = await self._asked()
            self.last = Observed(job=self._job, trouble=trouble, usual_seconds=usual_seconds)
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
        except ServiceError as error:
            # The job is paid for and its id known: no fault of a poll may lose it.
            over = isinstance(error, Refusal) and not isinstance(error, RateLimited)
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


class Pollers:
    """The pollers of a process.

    Args:
        ask: Asks where a job stands, and writes the answer down.
        pace: Says when to ask.
        tasks: Where pollers live: in the scope of one waiter, its end would be every other's.
        surroundings: Clock, pauses and jitter.
    """

    def __init__(
        self,
        ask: Callable[[Job], Awaitable[Job]],
        pace: Pace,
        tasks: TaskGroup,
        surroundings: Surroundings,
    ) -> None:
        self._ask = ask
        self._pace = pace
        self._tasks = tasks
        self._surroundings = surroundings
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
            poller = Poller(known, self._ask, self._pace, self._surroundings)
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
