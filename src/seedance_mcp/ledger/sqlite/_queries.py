"""Jobs as rows: every piece of SQL that the ledger runs, and nothing else."""

import json
import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Outputs, Status

_COLUMNS = (
    "id, request_id, owner, model_id, arguments, status, queue_position, created_at, finished_at,"
    " videos, images, cost_usd, error, saved_to, delivered, estimated_microdollars, started_at,"
    " timely"
)


def secret(connection: sqlite3.Connection) -> bytes:
    """Give the key of the owners' hash."""
    return connection.execute("SELECT key FROM secret").fetchone()[0]


def by_id(connection: sqlite3.Connection, job_id: str) -> Job | None:
    """Give a job by our id."""
    return _only(connection, "WHERE id = ?", job_id)


def by_request_id(connection: sqlite3.Connection, *, request_id: str, owner: str) -> Job | None:
    """Give an owner's job by the service's id."""
    return _only(connection, "WHERE owner = ? AND request_id = ?", owner, request_id)


def undelivered_like(connection: sqlite3.Connection, job: Job) -> list[Job]:
    """Give the jobs identical to one that no answer has named, the newest first."""
    where = "WHERE fingerprint = ? AND delivered = 0 ORDER BY created_at DESC LIMIT 100"
    return _select(connection, where, job.fingerprint)


def newest(
    connection: sqlite3.Connection, owner: str, *, statuses: Collection[Status], limit: int
) -> list[Job]:
    """Give an owner's newest jobs, all or, where states are named, those in one of them."""
    where = f"WHERE owner = ? {_among(statuses)} ORDER BY created_at DESC, rowid DESC LIMIT ?"
    return _select(connection, where, owner, *statuses, limit)


def count(connection: sqlite3.Connection, owner: str, *, statuses: Collection[Status]) -> int:
    """Count an owner's jobs, all or, where states are named, those in one of them."""
    query = f"SELECT coalesce(sum(jobs), 0) FROM totals WHERE owner = ? {_among(statuses)}"  # noqa: S608 - of constants
    return connection.execute(query, (owner, *statuses)).fetchone()[0]


def begun_at(
    connection: sqlite3.Connection, owner: str, *, since: datetime, number: int
) -> datetime | None:
    """Give when the `number`th newest job since a time was begun; None where there are fewer.

    Jobs begun elsewhere, whose model is not known, do not count.
    """
    row = connection.execute(
        "SELECT created_at FROM jobs WHERE owner = ? AND created_at > ? AND model_id IS NOT NULL"
        " ORDER BY created_at DESC LIMIT 1 OFFSET ?",
        (owner, _written(since), number - 1),
    ).fetchone()
    return datetime.fromisoformat(row[0]) if row else None


def begun_since(connection: sqlite3.Connection, owner: str, *, since: datetime) -> list[Job]:
    """Give the jobs that were begun after a time and not cancelled, the oldest first.

    Jobs begun elsewhere, whose model is not known, do not count.
    """
    where = (
        "WHERE owner = ? AND created_at > ? AND model_id IS NOT NULL AND status != 'cancelled'"
        " ORDER BY created_at"
    )
    return _select(connection, where, owner, _written(since))


def submitting_processes(connection: sqlite3.Connection) -> list[str]:
    """Name the processes that are about to buy something, as far as the ledger knows."""
    query = "SELECT DISTINCT process FROM jobs WHERE status = 'submitting'"
    return [process for (process,) in connection.execute(query)]


def submitting_of(connection: sqlite3.Connection, process: str) -> list[Job]:
    """Give what a process was about to buy."""
    return _select(connection, "WHERE status = 'submitting' AND process = ?", process)


def insert(connection: sqlite3.Connection, job: Job, *, process: str, at: datetime) -> None:
    """Write a new job down, and that it is what it is."""
    connection.execute(
        f"INSERT INTO jobs ({_COLUMNS}, fingerprint, submitted_at, changed_at, process)"  # noqa: S608
        f" VALUES ({', '.join('?' * 22)})",
        (*_values(job), job.fingerprint, None, _written(at), process),
    )
    _note(connection, job, was=None, at=at)


