"""How fast jobs of each kind go, as the ledger remembers it, and so when to ask about one."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger.store import Store
from seedance_mcp.models.model import Model
from seedance_mcp.polling.durations import Durations
from seedance_mcp.polling.schedule import NOTHING_LEARNED, Schedule

REMEMBERED_JOBS = 100
"""Of how many jobs that ended last the ledger is asked."""
FRESH = timedelta(minutes=1)
"""How long what was learned is used before the ledger is asked again."""


class Schedules:
    """The schedules of all kinds of jobs: a kind is a model with its settings.

    Args:
        store: The ledger.
        models: The models by id; which of their arguments are settings is theirs to say.
        clock: The clock.
    """

    def __init__(self, store: Store, models: Mapping[str, Model], clock: Clock) -> None:
        self._store = store
        self._models = models
        self._clock = clock
        self._learned: dict[str, tuple[datetime, Schedule]] = {}

    async def schedule(self, job: Job) -> Schedule:
        """Give when to ask about a job, after what jobs of its kind took before."""
        kind = self._kind(job)
        if kind is None:
            return NOTHING_LEARNED
        at, schedule = self._learned.get(kind, (None, None))
        if at is None or schedule is None or not at <= self._clock.now() < at + FRESH:
            schedule = await self._learn(job, kind)
            self._learned[kind] = self._clock.now(), schedule
        return schedule

    async def _learn(self, job: Job, kind: str) -> Schedule:
        try:
            page = await self._store.recent(
                job.owner, statuses=[Status.COMPLETED], limit=REMEMBERED_JOBS
            )
        except LedgerError:
            return NOTHING_LEARNED
        alike = [other for other in page.jobs if other.timely and self._kind(other) == kind]
        return Schedule(
            runs=Durations([seconds for other in alike if (seconds := other.run_seconds)]),
            totals=Durations([other.elapsed_seconds(self._clock.now()) for other in alike]),
        )

    def _kind(self, job: Job) -> str | None:
        """Name a job's kind; None for one that was begun elsewhere, of which nothing is known."""
        model = self._models.get(job.model_id or "")
        if model is None:
            return None
        settings = [(name, job.arguments.get(name)) for name in model.settings]
        return f"{model.model_id} {settings}"
