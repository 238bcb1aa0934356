"""Following a job: ask where it stands, read what came of it, ask again until it ends."""

from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from math import inf
from typing import Protocol

import anyio

from .client import RunComfy
from .errors import JobNotFound, RateLimited, Refusal, RequestRefused, ServiceError
from .jobs import FINAL_OBSERVATIONS, Cancelled, Ended, Failed, Job, Observation, Status
from .polling import poll_delay
from .records import Records
from .surroundings import Surroundings

NOT_ANSWERED = "RunComfy has not answered yet."

LAST_LOOK_SECONDS = 0.1
"""How long a ledger that is locked may hold up an answer whose time has come."""

NO_OUTPUT_SECONDS = 300.0
"""How long a run that ended well may take to list its output."""

REFRESH_SECONDS = 10.0
REFRESH_JOBS = 20
REFRESH_AT_ONCE = 5
"""How long a list may take to be brought up to date, for how many jobs, how many side by side."""


class Watcher(Protocol):
    """Who is told of a job while a call waits for it."""

    async def __call__(self, job: Job) -> None:
        """Hear where the job stands now."""
        ...


class Follower:
    """Questions about jobs, whose answers are written down.

    Args:
        client: The Model API.
        records: Where answers are written down.
        surroundings: Clock, sleep and randomness.
    """

    def __init__(self, client: RunComfy, records: Records, surroundings: Surroundings) -> None:
        self._client = client
        self._records = records
        self._surroundings = surroundings
        self._waits: set[anyio.CancelScope] = set()
        self._ending = False
        self._ended_without_output: dict[str, float] = {}

    async def follow(
        self, job: Job, deadline: float, watch: Watcher, *, trouble: str | None = None
    ) -> tuple[Job, str | None]:
        """Ask until a job has ended or the deadline has come; faults are waited out.

        Args:
            job: A job with a request_id.
            deadline: When to stop, on the event loop's clock, in seconds.
            watch: Who is told of every answer.
            trouble: Why the last question was not answered, None where it was.

        Returns:
            The job as last seen, and why it may have moved on since, None where it is fresh.
        """
        pause = self._poll_delay(job)
        with self._wait(deadline):
            while not job.status.final:
                await self._surroundings.sleep(pause)
                trouble = NOT_ANSWERED
                pause = self._poll_delay(job)
                try:
                    job, trouble = await self.ask(job), None
                except ServiceError as error:
                    # The job is paid for and its id known: no fault of a poll may lose it.
                    trouble = error.message
                    pause = max(pause, error.retry_after or 0.0)
                    if isinstance(error, Refusal) and not isinstance(error, RateLimited):
                        break
                await watch(job)
        with anyio.move_on_after(LAST_LOOK_SECONDS):
            # Another call, in this process or not, may have seen the end of it.
            stored = await self._records.current(job)
            job = stored if stored.status.final else job
        return job, None if job.status.final else trouble

    async def refresh(self, jobs: Collection[Job]) -> set[str]:
        """Ask about jobs that have not ended, side by side, bounded in number and time.

        Returns:
            Our ids of those that were not answered, and may have moved on.
        """
        unanswered = {job.id for job in jobs}
        limiter = anyio.CapacityLimiter(REFRESH_AT_ONCE)

        async def ask(job: Job) -> None:
            async with limiter:
                with suppress(ServiceError):
                    await self.ask(job)
                    unanswered.discard(job.id)

        with self._wait(anyio.current_time() + REFRESH_SECONDS):
            async with anyio.create_task_group() as tasks:
                for job in jobs:
                    tasks.start_soon(ask, job)
        return unanswered

    def end_waits(self) -> None:
        """Let every call that follows a job, now or later, answer with what is known."""
        self._ending = True
        for scope in self._waits:
            scope.cancel()

    async def ask(self, job: Job) -> Job:
        """Ask where a job stands; when its run ended, read at once what came of it.

        Raises:
            ServiceError: The service does not know the job, or gave no usable answer.
        """
        request_id = job.request_id or ""
        seen = await self._client.status(request_id)
        if isinstance(seen, Ended):
            seen = self._settled(request_id, await self._read(request_id, seen.how))
        return await self._records.observe(job, seen)

    async def _read(self, request_id: str, how: Status) -> Observation:
        """Read the result of a run that ended; it alone says whether the clip exists."""
        # A job that failed or was cancelled need not have a result of its own.
        otherwise = {Status.FAILED: Failed(error="no reason given"), Status.CANCELLED: Cancelled()}
        try:
            seen = await self._client.result(request_id)
        except (JobNotFound, RequestRefused):
            if how not in otherwise:
                raise
            return otherwise[how]
        return seen if isinstance(seen, FINAL_OBSERVATIONS) else otherwise.get(how, seen)

    def _settled(self, request_id: str, seen: Observation) -> Observation:
        """Give up on a run that ended well and lists no output, after some time."""
        if not isinstance(seen, Ended):
            self._ended_without_output.pop(request_id, None)
            return seen
        # Not by the wall clock, which may jump: a clip that is only late must not be given up.
        now = anyio.current_time()
        if now - self._ended_without_output.setdefault(request_id, now) < NO_OUTPUT_SECONDS:
            return seen
        return Failed(error="RunComfy says that the job succeeded, and lists no output")

    @contextmanager
    def _wait(self, deadline: float) -> Generator[None, None, None]:
        with anyio.CancelScope(deadline=-inf if self._ending else deadline) as scope:
            self._waits.add(scope)
            try:
                yield
            finally:
                self._waits.discard(scope)

    def _poll_delay(self, job: Job) -> float:
        elapsed = job.elapsed_seconds(self._surroundings.clock())
        return poll_delay(elapsed, self._surroundings.random)
