"""Jobs as RunComfy sees them: their status, their results, and cancelling them."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from seedance_mcp.bounded import BoundedDict
from seedance_mcp.errors import (
    JobNotFound,
    RateLimited,
    RequestRejected,
    RunComfyError,
    RunComfyUnavailable,
    UnreadableAnswer,
)
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import (
    FINAL_OBSERVATIONS,
    Cancelled,
    Ended,
    Failed,
    Observation,
    Outputs,
    Running,
    Status,
    Succeeded,
)
from seedance_mcp.observability.spans import STATUS, job_step
from seedance_mcp.runcomfy.client import RunComfyClient

from ._tracking import JobTracker
from .reports import JobReport

NOT_ANSWERED = "RunComfy has not answered yet."

REMOTE_TIMEOUT_SECONDS = 20.0
"""How long a call that does not wait may take to ask RunComfy, retries included."""

OUTPUT_TIMEOUT_SECONDS = 300.0
"""How long a run that ended may take to list its video, or to say that it has none."""

NOT_ACCEPTED_SECONDS = 10.0
"""How long RunComfy must not know a request whose outcome is unknown until it counts as refused."""

MOST_WAITED_FOR = 10_000
"""How many requests it is kept of since when they are missing, or without a result."""

MOST_FAILED_CANCELS = 1000
"""How many jobs that could not be cancelled are remembered."""

NOT_ACCEPTED = "RunComfy does not know this request, so it did not run and nothing was charged."


@dataclass(eq=False, repr=False)
class RemoteJobs:
    """Asks RunComfy about jobs, and records the answers."""

    _client: RunComfyClient
    _tracker: JobTracker
    # When a request was first seen to be missing, or without a result.
    _since: BoundedDict[tuple[str | None, str], float] = field(
        default_factory=lambda: BoundedDict[tuple[str | None, str], float](MOST_WAITED_FOR),
        init=False,
    )
    # Why cancelling failed, by request id; "" if RunComfy refused.
    _failed_cancels: BoundedDict[str, str] = field(
        default_factory=lambda: BoundedDict[str, str](MOST_FAILED_CANCELS), init=False
    )

    async def poll(self, job: Job) -> Job:
        """Return where a job stands; when its run has ended, with its result.

        Raises:
            RunComfyError: RunComfy does not know the job, or gave no usable answer.
        """
        with job_step("poll", job.request_id, job.model_id) as step:
            job = await self._poll(job)
            step.set_attribute(STATUS, job.status)
            return job

    async def _poll(self, job: Job) -> Job:
        request_id = job.request_id or ""
        try:
            seen = await self._client.status(request_id)
        except JobNotFound:
            # It may only not be known yet.
            if job.status is not Status.UNKNOWN:
                raise
            # Of a request that another token began, no answer proves anything.
            own = await self._tracker.is_of_token(job)
            if not (own and self._lasts(job, "missing", NOT_ACCEPTED_SECONDS)):
                return job
            seen = Cancelled(why=NOT_ACCEPTED)
        else:
            self._since.pop((job.request_id, "missing"), None)
        if isinstance(seen, Ended):
            seen = await self._result_of(job, seen.how)
        else:
            self._since.pop((job.request_id, "without result"), None)
        return await self._tracker.observe(job, seen)

    async def status(self, request_id: str, timeout: float) -> JobReport:
        """Return where a job stands now, or as last known if RunComfy does not answer in time.

        Raises:
            RunComfyError: RunComfy does not know the job, or did not answer and the ledger does
                not know it either.
        """
        job = await self._find(request_id)
        if job.status.final:
            return JobReport(job=job)
        try:
            with _unavailable_after(timeout):
                return JobReport(job=await self.poll(job))
        except (RunComfyUnavailable, RateLimited) as error:
            # Another call may have learned more in the meantime.
            known = await self._tracker.find(request_id)
            if known is None:
                raise
            return JobReport(job=known, stale_reason=None if known.status.final else error.message)

    async def result(self, request_id: str, timeout: float) -> JobReport:
        """Return a job with its result, from the ledger if RunComfy has forgotten it."""
        deadline = anyio.current_time() + timeout
        if self._tracker.shares_token:
            # RunComfy would tell of other callers' jobs.
            await self._tracker.find(request_id)
        try:
            with _unavailable_after(timeout):
                seen = await self._client.result(request_id)
        except RunComfyError as error:
            job = await self._find(request_id)
            if isinstance(error, JobNotFound) and job.status is Status.UNKNOWN:
                return await self.status(request_id, deadline - anyio.current_time())
            if not job.status.final:
                raise
            return JobReport(job=job, stale_reason=error.message)
        job = await self._find(request_id)
        if isinstance(seen, Ended) and job.status is Status.COMPLETED:
            seen = seen.listed or seen
        if not isinstance(seen, FINAL_OBSERVATIONS):
            return await self.status(request_id, deadline - anyio.current_time())
        return JobReport(job=await self._tracker.observe(job, seen))

    async def cancel(self, request_id: str) -> Job:
        """Cancel a job that is queued, and return it; one that runs is returned as it is."""
        try:
            job = await self._cancel(request_id)
        except RunComfyError as error:
            self._failed_cancels[request_id] = error.message
            raise
        if job.status is not Status.CANCELLED:
            self._failed_cancels[request_id] = ""
        return job

    def cancel_failure(self, job: Job) -> str | None:
        """Return why this process could not cancel a job, "" if RunComfy refused.

        A client may tell its model that a job is stopped whatever it was answered.
        """
        return self._failed_cancels.get(job.request_id or "")

    async def _cancel(self, request_id: str) -> Job:
        job = await self._find(request_id)
        if job.status.final:
            return job
        deadline = anyio.current_time() + REMOTE_TIMEOUT_SECONDS
        with _unavailable_after(REMOTE_TIMEOUT_SECONDS):
            cancelled = await self._client.cancel(request_id)
        if cancelled:
            return await self._tracker.observe(job, Cancelled())
        try:
            return (await self.status(request_id, deadline - anyio.current_time())).job
        except RunComfyError:
            # Only a job that runs, or ran, is not cancellable (page).
            return await self._tracker.observe(job, Running())

    async def _find(self, request_id: str) -> Job:
        return await self._tracker.find(request_id) or self._tracker.adopt(request_id)

    async def _result_of(self, job: Job, how: Status) -> Observation:
        """Read the result of a run that ended, which alone says whether there is a clip."""
        failures = {Status.FAILED: Failed(), Status.CANCELLED: Cancelled()}
        try:
            seen = await self._client.result(job.request_id or "")
        except (JobNotFound, RequestRejected):
            # A job that failed or was cancelled may have no result of its own.
            if how not in failures:
                raise
            return failures[how]
        except UnreadableAnswer:
            if not self._lasts(job, "without result", OUTPUT_TIMEOUT_SECONDS):
                raise
            seen = Running()
        if isinstance(seen, FINAL_OBSERVATIONS):
            return seen
        if not self._lasts(job, "without result", OUTPUT_TIMEOUT_SECONDS):
            return seen
        if isinstance(seen, Ended):
            # The run is done, whatever it lists: calling it failed would have it bought again.
            return seen.listed or seen
        return failures.get(how, Succeeded(outputs=Outputs()))

    def _lasts(self, job: Job, what: str, seconds: float) -> bool:
        """Return whether a job that is still so was first seen so some seconds ago."""
        # Not the wall clock, which may jump: a clip that is only late must not be given up.
        now = anyio.current_time()
        return now - self._since.setdefault((job.request_id, what), now) >= seconds


@contextmanager
def _unavailable_after(timeout: float) -> Generator[None, None, None]:
    """Time out after some seconds, as if RunComfy had not answered."""
    try:
        with anyio.fail_after(timeout):
            yield
    except TimeoutError as error:
        raise RunComfyUnavailable(NOT_ANSWERED) from error
