"""What a caller should know about a job besides where it stands."""

from seedance_mcp.jobs.status import Status
from seedance_mcp.service.reports import JobReport

_PRICE_UNKNOWN = (
    "The cost is unknown: RunComfy's catalogue has no usable price for this model, or has not"
    " answered."
)

_REUSED = "This is the job of an earlier identical call; force_new true buys another clip."


def warnings(report: JobReport) -> list[str]:
    """Return what a caller should know about a job besides where it stands, one line each."""
    reused = _REUSED if report.reused else None
    lines = (reused, _not_cancelled(report), *report.warnings, report.download_error)
    return list(filter(None, lines))


def dry_run_warnings(report: JobReport) -> list[str]:
    """Return what a caller should know about a job that was checked, and not bought."""
    unknown = not report.reused and report.job.estimated_microdollars is None
    return [*report.warnings, *([_PRICE_UNKNOWN] if unknown else [])]


def _not_cancelled(report: JobReport) -> str | None:
    """Return that a job goes on, or went on, although a client may have said that it stopped."""
    status, failure = report.job.status, report.cancel_failure
    if failure is None or status in {Status.CANCELLED, Status.UNKNOWN}:
        return None
    if status.final:
        return "The job ended before it could be cancelled."
    if failure:
        why = failure.rstrip(".")
        return f"Cancelling the clip failed ({why}), so it may still run and be charged."
    return "The clip could not be cancelled and still runs; it will be charged."
