"""What the tools answer: every fact both as a structure and as text, and what to do next.

MCP clients show the model either the structure or the text, and never both, so neither may hold
less than the other. The text is made from the structure; nulls stay out of it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.models.model import JSONObject
from seedance_mcp.service.reports import JobListing, JobReport
from seedance_mcp.spending.pricing import dollars
from seedance_mcp.text import one_line

from ._next_steps import after_cancel, after_list, after_result, after_status

StatusWord = Literal[
    "submitting", "unknown", "in_queue", "in_progress", "completed", "failed", "cancelled"
]


# Left out where it is not known, and so a plain number: every byte of `tools/list` counts.
_Estimate = Annotated[
    float | None, Field(exclude_if=lambda usd: usd is None), WithJsonSchema({"type": "number"})
]
_Path = Annotated[
    str | None, Field(exclude_if=lambda path: path is None), WithJsonSchema({"type": "string"})
]


class Answer(BaseModel):
    """An answer whose fields are the facts; `next_step` is the last one."""

    model_config = ConfigDict(frozen=True)
    # What stands on a line of its own, since it is long.
    long: ClassVar[tuple[str, ...]] = ("error", "warnings", "videos", "images", "next_step")

    def text(self) -> str:
        """Say every fact that is not null, the short ones on one line, `next_step` last."""
        facts = self.structure()
        short = {name: value for name, value in facts.items() if name not in self.long}
        lines = [_facts({name: facts[name]}) for name in self.long if _plain(facts.get(name))]
        return "\n".join([_facts(short), *lines])

    def structure(self) -> JSONObject:
        """Give the facts as JSON, nulls included."""
        return self.model_dump(mode="json")


class JobAnswer(Answer):
    """Where a job stands; one call may wait for it, and another may take it up again."""

    request_id: str | None
    model_id: str | None
    status: StatusWord
    queue_position: int | None
    elapsed_seconds: float
    video_url: str | None
    error: str | None
    reused: bool
    warnings: list[str]
    estimated_cost_usd: _Estimate = None
    saved_to: _Path = None
    next_step: str


class ResultAnswer(Answer):
    """What came of a job."""

    request_id: str
    status: StatusWord
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
    status: StatusWord
    next_step: str


class ListedJob(BaseModel):
    """A job in a list; its `request_id` is null while it is not known."""

    request_id: str | None
    status: StatusWord
    prompt: str
    model_id: str | None
    created_at: str
    video_url: str | None
    saved_to: str | None


class JobListAnswer(Answer):
    """The newest jobs."""

    jobs: list[ListedJob]
    total: int
    next_step: str

    def text(self) -> str:
        """Say every fact that is not null, a job a line."""
        lines = [_facts(job) for job in self.structure()["jobs"]]
        return "\n".join([f"total: {self.total}", *lines, f"next_step: {self.next_step}"])


def job_answer(report: JobReport, *, elapsed_seconds: float) -> JobAnswer:
    """Answer where a job stands."""
    job = report.job
    estimate = job.estimated_microdollars
    return JobAnswer(
        request_id=job.request_id,
        model_id=job.model_id,
        status=job.status.value,
        queue_position=job.queue_position,
        elapsed_seconds=round(elapsed_seconds, 1),
        video_url=next(iter(job.outputs.videos), None),
        error=job.error,
        reused=report.reused,
        warnings=[*report.warnings, *filter(None, [report.download_error])],
        estimated_cost_usd=None if estimate is None else dollars(estimate),
        saved_to=_paths(job),
        next_step=after_status(report),
    )


def result_answer(report: JobReport) -> ResultAnswer:
    """Answer what came of a job, or where it stands while nothing has."""
    job = report.job
    return ResultAnswer(
        request_id=job.request_id or "",
        status=job.status.value,
        videos=list(job.outputs.videos),
        images=list(job.outputs.images),
        cost_usd=job.cost_usd,
        created_at=job.created_at.isoformat(timespec="seconds"),
        finished_at=job.finished_at.isoformat(timespec="seconds") if job.finished_at else None,
        saved_to=_paths(job),
        error=report.download_error or job.error,
        next_step=after_result(report),
    )


def cancellation_answer(job: Job) -> CancellationAnswer:
    """Answer whether a job was cancelled."""
    return CancellationAnswer(
        request_id=job.request_id or "",
        outcome="cancelled" if job.status is Status.CANCELLED else "not_cancellable",
        status=job.status.value,
        next_step=after_cancel(job),
    )


def listing_answer(listing: JobListing) -> JobListAnswer:
    """Answer which jobs there are, the newest first."""
    page = listing.page
    return JobListAnswer(
        jobs=[_listed(job) for job in page.jobs],
        total=page.total,
        next_step=after_list(page.jobs, listing.stale),
    )


def _listed(job: Job) -> ListedJob:
    return ListedJob(
        request_id=job.request_id,
        status=job.status.value,
        prompt=one_line(str(job.arguments.get("prompt", "")), 80),
        model_id=job.model_id,
        created_at=job.created_at.isoformat(timespec="seconds"),
        video_url=next(iter(job.outputs.videos), None),
        saved_to=_paths(job),
    )


def _paths(job: Job) -> str | None:
    """Say where a job's files were saved."""
    return ", ".join(filter(None, job.saved_to)) or None


def output_schema(answer: type[BaseModel]) -> JSONObject:
    """Give an answer's JSON Schema, without the titles that a model has no use for."""
    schema = answer.model_json_schema(mode="serialization")
    plain = _plain_schema(schema, schema.get("$defs", {}))
    return {key: plain[key] for key in ("type", "properties", "required")}


def _plain_schema(part: Any, definitions: Mapping[str, Any]) -> Any:
    """Write references out, which several clients do not follow, and leave out what only tells."""
    if isinstance(part, list):
        return [_plain_schema(value, definitions) for value in cast("list[Any]", part)]
    if not isinstance(part, dict):
        return part
    fields = cast("dict[str, Any]", part)
    if "$ref" in fields:
        return _plain_schema(definitions[fields["$ref"].rsplit("/", 1)[-1]], definitions)
    named = {"title", "description", "default", "$defs"}
    return {k: _plain_schema(v, definitions) for k, v in fields.items() if k not in named}


def _facts(facts: JSONObject) -> str:
    """Write facts on one line, without those that are null or empty."""
    told = {name: _plain(value) for name, value in facts.items()}
    return "; ".join(f"{name}: {value}" for name, value in told.items() if value)


def _plain(value: Any) -> str:
    """Write a fact as text: nothing for null and for an empty list."""
    if isinstance(value, list):
        return ", ".join(cast("list[str]", value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
