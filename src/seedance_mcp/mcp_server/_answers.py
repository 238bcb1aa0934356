"""What the tools answer: the facts, and what to do next."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from seedance_mcp.jobs.job import Job
from seedance_mcp.service.reports import JobListing, JobReport
from seedance_mcp.spending.pricing import to_usd
from seedance_mcp.text import one_line, quoted

from ._facts import Answer, Number, OptionalPath, Word, WordOrChecked, as_line
from ._next_steps import (
    after_dry_run,
    after_list,
    after_result,
    after_status,
    how_to_continue,
)
from ._warnings import dry_run_warnings, warnings


class JobAnswer(Answer):
    """Where a job stands."""

    request_id: str | None
    model_id: str | None
    status: WordOrChecked
    queue_position: int | None
    elapsed_seconds: float
    video_url: str | None
    error: str | None
    reused: bool
    warnings: list[str]
    estimated_cost_usd: Number = None
    spent_24h_usd: Number = None
    saved_to: OptionalPath = None
    next_step: str


class ResultAnswer(Answer):
    """What a job made and cost."""

    request_id: str
    status: Word
    videos: list[str]
    images: list[str]
    cost_usd: float | None
    created_at: str
    finished_at: str | None
    saved_to: str | None
    error: str | None
    next_step: str


class CancellationAnswer(Answer):
    """Whether a job was cancelled."""

    request_id: str
    outcome: Literal["cancelled", "not_cancellable"]
    status: Word
    next_step: str


class JoinedAnswer(Answer):
    """The file that clips were joined to; without it, how far that is."""

    seconds: Number = None
    saved_to: OptionalPath = None
    next_step: str


class ListedJob(BaseModel):
    """A job in a list; its `request_id` is null while unknown."""

    request_id: str | None
    status: Word
    prompt: str
    model_id: str | None
    created_at: str
    video_url: str | None
    saved_to: str | None
    cost_usd: float | None


class JobListAnswer(Answer):
    """The newest jobs."""

    jobs: list[ListedJob]
    total: int
    spent_24h_usd: float
    next_step: str

    def text(self) -> str:
        """Return every fact that is not null, one job a line."""
        jobs = self.structure()["jobs"]
        # Else a prompt could be read as another fact, or as a next step.
        lines = [as_line(job | {"prompt": quoted(job["prompt"], 80)}) for job in jobs]
        counts = f"total: {self.total}; spent_24h_usd: {self.spent_24h_usd}"
        return "\n".join([counts, *lines, f"next_step: {self.next_step}"])


def job_answer(report: JobReport, now: datetime, *, is_followed: bool = False) -> JobAnswer:
    """Return the answer about where a job stands.

    `is_followed` says whether the player in the chat follows it.
    """
    job = report.job
    return JobAnswer(
        request_id=job.request_id,
        model_id=job.model_id,
        status=job.status,
        queue_position=job.queue_position,
        elapsed_seconds=round(job.elapsed_seconds(now), 1),
        video_url=next(iter(job.outputs.videos), None),
        error=job.error,
        reused=report.reused,
        warnings=warnings(report),
        estimated_cost_usd=_estimate(job),
        spent_24h_usd=_spent(report),
        saved_to=_paths(job),
        next_step=after_status(report, is_followed=is_followed),
    )


def dry_run_answer(report: JobReport) -> JobAnswer:
    """Return the answer about a job that a call would buy, or be given at no cost."""
    job = report.job
    cost = 0.0 if report.reused else _estimate(job)
    return JobAnswer(
        request_id=None,
        model_id=job.model_id,
        status="checked",
        queue_position=None,
        elapsed_seconds=0.0,
        video_url=None,
        error=None,
        reused=report.reused,
        warnings=dry_run_warnings(report),
        estimated_cost_usd=cost,
        spent_24h_usd=_spent(report),
        next_step=after_dry_run(report),
    )


def result_answer(report: JobReport, *, takes_images: bool) -> ResultAnswer:
    """Return the answer about what a job made and cost, or where it stands.

    `takes_images` says whether a clip can be continued by another.
    """
    job = report.job
    return ResultAnswer(
        request_id=job.request_id or "",
        status=job.status,
        videos=list(job.outputs.videos),
        images=list(job.outputs.images),
        cost_usd=job.cost_usd,
        created_at=job.created_at.isoformat(timespec="seconds"),
        finished_at=job.finished_at.isoformat(timespec="seconds") if job.finished_at else None,
        saved_to=_paths(job),
        error=report.download_error or job.error,
        next_step=after_result(report) + (how_to_continue(report) if takes_images else ""),
    )


def listing_answer(listing: JobListing) -> JobListAnswer:
    """Return the answer about the newest jobs."""
    page = listing.page
    return JobListAnswer(
        jobs=[_listed(job) for job in page.jobs],
        total=page.total,
        spent_24h_usd=to_usd(listing.spent.microdollars),
        next_step=after_list(listing),
    )


def _listed(job: Job) -> ListedJob:
    return ListedJob(
        request_id=job.request_id,
        status=job.status,
        prompt=one_line(str(job.arguments.get("prompt", "")), 80),
        model_id=job.model_id,
        created_at=job.created_at.isoformat(timespec="seconds"),
        video_url=next(iter(job.outputs.videos), None),
        saved_to=_paths(job),
        cost_usd=job.cost_usd,
    )


def _estimate(job: Job) -> float | None:
    estimate = job.estimated_microdollars
    return None if estimate is None else to_usd(estimate)


def _spent(report: JobReport) -> float | None:
    spent = report.spent
    # A sum that leaves jobs out would be taken for the whole.
    return to_usd(spent.microdollars) if spent and not spent.unknown else None


def _paths(job: Job) -> str | None:
    return ", ".join(filter(None, job.saved_to)) or None
