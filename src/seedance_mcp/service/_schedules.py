"""When to poll each kind of job, learned from the jobs in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio

from seedance_mcp.bounded import BoundedDict
from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger.store import Store
from seedance_mcp.models.model import Model
from seedance_mcp.polling.durations import Durations
from seedance_mcp.polling.schedule import DEFAULT_SCHEDULE, Schedule

MOST_SAMPLES = 100
"""How many of the newest completed jobs are read from the ledger."""

REFRESH_AFTER = timedelta(minutes=1)
"""How long a schedule is used before the ledger is read again."""

MOST_KINDS = 64
"""How many kinds of jobs have a schedule in memory."""


@dataclass(eq=False, repr=False)
class Schedules:
    """The polling schedule of each kind of job; a kind is a model with its settings."""

    _store: Store
    # By id; a model says which of its arguments are settings.
    _models: Mapping[str, Model]
    _clock: Clock
    _learned: BoundedDict[str, tuple[datetime, Schedule]] = field(
        default_factory=lambda: BoundedDict[str, tuple[datetime, Schedule]](MOST_KINDS), init=False
    )
    # One call reads the ledger for all that come meanwhile.
    _learning: anyio.Lock = field(default_factory=anyio.Lock, init=False)

    async def of(self, job: Job) -> Schedule:
        """Return when to poll a job, learned from how long its kind took before."""
        kind = self._kind(job)
        if kind is None:
            return DEFAULT_SCHEDULE
        async with self._learning:
            at, schedule = self._learned.get(kind, (None, None))
            if at is None or schedule is None or not at <= self._clock.now() < at + REFRESH_AFTER:
                schedule = await self._learn(job, kind)
                self._learned[kind] = self._clock.now(), schedule
        return schedule

    async def _learn(self, job: Job, kind: str) -> Schedule:
        try:
            page = await self._store.recent(
                job.owner, statuses=[Status.COMPLETED], limit=MOST_SAMPLES
            )
        except LedgerError:
            return DEFAULT_SCHEDULE
        alike = [other for other in page.jobs if other.timely and self._kind(other) == kind]
        return Schedule(
            runs=Durations([seconds for other in alike if (seconds := other.run_seconds)]),
            totals=Durations([other.elapsed_seconds(self._clock.now()) for other in alike]),
        )

    def _kind(self, job: Job) -> str | None:
        """Return the name of a job's kind; None for a job of an unknown model."""
        model = self._models.get(job.model_id or "")
        if model is None:
            return None
        settings = [(name, job.arguments.get(name)) for name in model.settings]
        return f"{model.model_id} {settings}"
