"""What the ledger decides, written once over row operations.

The functions below never see SQL. Each runs in one transaction, and those that the service uses are
the methods of `Store`.
"""

import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.job import EVERYONE, Job, advance, is_owed, merge
from seedance_mcp.jobs.status import Failed, Observation, OutcomeLost, Status, Succeeded
from seedance_mcp.spending.limits import (
    DAY,
    HOUR,
    MAX_AHEAD,
    SpendingLimits,
    check_daily_limit,
    check_hourly_limit,
)

from ._rows import Rows

MAX_SUBMIT_TIME = timedelta(seconds=60)
"""Longer than a paid request is under way, connecting and both attempts included."""

_MOST_COMPARED_JOBS = 1000
"""How many of the newest jobs are looked through for what no index finds."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some jobs, newest first, how many there are in all, and names of damaged rows among them."""

    jobs: list[Job]
    total: int
    unreadable: tuple[str, ...] = ()


def keyed_hash(rows: Rows, secret: str) -> str:
    """Return 32 bytes in hex that do not reveal a secret; another ledger makes others of it."""
    return hmac.new(rows.secret(), secret.encode(), sha256).hexdigest()


def get(rows: Rows, job: Job) -> Job | None:
    """Return a job as it is now, None if the ledger does not have it."""
    return rows.by_id(job.id)


def find(rows: Rows, request_id: str, owner: str) -> Job | None:
    """Return an owner's job by RunComfy's id, None if the ledger does not have it."""
    return rows.by_request_id(request_id, owner)


def recent(rows: Rows, owner: str, *, statuses: Collection[Status] = (), limit: int) -> Page:
    """Return an owner's newest jobs: those in the given states, or all if none is given."""
    # What was read before may have been others'.
    rows.unreadable.clear()
    jobs = rows.newest(owner, statuses=statuses, limit=limit)
    total = rows.count(owner, statuses=statuses)
    return Page(jobs=jobs, total=total, unreadable=tuple(rows.unreadable.values()))


def begin(rows: Rows, job: Job, *, reuse_since: datetime | None, limits: SpendingLimits) -> Job:
    """Write a new job, or return the earlier one that the call repeats, as in `find_owed`.

    Raises:
        SpendingLimitReached: No other job may start now.
    """
    if rows.by_id(job.id):
        # The connection broke during its commit, which is repeated.
        return job
    # In the insert's transaction: else two processes could both start the last job allowed.
    if earlier := find_or_check(rows, job, reuse_since=reuse_since, limits=limits):
        return earlier
    rows.write(job, at=job.created_at)
    return job


def find_or_check(
    rows: Rows, job: Job, *, reuse_since: datetime | None, limits: SpendingLimits
) -> Job | None:
    """Return what `begin` would return instead of a new job; None if the new one may start now.

    The server's limits count the jobs of all processes and owners, a caller's its own.

    Raises:
        SpendingLimitReached: It may not.
    """
    if earlier := find_owed(rows, job, reuse_since):
        return earlier
    now, latest = job.created_at, job.created_at + MAX_AHEAD
    for quota in limits.quotas():
        owner = job.owner if quota.per_caller else None
        if quota.jobs_per_hour is not None:
            hour, most = now - HOUR, quota.jobs_per_hour
            oldest = rows.nth_newest(most, since=hour, until=latest, owner=owner)
            check_hourly_limit(job, oldest, quota)
        if quota.usd_per_day is not None:
            started = rows.started(since=now - DAY, until=latest, owner=owner)
            check_daily_limit(job, started, quota)
    return None


def find_owed(rows: Rows, job: Job, since: datetime | None) -> Job | None:
    """Return the newest job, begun since then, that an identical call gets back.

    A job that the same yes of the user has bought comes first, whatever has become of it: one yes
    buys one job. Without `since`, there is no other.

    Raises:
        LedgerError: A damaged row may be that job.
    """
    if job.approval and (bought := rows.by_approval(job.approval, damaged_at=job.created_at)):
        owed = [bought]
    else:
        owed = _find_repeated(rows, job, since) if since else []
    readable = [old for old in owed if old.id not in rows.unreadable]
    if owed and not readable:
        raise LedgerError(
            f"The same request is in a damaged row of the ledger ({rows.unreadable[owed[0].id]}),"
            " which list_jobs names: its clip may be paid for. force_new buys another."
        )
    return readable[0] if readable else None


def _find_repeated(rows: Rows, job: Job, since: datetime) -> list[Job]:
    """Return the jobs, begun since then, that an identical call gets back, the newest first."""
    same = rows.identical(job)
    if any(not content for _, content in job.files.values()):
        newest = rows.newest(job.owner, statuses=(), limit=_MOST_COMPARED_JOBS)
        same += [old for old in newest if old.is_repeated_by(job)]
    return [old for old in same if old.created_at >= since and is_owed(old, job, rows.window)]


