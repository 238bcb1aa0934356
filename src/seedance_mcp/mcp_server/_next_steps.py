"""What an agent should do next: one imperative sentence for every state of a job."""

from collections.abc import Sequence

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.service.reports import JobReport


def after_status(report: JobReport) -> str:
    """Say in one sentence what the agent should do about a job."""
    job, stale_reason = report.job, report.stale_reason
    request = f"request_id {job.request_id}"
    match job.status:
        case Status.SUBMITTING:
            return (
                "Call generate_video again with the same arguments: it goes on waiting for this"
                " request and buys nothing new."
            )
        case Status.UNKNOWN:
            return (
                "RunComfy may have accepted this request and may charge it, and it was not sent"
                " again: have the user look at the requests in their RunComfy account, and set"
                " force_new only to pay for another."
            )
        case Status.IN_QUEUE | Status.IN_PROGRESS if stale_reason:
            return (
                f"{stale_reason.rstrip('.')}, so this may be old: call check_status with {request}"
                " again, and do not call generate_video again."
            )
        case Status.IN_QUEUE | Status.IN_PROGRESS:
            return f"Call check_status with {request}; do not call generate_video again."
        case Status.COMPLETED:
            return _after_completion(report)
        case Status.FAILED:
            return "Tell the user why it failed, and change the input before another attempt."
        case Status.CANCELLED:
            return "Nothing more happens to this job; call generate_video to make another clip."


def _after_completion(report: JobReport) -> str:
    """Lead from a clip that is done to its file."""
    job = report.job
    save = f"get_result with request_id {job.request_id} and download true"
    made = "video" if job.outputs.videos else "image"
    if report.download_progress:
        return f"It is being saved ({report.download_progress}): call {save}, which waits for it."
    if all(job.saved):
        return (
            f"Tell the user where the {made} was saved; get_result with request_id"
            f" {job.request_id} tells what it cost."
        )
    return f"Call {save}: it saves the {made}, whose URL may expire, and tells what it cost."


def after_result(report: JobReport) -> str:
    """Say in one sentence what the agent should do about a result."""
    job, stale_reason = report.job, report.stale_reason
    if job.status is not Status.COMPLETED:
        return after_status(report)
    made = "video" if job.outputs.videos else "image"
    again = f"call get_result with request_id {job.request_id} and download true again"
    if report.download_progress:
        progress = report.download_progress
        return f"It is not all there yet ({progress}): {again}, which goes on from there."
    if report.download_error:
        return (
            f"Give the user the {made} URL; get_result with request_id {job.request_id} and"
            " download true tries again to save it."
        )
    if all(job.saved):
        return f"Tell the user where the {made} was saved."
    if stale_reason:
        return (
            f"{stale_reason.rstrip('.')}, so this is what was stored when the job ended: try"
            f" whether the {made} URL still works."
        )
    return (
        f"Give the user the {made} URL, which may expire; get_result with download true saves it."
    )


def after_cancel(job: Job) -> str:
    """Say in one sentence what follows from an attempt to cancel."""
    if job.status is Status.CANCELLED:
        return "The job will not run; call generate_video to make another clip."
    if job.status.final:
        return f"The job had ended before; call get_result with request_id {job.request_id}."
    if job.status is Status.IN_QUEUE:
        return (
            "RunComfy did not cancel the job, so it will run and be charged; call check_status"
            f" with request_id {job.request_id}."
        )
    return (
        "The job already runs, so it cannot be stopped and will be charged; call check_status"
        f" with request_id {job.request_id}."
    )


def after_list(jobs: Sequence[Job], stale: int) -> str:
    """Say in one sentence what an agent that finds its way back can do."""
    old = (
        f"RunComfy did not answer for {stale} of these, which may have moved on: " if stale else ""
    )
    if not jobs:
        return "There is no such job; call generate_video to make a clip."
    if any(job.request_id and not job.status.final for job in jobs):
        return f"{old}Call check_status with the request_id of one that has not ended."
    if any(job.request_id for job in jobs):
        return f"{old}Call get_result with the request_id of the one that is wanted."
    return after_status(JobReport(job=jobs[0]))
