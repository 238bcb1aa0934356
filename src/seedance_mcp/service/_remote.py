"""Asking about jobs: where one stands, what came of it when its run ended, whether it can stop."""

from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager, suppress

import anyio

from seedance_mcp.errors import (
    JobNotFound,
    RateLimited,
    RequestRejected,
    RunComfyError,
    RunComfyUnavailable,
)
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import (
    FINAL_OBSERVATIONS,
    Cancelled,
    Ended,
    Failed,
    Observation,
    Running,
    Status,
)
from seedance_mcp.runcomfy.client import RunComfyClient

from ._tracking import JobTracker

NOT_ANSWERED = "RunComfy has not answered yet."

ASK_SECONDS = 20.0
"""How long a call that does not wait may take to ask the service once, retries included."""

NO_OUTPUT_SECONDS = 300.0
"""How long a run that ended well may take to list its output."""

REFRESH_SECONDS = 10.0
REFRESH_JOBS = 20
REFRESH_AT_ONCE = 5
"""How long a list may take to be brought up to date, for how many jobs, how many side by side."""


class RemoteJobs:
    """Questions about jobs, whose answers are written down.

    Args:
        client: The Model API.
        records: Where answers are written down.
    """

    def __init__(self, client: RunComfyClient, records: JobTracker) -> None:
        self._client = client
        self._records = records
        self._ended_without_output: dict[str, float] = {}

    async def ask(self, job: Job) -> Job:
        """Ask where a job stands; when its run ended, read at once what came of it.

        Raises:
            RunComfyError: The service does not know the job, or gave no usable answer.
        """
        request_id = job.request_id or ""
        seen = await self._client.status(request_id)
        if isinstance(seen, Ended):
            seen = self._settled(request_id, await self._read(request_id, seen.how))
        return await self._records.observe(job, seen)

    async def job(self, request_id: str) -> Job:
        """Give a job as the ledger has it, or take it up."""
        return await self._records.find(request_id) or self._records.elsewhere(request_id)

    async def asked(self, request_id: str, seconds: float) -> tuple[Job, str | None]:
        """Ask once about a job; where a known one gets no answer, give it as last known.

        Args:
            request_id: The service's id; the job may have been begun elsewhere.
            seconds: How long that may take.

        Returns:
            The job, and why it may have moved on since, None where it is fresh.

        Raises:
            RunComfyError: The service does not know the job, or nothing is known of it here and
                the service did not answer.
        """
        job = await self.job(request_id)
        if job.status.final:
            return job, None
        try:
            with patience(seconds):
                return await self.ask(job), None
        except (RunComfyUnavailable, RateLimited) as error:
            # By now another call may know more of it.
            known = await self._records.find(request_id)
            if known is None:
                raise
            return known, None if known.status.final else error.message

    async def result(self, request_id: str) -> tuple[Job, str | None]:
        """Read what came of a job; one that ended is known even where the service forgot it.

        Returns:
            As `asked` does.

        Raises:
            RunComfyError: As for `asked`.
        """
        deadline = anyio.current_time() + ASK_SECONDS
        try:
            with patience(ASK_SECONDS):
                seen = await self._client.result(request_id)
        except RunComfyError as error:
            known = await self._records.find(request_id)
            if known is None or not known.status.final:
                raise
            return known, error.message
        if not isinstance(seen, FINAL_OBSERVATIONS):
            return await self.asked(request_id, deadline - anyio.current_time())
        return await self._records.observe(await self.job(request_id), seen), None

    async def cancel(self, request_id: str) -> Job:
        """Have a job cancelled that is still queued; another one goes on, and is given as it is.

        Raises:
            RunComfyError: The service refused, or gave no usable answer.
        """
        job = await self.job(request_id)
        if job.status.final:
            return job
        deadline = anyio.current_time() + ASK_SECONDS
        with patience(ASK_SECONDS):
            cancelled = await self._client.cancel(request_id)
        if cancelled:
            return await self._records.observe(job, Cancelled())
        try:
            job, _ = await self.asked(request_id, deadline - anyio.current_time())
        except RunComfyError:
            # Only a job that runs, or ran, is not cancellable (page).
            job = await self._records.observe(job, Running())
        return job

    async def refresh(self, jobs: Collection[Job], answered: Callable[[str], None]) -> None:
        """Ask about jobs that have not ended, some side by side.

        Args:
            jobs: The jobs.
            answered: Hears our id of every job about which there was an answer.
        """
        limiter = anyio.CapacityLimiter(REFRESH_AT_ONCE)

        async def ask(job: Job) -> None:
            async with limiter:
                with suppress(RunComfyError):
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
        except (JobNotFound, RequestRejected):
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
def patience(seconds: float) -> Generator[None, None, None]:
    """Give up after so many seconds, as if the service had not answered.

    Raises:
        RunComfyUnavailable: The time is up.
    """
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError as error:
        raise RunComfyUnavailable(NOT_ANSWERED) from error
