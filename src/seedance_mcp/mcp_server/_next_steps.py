"""What the model should do next: one imperative sentence for every state of a job."""

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.jobs.uris import ClipFrame
from seedance_mcp.service.reports import JobListing, JobReport
from seedance_mcp.spending.pricing import format_usd


def after_status(report: JobReport, *, is_followed: bool = False) -> str:
    """Return what to do about a job; `is_followed` says whether the player in the chat does it."""
    job, stale_reason = report.job, report.stale_reason
    request = f"request_id {job.request_id}"
    if job.outputs.videos:
        return _with_video(report)
    match job.status:
        case Status.SUBMITTING:
            return (
                "Repeat the call that began it, with the same arguments: it keeps waiting for this"
                " request and buys nothing new."
            )
        case Status.UNKNOWN:
            return _after_unknown(job)
        case Status.IN_QUEUE | Status.IN_PROGRESS if is_followed:
            return (
                "Say that the clip will appear in the player in the chat, which follows the job: do"
                " not poll it and do not call generate_video again; when the user asks about it, or"
                f" the clip is needed, call get_result with {request}."
            )
        case Status.IN_QUEUE | Status.IN_PROGRESS if stale_reason:
            return (
                f"{stale_reason.rstrip('.')}, so this may be out of date: call check_status with"
                f" {request} again, and do not call generate_video again."
            )
        case Status.IN_QUEUE | Status.IN_PROGRESS:
            return f"Call check_status with {request}; do not call generate_video again."
        case Status.COMPLETED:
            return _without_video(job)
        case Status.FAILED:
            return (
                "Tell the user why it failed; change the input if that was the cause, before"
                " another attempt."
            )
        case Status.CANCELLED:
            return "The job has ended; call generate_video to make another clip."


def after_dry_run(report: JobReport) -> str:
    """Return how to buy the clip that was checked."""
    job = report.job
    if not report.reused:
        # Some clients show the model little more than this.
        cost = job.estimated_microdollars
        price = "" if cost is None else f", estimated at {format_usd(cost)} USD"
        return (
            f"Nothing was bought: to buy this clip{price}, repeat the call with the same arguments,"
            " without dry_run."
        )
    name = f"request_id {job.request_id}" if job.request_id else "its request_id is not known yet"
    return (
        f"Repeat the call without dry_run: it buys nothing and gets back the {job.status.value} job"
        f" of an identical earlier call ({name}); force_new true buys another clip."
    )


def _after_unknown(job: Job) -> str:
    if job.request_id:
        return (
            "RunComfy answered this request with an error and yet named it, so it may charge for"
            f" it: call check_status with request_id {job.request_id}, in ten seconds again, to"
            " learn whether it runs; do not call generate_video again."
        )
    return (
        "RunComfy may have accepted this request and may charge for it; it was not sent again. Ask"
        " the user to check the requests in their RunComfy account, and set force_new only if they"
        " agree to pay for another clip."
    )


def _with_video(report: JobReport) -> str:
    job = report.job
    if not report.can_save:
        return (
            f"Give the user the video URL, which may expire; get_result with request_id"
            f" {job.request_id} reads what it cost."
        )
    download = f"get_result with request_id {job.request_id} and download true"
    if report.download_progress:
        return (
            f"It is being downloaded ({report.download_progress}): call {download} to wait for it."
        )
    if all(job.saved):
        return (
            "Tell the user where the video was saved; get_result with request_id"
            f" {job.request_id} reads what it cost."
        )
    return f"Call {download}: it saves the video, whose URL may expire, and reads what it cost."


def _without_video(job: Job) -> str:
    return (
        "RunComfy says that the job is done, but lists no video: call get_result with request_id"
        f" {job.request_id} again later, and ask the user to look for the clip in their RunComfy"
        " account. It is paid for, so do not call generate_video again for it."
    )


def after_result(report: JobReport) -> str:
    """Return what to do about a result."""
    job, stale_reason = report.job, report.stale_reason
    if not job.outputs.videos:
        return after_status(report)
    download = f"get_result with request_id {job.request_id} and download true"
    if report.download_progress:
        return f"It is not complete yet ({report.download_progress}): call {download} to continue."
    if report.download_error:
        return f"Give the user the video URL, or call {download} to try again."
    if report.can_save and all(job.saved):
        return "Tell the user where the video was saved."
    if stale_reason:
        return (
            f"{stale_reason.rstrip('.')}, so this is what was stored when the job ended: check"
            " whether the video URL still works."
        )
    save = f", or call {download} to save it" if report.can_save else ""
    return f"Give the user the video URL, which may expire{save}."


def how_to_continue(report: JobReport) -> str:
    """Return how another clip goes on from a result's, "" or a sentence with a space before it."""
    job = report.job
    if not job.outputs.videos or report.download_progress or report.download_error:
        return ""
    frame = ClipFrame(request_id=job.request_id or "", which="last")
    return f" To continue it, pass {frame.uri} as an image."


def after_cancel(job: Job) -> str:
    """Return what to do after an attempt to cancel."""
    if job.status is Status.CANCELLED:
        return "The job will not run; call generate_video to make another clip."
    if job.status is Status.UNKNOWN:
        return after_status(JobReport(job=job))
    if job.status.final:
        return f"The job had already ended; call get_result with request_id {job.request_id}."
    if job.status is Status.IN_QUEUE:
        return (
            "RunComfy did not cancel the job, so it will run and be charged; call check_status"
            f" with request_id {job.request_id}."
        )
    return (
        "The job is already running, so it cannot be stopped and will be charged; call"
        f" check_status with request_id {job.request_id}."
    )


def after_list(listing: JobListing) -> str:
    """Return how to find a clip again."""
    jobs, caution = listing.page.jobs, _list_caution(listing)
    if listing.page.unreadable and not jobs:
        return (
            f"{caution}No other jobs match; ask the user to look for the clips in their RunComfy"
            " account before another is bought."
        )
    if not jobs:
        return f"{caution}No jobs match; call generate_video to make a clip."
    if any(job.request_id and not job.status.final for job in jobs):
        return f"{caution}Call check_status with the request_id of a job that has not ended."
    if any(job.request_id for job in jobs):
        return f"{caution}Call get_result with the request_id of the clip you want."
    return caution + after_status(JobReport(job=jobs[0]))


def _list_caution(listing: JobListing) -> str:
    """Return what a list leaves out or may have wrong, "" or sentences with a space at the end."""
    caution = ""
    if damaged := listing.page.unreadable:
        rows = "1 row" if len(damaged) == 1 else f"{len(damaged)} rows"
        caution += f"Damaged in the ledger and left out here: {rows} ({', '.join(damaged)}). "
    if unknown := listing.spent.unknown:
        which = "1 job" if unknown == 1 else f"{unknown} jobs"
        caution += f"spent_24h_usd leaves out {which} whose cost is unknown. "
    if listing.stale:
        caution += (
            f"RunComfy did not answer for {listing.stale} of these, which may be out of date. "
        )
    if listing.other_token:
        were = "was" if listing.other_token == 1 else "were"
        caution += (
            f"{listing.other_token} of the open ones {were} begun with another RunComfy token, and"
            " may be unknown to the account of this one. "
        )
    return caution