def discard(rows: Rows, job: Job, now: datetime) -> None:
    """Leave no more of a job than that it was not accepted, for other processes that wait for it.

    It has no owner, so no list has it.
    """
    trace = Job(id=job.id, created_at=job.created_at, status=Status.CANCELLED, finished_at=now)
    rows.write(trace, at=now)
    rows.set_poster(trace, None)


def acknowledge(rows: Rows, request_id: str, owner: str, *, by_all: bool = False) -> bool:
    """Write that a later call brought a job's request_id to this window; return if it is known.

    `by_all` says that an answer has said that the job failed, which ends what is owed.
    """
    window = EVERYONE if by_all else rows.window
    job = rows.by_request_id(request_id, owner)
    if job and not {window, EVERYONE}.intersection(job.acknowledged_by):
        job = replace(job, acknowledged_by=(*job.acknowledged_by, window))
        rows.set_field(job, "acknowledged_by")
    return job is not None


def observe(rows: Rows, job: Job, observation: Observation, now: datetime) -> Job:
    """Advance a job by an observation and return it; one that was started elsewhere is added."""
    stored = rows.by_id(job.id) or rows.by_request_id(job.request_id, job.owner)
    if stored and not stored.owner:
        stored = None  # it was discarded, but what RunComfy says of it counts
    if not stored and job.approval and rows.by_approval(job.approval, damaged_at=now):
        # In place of its ledger came one that lacks it, and its yes was used again: both count.
        job = replace(job, approval=None)
    adopted = (stored or job).model_id is None
    if adopted and (lost := _job_with_arguments_of(rows, job, observation)):
        # The call that brought its id came before it was known to be this job's.
        job = replace(lost, request_id=job.request_id, acknowledged_by=(rows.window,))
        stored = lost
    # Where the ledger could not be written when RunComfy answered, the caller alone has the id.
    newer = job if not stored or (job.request_id and not stored.request_id) else stored
    advanced = advance(newer, observation, now)
    twin = rows.by_request_id(advanced.request_id, advanced.owner)
    if twin and stored and not stored.request_id:
        if twin.model_id is None:
            advanced = advance(merge(advanced, twin), observation, now)
            # First, since a request_id is unique.
            rows.delete(twin)
        else:
            # Each was paid for, so each counts.
            why = "RunComfy answered with the request_id of another job."
            advanced = advance(stored, OutcomeLost(why=why), now)
    if advanced != stored:
        rows.write(advanced, at=now)
    return advanced


def set_saved_to(rows: Rows, job: Job) -> None:
    """Write where a job's files are, of which the ledger may know more than its `saved_to`."""
    stored = rows.by_id(job.id)
    placed = job.with_outputs(stored.outputs) if stored and job.outputs else job
    rows.set_field(placed, "saved_to")


def set_estimate(rows: Rows, job: Job) -> None:
    """Write what a job was estimated to cost, if the ledger does not know."""
    stored = rows.by_id(job.id)
    if stored and stored.estimated_microdollars is None:
        rows.set_field(job, "estimated_microdollars")


def settle_dead_processes(
    rows: Rows, is_alive: Callable[[str], bool | None], now: datetime
) -> None:
    """Mark as `unknown` what dead processes were submitting: the POST may have been accepted.

    Where `is_alive` cannot say, one that began longer than `MAX_SUBMIT_TIME` ago counts as dead.
    """
    for job, process in rows.submitting():
        alive = is_alive(process)
        if alive is False or (alive is None and abs(now - job.created_at) > MAX_SUBMIT_TIME):
            rows.write(advance(job, OutcomeLost(), now), at=now)


def delete_old(rows: Rows, history: timedelta, now: datetime) -> None:
    """Delete the jobs that ended longer than the history ago, unknown ones that began then.

    A completed one that no caller has taken stays twice as long. The newest other job says what day
    it is, since the clock may be ahead. What `discard` leaves is of use for a minute only.
    """
    for trace in rows.newest("", statuses=[Status.CANCELLED], limit=_MOST_COMPARED_JOBS):
        if now - (trace.finished_at or now) > HOUR:
            rows.delete(trace)
    for job in rows.over_before(now - history):
        today = rows.latest(now, other_than=job.id)
        taken = job.acknowledged_by or any(job.saved_to)
        kept_for = history if taken or job.status is not Status.COMPLETED else 2 * history
        over = job.status.final or job.status is Status.UNKNOWN
        if over and today and today - (job.finished_at or job.created_at) > kept_for:
            rows.delete(job)


def _job_with_arguments_of(rows: Rows, job: Job, seen: Observation) -> Job | None:
    """Return the only job of unknown outcome that a result can be of, None in any doubt."""
    if not isinstance(seen, Succeeded | Failed) or not seen.echoed_input:
        return None
    fitting = [
        old
        for old in rows.newest(job.owner, statuses=[Status.UNKNOWN], limit=_MOST_COMPARED_JOBS)
        if not old.request_id
        # The same arguments may have been bought elsewhere at another time.
        and (seen.created_at is None or abs(seen.created_at - old.created_at) <= HOUR)
        and old.is_echoed(seen.model_id, seen.echoed_input)
    ]
    return fitting[0] if len(fitting) == 1 else None
