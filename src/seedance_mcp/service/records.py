"""Jobs as people read them, and what was spent, from the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger.store import Store
from seedance_mcp.models.model import Model
from seedance_mcp.spending.limits import MAX_AHEAD
from seedance_mcp.spending.pricing import is_estimate, known_cost, to_usd, total_cost


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """A job as the ledger has it.

    Attributes:
        id: Its request_id, or our own id where RunComfy's is unknown.
        model: The model's short name, or its id where it has none here; "" if unknown.
        seconds: The length of its clip; None if unknown.
        usd: What it costs as totals count it; None if unknown.
        estimated: Whether that is an estimate.
    """

    id: str
    job: Job
    model: str
    seconds: float | None
    usd: float | None
    estimated: bool

    def facts(self) -> dict[str, Any]:
        """Return what is known, as JSON."""
        job = self.job
        estimate = job.estimated_microdollars
        return {
            "id": self.id,
            "request_id": job.request_id,
            "status": job.status.value,
            "model_id": job.model_id,
            "prompt": str(job.arguments.get("prompt", "")),
            "seconds": self.seconds,
            "created_at": job.created_at.isoformat(timespec="seconds"),
            "started_at": _iso(job.started_at),
            "finished_at": _iso(job.finished_at),
            "cost_usd": job.cost_usd,
            "estimated_cost_usd": None if estimate is None else to_usd(estimate),
            "videos": list(job.outputs.videos),
            "images": list(job.outputs.images),
            "saved_to": [path for path in job.saved_to if path],
            "error": job.error,
        }


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What the jobs of a time cost that were begun here, but for cancelled ones.

    Attributes:
        usd: The sum of what is known and of estimates.
        jobs: How many jobs.
        estimated: How many of them count with an estimate.
        unknown: How many of them have an unknown cost, which the sum leaves out.
    """

    usd: float
    jobs: int
    estimated: int
    unknown: int


async def read_spent(ledger: Store, owner: str, clock: Clock) -> tuple[Spent, Spent]:
    """Return what was spent today and this month, in local time."""
    today, month = [
        await _spent_since(ledger, owner, start, clock) for start in _starts(clock.now())
    ]
    return today, month


def record_of(job: Job, models: Mapping[str, Model]) -> JobRecord:
    """Return a job as people read it."""
    model = models.get(job.model_id or "")
    argument = model.pricing.get("seconds", "duration") if model else "duration"
    seconds = job.arguments.get(argument)
    counts = job.status is not Status.CANCELLED or bool(job.cost_usd)
    cost = known_cost(job, {}) if counts else 0
    return JobRecord(
        id=job.request_id or job.id,
        job=job,
        model=model.short_name if model else job.model_id or "",
        seconds=seconds if type(seconds) in {int, float} else None,
        usd=None if cost is None else to_usd(cost),
        estimated=is_estimate(job, cost),
    )


async def _spent_since(ledger: Store, owner: str, start: datetime, clock: Clock) -> Spent:
    # The ledger leaves a bound itself out.
    since, until = start - timedelta(microseconds=1), clock.now() + MAX_AHEAD
    total = total_cost(await ledger.costs(owner, since=since, until=until))
    return Spent(
        usd=to_usd(total.microdollars),
        jobs=total.jobs,
        estimated=total.estimated,
        unknown=total.unknown,
    )


def _starts(now: datetime) -> list[datetime]:
    """Return when the day and the month began in local time."""
    # Without the offset, which may have been another one then.
    here = now.astimezone().replace(tzinfo=None)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
    return [midnight.astimezone(), midnight.replace(day=1).astimezone()]


def _iso(time: datetime | None) -> str | None:
    return time and time.isoformat(timespec="seconds")
