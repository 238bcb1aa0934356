"""When to poll each kind of job, learned from the jobs in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import anyio

from seedance_mcp.bounded import BoundedDict
from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger.store import Store
from seedance_mcp.models.model import Model
from seedance_mcp.polling.durations import KNOWN_SIGMA, NEUTRAL_PRIOR, Durations, Prior
from seedance_mcp.polling.schedule import DEFAULT_SCHEDULE, Schedule

MOST_SAMPLES = 100
"""How many of the newest completed jobs are read from the ledger."""

REFRESH_AFTER = timedelta(minutes=1)
"""How long a schedule is used before the ledger is read again."""

MOST_KINDS = 64
"""How many kinds of jobs have a schedule in memory."""

SEVERAL = 2
"""So many files in an argument count the same as more."""

MOST_SETTING_CHARACTERS = 10
"""Of a model that is not known, a longer argument counts as what the clip shows."""


@dataclass(eq=False, repr=False)
class Schedules:
    """The polling schedule of each kind of job: a model, its settings, and which files it takes."""

    _store: Store
    # By id; a model says which of its arguments are settings and files.
    _models: Mapping[str, Model]
    _clock: Clock
    _learned: BoundedDict[str, tuple[datetime, Schedule]] = field(
        default_factory=lambda: BoundedDict[str, tuple[datetime, Schedule]](MOST_KINDS), init=False
    )
    # One call reads the ledger for all that come meanwhile.
    _learning: anyio.Lock = field(default_factory=anyio.Lock, init=False)

    async def of(self, job: Job) -> Schedule:
        """Return when to poll a job, learned from how long its kind took before."""
        model = self._models.get(job.model_id or "")
        kind = _kind(job, model)
        if kind is None:
            return DEFAULT_SCHEDULE
        async with self._learning:
            at, schedule = self._learned.get(kind, (None, None))
            if at is None or schedule is None or not at <= self._clock.now() < at + REFRESH_AFTER:
                schedule = await self._learn(job, model)
                self._learned[kind] = self._clock.now(), schedule
        return schedule

    async def _learn(self, job: Job, model: Model | None) -> Schedule:
        usual = model.expected_seconds(job.arguments) if model else None
        prior = Prior(median=usual, sigma=KNOWN_SIGMA) if usual else NEUTRAL_PRIOR
        try:
            # The newest come first.
            page = await self._store.recent(
                job.owner, statuses=[Status.COMPLETED], limit=MOST_SAMPLES
            )
        except LedgerError:
            return Schedule(runs=Durations((), prior), totals=Durations((), prior))
        timely = [each for each in page.jobs if each.timely and each.model_id == job.model_id]
        kind = _kind(job, model)
        alike = [each for each in timely if _kind(each, model) == kind]
        return Schedule(
            runs=Durations([seconds for each in alike if (seconds := each.run_seconds)], prior),
            totals=Durations([each.elapsed_seconds(self._clock.now()) for each in alike], prior),
        )


def _kind(job: Job, model: Model | None) -> str | None:
    """Return the name of a job's kind, None for a job that was started elsewhere."""
    if job.model_id is None:
        return None
    traits = _traits(job.arguments, model) if model else _short(job.arguments)
    return f"{job.model_id} {sorted(traits.items())}"


def _traits(arguments: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """Return the settings that run times depend on, and how many files each argument has.

    Of files there are none, one or several.
    """
    names = model.settings if model.timing is None else model.timing
    settings = {name: arguments.get(name) for name in names}
    return settings | {name: _count(arguments.get(name)) for name in model.file_arguments}


def _count(files: Any) -> int:
    if isinstance(files, list):
        return min(len(cast("list[Any]", files)), SEVERAL)
    return int(bool(files))


def _short(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that may be settings; of the others only that they are there."""
    return {
        name: value if len(str(value)) <= MOST_SETTING_CHARACTERS else "long"
        for name, value in arguments.items()
    }
