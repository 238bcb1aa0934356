"""Jobs as rows: every SQL statement of the SQLite ledger, and nothing else."""

import json
import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Outputs, Status

_INSERT = """
    INSERT INTO jobs (
        id, request_id, owner, model_id, arguments, status, queue_position, created_at,
        finished_at, videos, images, cost_usd, error, saved_to, delivered, estimated_microdollars,
        started_at, timely, fingerprint, changed_at, process
    ) VALUES (
        :id, :request_id, :owner, :model_id, :arguments, :status, :queue_position, :created_at,
        :finished_at, :videos, :images, :cost_usd, :error, :saved_to, :delivered,
        :estimated_microdollars, :started_at, :timely, :fingerprint, :at, :process
    )
"""
_UPDATE = """
    UPDATE jobs SET
        request_id = :request_id, owner = :owner, model_id = :model_id, arguments = :arguments,
        status = :status, queue_position = :queue_position, created_at = :created_at,
        finished_at = :finished_at, videos = :videos, images = :images, cost_usd = :cost_usd,
        error = :error, saved_to = :saved_to, delivered = :delivered,
        estimated_microdollars = :estimated_microdollars, started_at = :started_at,
        timely = :timely, changed_at = :at,
        submitted_at = coalesce(submitted_at, iif(:was = 'submitting', :at, NULL))
    WHERE id = :id
"""


class SqliteRows:
    """The row operations of `ledger._rules.Rows` in SQL.

    Args:
        connection: With a transaction open.
        process: Which process inserts rows.
    """

    def __init__(self, connection: sqlite3.Connection, process: str) -> None:
        self._cursor = connection.cursor()
        self._cursor.row_factory = sqlite3.Row
        self._process = process

    def secret(self) -> bytes:
        """Return the key of the owners' hash."""
        return self._value("SELECT key FROM secret")

    def by_id(self, job_id: str) -> Job | None:
        """Return a job by our id."""
        return self._job("SELECT * FROM jobs WHERE id = ?", job_id)

    def by_request_id(self, request_id: str, owner: str) -> Job | None:
        """Return an owner's job by RunComfy's id."""
        query = "SELECT * FROM jobs WHERE owner = ? AND request_id = ?"
        return self._job(query, owner, request_id)

    def identical_undelivered(self, job: Job) -> list[Job]:
        """Return the undelivered jobs with a job's fingerprint, newest first, at most 100."""
        query = (
            "SELECT * FROM jobs WHERE fingerprint = ? AND delivered = 0"
            " ORDER BY created_at DESC LIMIT 100"
        )
        return self._jobs(query, job.fingerprint)

    def newest(self, owner: str, *, statuses: Collection[Status], limit: int) -> list[Job]:
        """Return an owner's newest jobs: those in the given states, or all if none is given."""
        query = [
            "SELECT * FROM jobs WHERE owner = ?",
            *_and_status_in(statuses),
            "ORDER BY created_at DESC, rowid DESC LIMIT ?",
        ]
        return self._jobs(" ".join(query), owner, *statuses, limit)

    def count(self, owner: str, *, statuses: Collection[Status]) -> int:
        """Count an owner's jobs: those in the given states, or all if none is given."""
        query = [
            "SELECT coalesce(sum(jobs), 0) FROM totals WHERE owner = ?",
            *_and_status_in(statuses),
        ]
        return self._value(" ".join(query), owner, *statuses)

    def nth_newest_created_at(self, owner: str, *, n: int, since: datetime) -> datetime | None:
        """Return when the nth newest job started after a time was created, None if fewer were."""
        query = (
            "SELECT created_at FROM jobs"
            " WHERE owner = ? AND created_at > ? AND model_id IS NOT NULL"
            " ORDER BY created_at DESC LIMIT 1 OFFSET ?"
        )
        return _parse_time(self._value(query, owner, _format_time(since), n - 1))

    def started_since(self, owner: str, since: datetime) -> list[Job]:
        """Return the jobs started after a time and not cancelled, oldest first."""
        query = (
            "SELECT * FROM jobs WHERE owner = ? AND created_at > ? AND model_id IS NOT NULL"
            " AND status != 'cancelled' ORDER BY created_at"
        )
        return self._jobs(query, owner, _format_time(since))

    def submitting_processes(self) -> list[str]:
        """Return the processes that have a job in the state `submitting`."""
        query = "SELECT DISTINCT process FROM jobs WHERE status = 'submitting'"
        return [process for (process,) in self._cursor.execute(query)]

    def submitting_by(self, process: str) -> list[Job]:
        """Return the jobs that a process is submitting."""
        return self._jobs("SELECT * FROM jobs WHERE status = 'submitting' AND process = ?", process)

    def insert(self, job: Job, *, at: datetime) -> None:
        """Insert a job as this process's, and its first event."""
        values = {"fingerprint": job.fingerprint, "at": _format_time(at), "process": self._process}
        self._cursor.execute(_INSERT, _to_row(job) | values)
        self._insert_event(job, was=None, at=at)

    def update(self, job: Job, *, was: Status, at: datetime) -> None:
        """Update a job, and add an event if its state is another than it was."""
        self._cursor.execute(_UPDATE, _to_row(job) | {"was": was.value, "at": _format_time(at)})
        if job.status is not was:
            self._insert_event(job, was=was, at=at)

    def mark_delivered(self, job: Job) -> None:
        """Set a job's `delivered`."""
        self._cursor.execute("UPDATE jobs SET delivered = 1 WHERE id = ?", (job.id,))

    def set_saved_to(self, job: Job) -> None:
        """Set a job's `saved_to`."""
        saved_to = json.dumps(job.saved_to)
        self._cursor.execute("UPDATE jobs SET saved_to = ? WHERE id = ?", (saved_to, job.id))

    def delete(self, job: Job) -> None:
        """Delete a job and its events."""
        self._cursor.execute("DELETE FROM jobs WHERE id = ?", (job.id,))

    def delete_finished(self, before: datetime) -> None:
        """Delete the jobs that finished before a time."""
        self._cursor.execute("DELETE FROM jobs WHERE finished_at < ?", (_format_time(before),))

    def _insert_event(self, job: Job, *, was: Status | None, at: datetime) -> None:
        self._cursor.execute(
            "INSERT INTO events (job, at, was, became) VALUES (?, ?, ?, ?)",
            (job.id, _format_time(at), was.value if was else None, job.status.value),
        )

    def _value(self, query: str, *values: Any) -> Any:
        row = self._cursor.execute(query, values).fetchone()
        return row[0] if row else None

    def _jobs(self, query: str, *values: Any) -> list[Job]:
        return [_from_row(row) for row in self._cursor.execute(query, values)]

    def _job(self, query: str, *values: Any) -> Job | None:
        return next(iter(self._jobs(query, *values)), None)


