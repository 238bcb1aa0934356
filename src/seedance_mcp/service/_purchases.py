"""The one sequence that spends money; nothing else in this package does.

    1. the owner         without a token, nothing can be bought
    2. a repeated call   gets the job of the earlier call, and nothing is bought
    3. preflight         refuses files that the model will not take
    4. the price         is estimated for the limits; unknown, a daily limit refuses the job
    5. the ledger        refuses a job over a limit, else the job is on disk from here on
    6. the paid request  is sent once, in a task that outlives the call

Whatever stops the sequence before step 6 costs nothing.
"""

from uuid import uuid4

import anyio

from seedance_mcp.jobs.job import Job
from seedance_mcp.models.model import JSONObject

from ._parts import Parts
from ._submissions import Submission
from .reports import JobReport

PREFLIGHT_TIMEOUT_SECONDS = 18.0
"""How long the preflight of a call that does not wait may take, so that the call stays below 60."""

SUBMIT_RESERVE_SECONDS = 2.0
"""What the preflight leaves of a call's budget for the submit."""


async def purchase(
    parts: Parts, arguments: JSONObject, *, wait_seconds: float, deadline: float, force_new: bool
) -> tuple[JobReport, Submission | None]:
    """Buy a clip, or find the job of an identical earlier call.

    Args:
        parts: The service.
        arguments: The model's arguments, checked and completed.
        wait_seconds: The budget of the whole call; 0 for one that does not wait.
        deadline: When it is used up, on the event loop's clock, in seconds.
        force_new: Whether to buy a clip even if an identical call has begun one.

    Returns:
        The job, and its paid request if that is under way in this process.

    Raises:
        SeedanceError: Nothing was bought, and why.
    """
    owner = await parts.tracker.owner()
    if not force_new and (repeated := await _find_repeated(parts, arguments, owner)):
        return repeated
    checked = await parts.preflight.check(arguments, timeout=_preflight_timeout(wait_seconds))
    limits = await parts.prices.limits(parts.limits, deadline)
    new = parts.prices.with_estimate(_new_job(parts, checked.arguments, owner))
    job, submission = new, None
    # A cancelled call must not come between the ledger and the paid request.
    with anyio.CancelScope(shield=True):
        job = await parts.store.begin(
            new, force_new=force_new, delivered_ids=parts.answered.job_ids, limits=limits
        )
        if job.id == new.id:
            submission = parts.submissions.submit(job)
    if job.id == new.id:
        return JobReport(job=job, warnings=checked.warnings), submission
    report = JobReport(job=job, reused=True, warnings=checked.warnings)
    return report, parts.submissions.find(job)


async def _find_repeated(
    parts: Parts, arguments: JSONObject, owner: str
) -> tuple[JobReport, Submission | None] | None:
    """Find the job of an identical call, even if its images are no longer there.

    A local image is recorded as the data that is sent, so it is compared after the preflight.
    """
    job = await parts.store.find_reusable(
        _new_job(parts, arguments, owner), delivered_ids=parts.answered.job_ids
    )
    return (JobReport(job=job, reused=True), parts.submissions.find(job)) if job else None


def _new_job(parts: Parts, arguments: JSONObject, owner: str) -> Job:
    return Job(
        id=uuid4().hex,
        model_id=parts.model.model_id,
        arguments=arguments,
        owner=owner,
        created_at=parts.clock.now(),
    )


def _preflight_timeout(wait_seconds: float) -> float:
    """Return how long the preflight may take, in seconds."""
    if not wait_seconds:
        return PREFLIGHT_TIMEOUT_SECONDS
    return max(wait_seconds / 2, wait_seconds - SUBMIT_RESERVE_SECONDS)
