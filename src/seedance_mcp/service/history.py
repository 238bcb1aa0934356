"""The ledger for a person: what was bought, what it cost, and where the clips are.

Reading it needs no token, changes nothing, and asks RunComfy for nothing.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from seedance_mcp.clock import Clock
from seedance_mcp.errors import InputError
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger.store import Event
from seedance_mcp.settings import Settings
from seedance_mcp.text import quoted, valid

from ._ledger import read_ledger
from .added_models import load_known_models
from .records import JobRecord, Spent, read_spent, record_of

MOST_NAMED_IDS = 3
"""How many ids that begin alike are named."""


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
        ConfigurationError, LedgerError: The ledger cannot be read.
    """
    if status is not None and status not in list(Status):
        allowed = ", ".join(Status)
        raise InputError("--status", f"--status must be one of {allowed}; got {quoted(status)}.")
    statuses = [Status(status)] if status else []
    with closing(read_ledger(settings, clock)) as ledger:
        page = await ledger.recent(settings.base_url, statuses=statuses, limit=limit)
        today, month = await read_spent(ledger, settings.base_url, clock)
    models, _ = load_known_models(settings.state_dir)
    return History(
        records=[record_of(job, models) for job in page.jobs],
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
        ConfigurationError, LedgerError: The ledger cannot be read.
    """
    with closing(read_ledger(settings, clock)) as ledger:
        # Bytes that are not UTF-8 come from the command line as halves of surrogate pairs.
        jobs = await ledger.look_up(valid(name), settings.base_url)
        if len(jobs) != 1:
            raise InputError("ID", _not_one(name, [job.request_id or job.id for job in jobs]))
        events = await ledger.events(jobs[0])
    return record_of(jobs[0], load_known_models(settings.state_dir)[0]), events


def _not_one(name: str, ids: Sequence[str]) -> str:
    if not ids:
        return f"No job in the ledger has the id {quoted(name)}: seedance-mcp jobs lists them."
    more = ", …" if len(ids) > MOST_NAMED_IDS else ""
    named = ", ".join(ids[:MOST_NAMED_IDS])
    return f"{len(ids)} jobs in the ledger have an id that begins so: {named}{more}."