def _and_status_in(statuses: Collection[Status]) -> list[str]:
    # As many as there are: with one state, SQLite reads the index on it in order.
    return ["AND status IN (", ", ".join("?" * len(statuses)), ")"] if statuses else []


def _to_row(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "request_id": job.request_id,
        "owner": job.owner,
        "model_id": job.model_id,
        "arguments": json.dumps(job.digest),
        "status": job.status.value,
        "queue_position": job.queue_position,
        "created_at": _format_time(job.created_at),
        "finished_at": _format_time(job.finished_at) if job.finished_at else None,
        "videos": json.dumps(job.outputs.videos),
        "images": json.dumps(job.outputs.images),
        "cost_usd": job.cost_usd,
        "error": job.error,
        "saved_to": json.dumps(job.saved_to),
        "delivered": int(job.delivered),
        "estimated_microdollars": job.estimated_microdollars,
        "started_at": _format_time(job.started_at) if job.started_at else None,
        "timely": int(job.timely),
    }


def _from_row(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"],
        request_id=row["request_id"],
        owner=row["owner"],
        model_id=row["model_id"],
        arguments=json.loads(row["arguments"]),
        status=Status(row["status"]),
        queue_position=row["queue_position"],
        created_at=datetime.fromisoformat(row["created_at"]),
        finished_at=_parse_time(row["finished_at"]),
        outputs=Outputs(
            videos=tuple(json.loads(row["videos"])), images=tuple(json.loads(row["images"]))
        ),
        cost_usd=row["cost_usd"],
        error=row["error"],
        saved_to=tuple(json.loads(row["saved_to"])),
        delivered=bool(row["delivered"]),
        estimated_microdollars=row["estimated_microdollars"],
        started_at=_parse_time(row["started_at"]),
        timely=bool(row["timely"]),
    )


def _format_time(time: datetime) -> str:
    """Return a time as text that sorts as times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
