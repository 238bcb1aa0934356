"""What the tools answer: every fact as structure and as text, and what to do next.

An MCP client shows the model either the structure or the text, so each holds every fact. The text
is made from the structure, without its nulls.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.models.model import JSONObject
from seedance_mcp.service.reports import JobListing, JobReport
from seedance_mcp.spending.pricing import to_usd
from seedance_mcp.text import one_line, quoted, valid

from ._next_steps import (
    after_dry_run,
    after_list,
    after_result,
    after_status,
    how_to_continue,
)
from ._warnings import dry_run_warnings, warnings

# A plain string in schemas: every byte of `tools/list` counts.
_Word = Annotated[Status, WithJsonSchema({"type": "string"})]
# A dry run's answer has a word of its own, which no job in the ledger has.
_WordOrChecked = Annotated[Status | Literal["checked"], WithJsonSchema({"type": "string"})]

# Left out if unknown, so that it is a plain number, for the same reason.
_Number = Annotated[
    float | None,
    Field(exclude_if=lambda number: number is None),
    WithJsonSchema({"type": "number"}),
]
_Path = Annotated[
    str | None, Field(exclude_if=lambda path: path is None), WithJsonSchema({"type": "string"})
]


class Answer(BaseModel):
    """An answer whose fields are the facts; `next_step` is the last one."""

    # Built at the first answer or listing, which the start does not wait for.
    model_config = ConfigDict(frozen=True, defer_build=True)
    # These are long, so each gets a line of its own.
    long: ClassVar[tuple[str, ...]] = ("error", "warnings", "videos", "images", "next_step")

    def text(self) -> str:
        """Return every fact that is not null, the short ones on one line, `next_step` last."""
        facts = self.structure()
        short = {name: value for name, value in facts.items() if name not in self.long}
        lines = [_facts({name: facts[name]}) for name in self.long if _plain(facts.get(name))]
        return "\n".join(filter(None, [_facts(short), *lines]))

    def structure(self) -> JSONObject:
        """Return the facts as JSON, nulls included."""
        facts: JSONObject = _valid(self.model_dump(mode="json"))
        return facts


class JobAnswer(Answer):
    """Where a job stands."""

    request_id: str | None
    model_id: str | None
    status: _WordOrChecked
    queue_position: int | None
    elapsed_seconds: float
    video_url: str | None
    error: str | None
    reused: bool
    warnings: list[str]
    estimated_cost_usd: _Number = None
    spent_24h_usd: _Number = None
    saved_to: _Path = None
    next_step: str


class ResultAnswer(Answer):
    """What a job made and cost."""

    request_id: str
    status: _Word
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
    status: _Word
    next_step: str


class JoinedAnswer(Answer):
    """The file that clips were joined to; without it, how far that is."""

    seconds: _Number = None
    saved_to: _Path = None
    next_step: str


class ListedJob(BaseModel):
    """A job in a list; its `request_id` is null while unknown."""

    request_id: str | None
    status: _Word
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
        lines = [_facts(job | {"prompt": quoted(job["prompt"], 80)}) for job in jobs]
        counts = f"total: {self.total}; spent_24h_usd: {self.spent_24h_usd}"
        return "\n".join([counts, *lines, f"next_step: {self.next_step}"])


def job_answer(report: JobReport, now: datetime) -> JobAnswer:
    """Return the answer about where a job stands."""
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
        next_step=after_status(report),
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


def _valid(value: Any) -> Any:
    """Return JSON that can be sent; a path need not be UTF-8."""
    if isinstance(value, dict):
        return {name: _valid(fact) for name, fact in cast("JSONObject", value).items()}
    if isinstance(value, list):
        return [_valid(fact) for fact in cast("list[Any]", value)]
    return valid(value) if isinstance(value, str) else value


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


def _facts(facts: JSONObject) -> str:
    texts = {name: _plain(value) for name, value in facts.items()}
    return "; ".join(f"{name}: {text}" for name, text in texts.items() if text)


def _plain(value: Any) -> str:
    """Return a fact as text, empty for null and for an empty list."""
    if isinstance(value, list):
        return ", ".join(cast("list[str]", value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
