"""What is read from the ledger for a person or for an answer, and changes nothing."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.spending.limits import DAY, MAX_AHEAD

from ._rows import Event, Rows

_MOST_SEARCHED_JOBS = 1000
"""Among how many of the newest jobs the beginning of an id is looked for."""

_MOST_SIFTED_JOBS = 2000
"""Among how many of the newest jobs words are looked for."""

_SIFTED_AT_ONCE = 100
"""The prompts of how many jobs are in memory meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which jobs are looked for.

    Attributes:
        statuses: In any of these states; in every one if there is none.
        words: With each of them in the prompt, whatever its case.
        skip: How many of the newest ones are left out.
        limit: How many there are at most.
    """

    statuses: Collection[Status] = ()
    words: Collection[str] = ()
    skip: int = 0
    limit: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """Some of the jobs that were looked for, newest first.

    Attributes:
        matching: How many there are of them in all.
        total: How many jobs there are, whether they were looked for or not.
    """

    jobs: list[Job]
    matching: int
    total: int


def costs(rows: Rows, owner: str, *, since: datetime, until: datetime) -> list[tuple[Job, int]]:
    """Return what an owner's jobs of a time cost: jobs that say a cost, each with how many."""
    return rows.costs(owner, since=since, until=until)


def costs_of_last_day(rows: Rows, now: datetime, owner: str | None = None) -> list[tuple[Job, int]]:
    """Return what the jobs that a daily limit counts cost: those of every owner, or of one."""
    return rows.costs(owner, since=now - DAY, until=now + MAX_AHEAD)


def states(rows: Rows) -> dict[str, int]:
    """Return how many jobs are in each state, those of every owner; 0 where there are none."""
    found = rows.states()
    return {str(status): found.get(str(status), 0) for status in Status}


def events(rows: Rows, job: Job) -> list[Event]:
    """Return every transition of a job, the first one first."""
    return rows.events(job)


def look_up(rows: Rows, name: str, owner: str) -> list[Job]:
    """Return an owner's jobs that a name can mean: a request_id, our own id, or a beginning of one.

    Raises:
        LedgerError: The row of such a job is damaged.
    """
    if exact := named(rows, name, owner):
        return [exact]
    newest = rows.newest(owner, statuses=(), limit=_MOST_SEARCHED_JOBS)
    found = [job for job in newest if (job.request_id or job.id).startswith(name)]
    damaged = [known for known in rows.unreadable.values() if known.startswith(name)]
    if damaged and not found:
        raise LedgerError(f"The row of {damaged[0]} in the ledger is damaged.")
    return found


def named(rows: Rows, name: str, owner: str) -> Job | None:
    """Return an owner's job by its request_id or by our own id, None if there is none."""
    job = rows.by_request_id(name, owner) or rows.by_id(name)
    return job if job and job.owner == owner else None


def search(rows: Rows, owner: str, wanted: Wanted) -> Found:
    """Return some of an owner's newest jobs that are wanted; damaged rows are left out."""
    matching = [
        job_id
        for job_id, prompt in _newest_prompts(rows, owner, wanted.statuses)
        if _has(prompt, wanted.words)
    ]
    found = [rows.by_id(job_id) for job_id in matching[wanted.skip : wanted.skip + wanted.limit]]
    return Found(
        jobs=[job for job in found if job],
        matching=len(matching),
        total=rows.count(owner, statuses=()),
    )


def _newest_prompts(
    rows: Rows, owner: str, statuses: Collection[Status]
) -> Iterator[tuple[str, str]]:
    for skip in range(0, _MOST_SIFTED_JOBS, _SIFTED_AT_ONCE):
        some = rows.prompts(owner, statuses=statuses, skip=skip, limit=_SIFTED_AT_ONCE)
        yield from some
        if len(some) < _SIFTED_AT_ONCE:
            break


def _has(prompt: str, words: Collection[str]) -> bool:
    folded = prompt.casefold() if words else ""
    return all(word.casefold() in folded for word in words)
