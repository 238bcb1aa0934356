"""Asking about jobs: where one stands, and, when its run ended, what came of it."""

from collections.abc import Callable, Collection
from contextlib import suppress

import anyio

from .client import RunComfy
from .errors import JobNotFound, RequestRefused, ServiceError
from .jobs import Job
from .observations import FINAL_OBSERVATIONS, Cancelled, Ended, Failed, Observation, Status
from .records import Records

NO_OUTPUT_SECONDS = 300.0
"""How long a run that ended well may take to list its output."""

REFRESH_SECONDS = 10.0
REFRESH_JOBS = 20
REFRESH_AT_ONCE = 5
"""How long a list may take to be brought up to date, for how many jobs, how many side by side."""


class Asker:
    """Questions about jobs, whose answers are written down.

    Args:
        client: The Model API.
        records: Where answers are written down.
    """

    def __init__(self, client: RunComfy, records: Records) -> None:
        self._client = client
        self._records = records
        self._ended_without_output: dict[str, float] = {}

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

    async def refresh(self, jobs: Collection[Job], answered: Callable[[str], None]) -> None:
        """Ask about jobs that have not ended, some side by side.

        Args:
            jobs: The jobs.
            answered: Hears our id of every job about which there was an answer.
        """
        limiter = anyio.CapacityLimiter(REFRESH_AT_ONCE)

        async def ask(job: Job) -> None:
            async with limiter:
                with suppress(ServiceError):
                    await self.ask(job)
                    answered(job.id)

        async with anyio.create_task_group() as tasks:
            for job in jobs:
                tasks.start_soon(ask, job)

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