def update(connection: sqlite3.Connection, job: Job, *, was: Status, at: datetime) -> None:
    """Write down what a job is now, and the transition if it is one."""
    connection.execute(
        f"UPDATE jobs SET ({_COLUMNS}) = ({', '.join('?' * 18)}), changed_at = ?,"  # noqa: S608
        " submitted_at = coalesce(submitted_at, iif(? = 'submitting', ?, NULL)) WHERE id = ?",
        (*_values(job), _written(at), was.value, _written(at), job.id),
    )
    if job.status is not was:
        _note(connection, job, was=was, at=at)


def deliver(connection: sqlite3.Connection, job: Job) -> None:
    """Note that an answer named a job."""
    connection.execute("UPDATE jobs SET delivered = 1 WHERE id = ?", (job.id,))


def save(connection: sqlite3.Connection, job: Job) -> None:
    """Note where a job's files were saved."""
    saved_to = json.dumps(job.saved_to)
    connection.execute("UPDATE jobs SET saved_to = ? WHERE id = ?", (saved_to, job.id))


def delete(connection: sqlite3.Connection, job: Job) -> None:
    """Forget a job and its events."""
    connection.execute("DELETE FROM jobs WHERE id = ?", (job.id,))


def prune(connection: sqlite3.Connection, *, before: datetime) -> None:
    """Forget the jobs that ended before a time."""
    connection.execute("DELETE FROM jobs WHERE finished_at < ?", (_written(before),))


def events(connection: sqlite3.Connection, job: Job) -> list[tuple[str | None, str]]:
    """Give a job's transitions in order: what it was, and what it became."""
    query = "SELECT was, became FROM events WHERE job = ? ORDER BY rowid"
    return list(connection.execute(query, (job.id,)))


def _note(connection: sqlite3.Connection, job: Job, *, was: Status | None, at: datetime) -> None:
    connection.execute(
        "INSERT INTO events (job, at, was, became) VALUES (?, ?, ?, ?)",
        (job.id, _written(at), was.value if was else None, job.status.value),
    )


def _among(statuses: Collection[Status]) -> str:
    return f"AND status IN ({', '.join('?' * len(statuses))})" if statuses else ""


def _select(connection: sqlite3.Connection, where: str, *values: Any) -> list[Job]:
    query = f"SELECT {_COLUMNS} FROM jobs {where}"  # noqa: S608 - both are constants of this file
    return [_job(row) for row in connection.execute(query, values)]


def _only(connection: sqlite3.Connection, where: str, *values: Any) -> Job | None:
    return next(iter(_select(connection, where, *values)), None)


def _values(job: Job) -> tuple[Any, ...]:
    """Write a job as the columns above, in their order."""
    return (
        job.id,
        job.request_id,
        job.owner,
        job.model_id,
        json.dumps(job.digest),
        job.status.value,
        job.queue_position,
        _written(job.created_at),
        _written(job.finished_at) if job.finished_at else None,
        json.dumps(job.outputs.videos),
        json.dumps(job.outputs.images),
        job.cost_usd,
        job.error,
        json.dumps(job.saved_to),
        int(job.delivered),
        job.estimated_microdollars,
        _written(job.started_at) if job.started_at else None,
        int(job.timely),
    )


def _job(row: tuple[Any, ...]) -> Job:
    return Job(
        id=row[0],
        request_id=row[1],
        owner=row[2],
        model_id=row[3],
        arguments=json.loads(row[4]),
        status=Status(row[5]),
        queue_position=row[6],
        created_at=datetime.fromisoformat(row[7]),
        finished_at=datetime.fromisoformat(row[8]) if row[8] else None,
        outputs=Outputs(videos=tuple(json.loads(row[9])), images=tuple(json.loads(row[10]))),
        cost_usd=row[11],
        error=row[12],
        saved_to=tuple(json.loads(row[13])),
        delivered=bool(row[14]),
        estimated_microdollars=row[15],
        started_at=datetime.fromisoformat(row[16]) if row[16] else None,
        timely=bool(row[17]),
    )


def _written(time: datetime) -> str:
    """Write a time so that texts sort as times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")
