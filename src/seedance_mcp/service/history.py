"""The ledger for a person: what was bought, what it cost, and where the clips are.

Reading it needs no token, changes nothing, and asks RunComfy for nothing.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from seedance_mcp.clock import Clock
from seedance_mcp.errors import InputError
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger.sqlite.snapshot import LedgerSnapshot
from seedance_mcp.ledger.store import Event
from seedance_mcp.models.model import Model
from seedance_mcp.settings import Settings
from seedance_mcp.spending.limits import MAX_AHEAD
from seedance_mcp.spending.pricing import is_estimate, known_cost, to_usd, total_cost
from seedance_mcp.text import quoted, valid

from .added_models import load_known_models

MOST_NAMED_IDS = 3
"""How many ids that begin alike are named."""


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


@dataclass(frozen=True, kw_only=True)
class History:
    """The newest jobs, and what was spent.

    Attributes:
        total: How many jobs there are in all.
        unreadable: The names of damaged rows.
        today: What was spent since midnight, local time.
        month: What was spent since the first of the month.
    """

    records: Sequence[JobRecord]
    total: int
    unreadable: Sequence[str]
    today: Spent
    month: Spent


async def read_history(
    settings: Settings, clock: Clock, *, status: str | None = None, limit: int
) -> History:
    """Return the newest jobs with a status, or with any, and what was spent.

    Raises:
        InputError: The status is unknown.
        LedgerError: The ledger cannot be read.
    """
    if status is not None and status not in list(Status):
        allowed = ", ".join(Status)
        raise InputError("--status", f"--status must be one of {allowed}; got {quoted(status)}.")
    statuses = [Status(status)] if status else []
    with closing(_ledger(settings, clock)) as ledger:
        page = await ledger.recent(settings.base_url, statuses=statuses, limit=limit)
        today, month = [await _spent(ledger, start, clock) for start in _starts(clock.now())]
    models, _ = load_known_models(settings.state_dir)
    return History(
        records=[_record(job, models) for job in page.jobs],
        total=page.total,
        unreadable=page.unreadable,
        today=today,
        month=month,
    )


async def read_job(
    settings: Settings, clock: Clock, name: str
) -> tuple[JobRecord, Sequence[Event]]:
    """Return a job with its events, by its id or the beginning of its id.

    Raises:
        InputError: The ledger has no such job, or several.
        LedgerError: The ledger cannot be read.
    """
    with closing(_ledger(settings, clock)) as ledger:
        # Bytes that are not UTF-8 come from the command line as halves of surrogate pairs.
        jobs = await ledger.look_up(valid(name), settings.base_url)
        if len(jobs) != 1:
            raise InputError("ID", _not_one(name, [job.request_id or job.id for job in jobs]))
        events = await ledger.events(jobs[0])
    return _record(jobs[0], load_known_models(settings.state_dir)[0]), events


def _not_one(name: str, ids: Sequence[str]) -> str:
    if not ids:
        return f"No job in the ledger has the id {quoted(name)}: seedance-mcp jobs lists them."
    more = ", …" if len(ids) > MOST_NAMED_IDS else ""
    named = ", ".join(ids[:MOST_NAMED_IDS])
    return f"{len(ids)} jobs in the ledger have an id that begins so: {named}{more}."


def _ledger(settings: Settings, clock: Clock) -> LedgerSnapshot:
    return LedgerSnapshot(settings.state_dir, clock, origin=settings.base_url)


async def _spent(ledger: LedgerSnapshot, start: datetime, clock: Clock) -> Spent:
    # The ledger leaves a bound itself out.
    since, until = start - timedelta(microseconds=1), clock.now() + MAX_AHEAD
    total = total_cost(await ledger.costs(ledger.origin, since=since, until=until))
    return Spent(
        usd=to_usd(total.microdollars),
        jobs=total.jobs,
        estimated=total.estimated,
        unknown=total.unknown,
    )


def _record(job: Job, models: Mapping[str, Model]) -> JobRecord:
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


def _starts(now: datetime) -> list[datetime]:
    """Return when the day and the month began in local time."""
    # Without the offset, which may have been another one then.
    here = now.astimezone().replace(tzinfo=None)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
    return [midnight.astimezone(), midnight.replace(day=1).astimezone()]


def _iso(time: datetime | None) -> str | None:
    return time and time.isoformat(timespec="seconds")
