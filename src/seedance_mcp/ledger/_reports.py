"""What is read from the ledger for a person or for an answer, and changes nothing."""

from datetime import datetime

from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.job import Job
from seedance_mcp.spending.limits import DAY, MAX_AHEAD

from ._rows import Event, Rows

_MOST_SEARCHED_JOBS = 1000
"""Among how many of the newest jobs the beginning of an id is looked for."""


def costs(rows: Rows, owner: str, *, since: datetime, until: datetime) -> list[tuple[Job, int]]:
    """Return what an owner's jobs of a time cost: jobs that say a cost, each with how many."""
    return rows.costs(owner, since=since, until=until)


def costs_of_last_day(rows: Rows, now: datetime) -> list[tuple[Job, int]]:
    """Return what the jobs that the daily limit counts cost: those of every owner."""
    return rows.costs(None, since=now - DAY, until=now + MAX_AHEAD)


def events(rows: Rows, job: Job) -> list[Event]:
    """Return every transition of a job, the first one first."""
    return rows.events(job)


def look_up(rows: Rows, name: str, owner: str) -> list[Job]:
    """Return an owner's jobs that a name can mean: a request_id, our own id, or a beginning of one.

    Raises:
        LedgerError: The row of such a job is damaged.
    """
    exact = rows.by_request_id(name, owner) or rows.by_id(name)
    if exact and exact.owner == owner:
        return [exact]
    newest = rows.newest(owner, statuses=(), limit=_MOST_SEARCHED_JOBS)
    found = [job for job in newest if (job.request_id or job.id).startswith(name)]
    damaged = [known for known in rows.unreadable.values() if known.startswith(name)]
    if damaged and not found:
        raise LedgerError(f"The row of {damaged[0]} in the ledger is damaged.")
    return found
