"""Jobs as rows: every SQL statement of the SQLite ledger, and nothing else."""

import json
import sqlite3
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.text import one_line


class SqliteRows:
    """The row operations of `ledger._rules.Rows`, on a connection with a transaction open."""

    def __init__(self, connection: sqlite3.Connection, process: str) -> None:
        self.unreadable = dict[str, str]()
        self._cursor = connection.cursor()
        self._cursor.row_factory = sqlite3.Row
        self.process = process

    def secret(self) -> bytes:
        return self._value("SELECT key FROM secret")

    def by_id(self, job_id: str) -> Job | None:
        return self._job("SELECT * FROM jobs WHERE id = ?", job_id)

    def by_request_id(self, request_id: str, owner: str) -> Job | None:
        query = "SELECT * FROM jobs WHERE owner = ? AND request_id = ?"
        return self._job(query, owner, request_id)

    def identical(self, job: Job) -> list[Job]:
        query = "SELECT * FROM jobs WHERE fingerprint IN (?, ?) ORDER BY created_at DESC LIMIT 1000"
        return self._jobs(query, job.fingerprint, job.fingerprint_as_sent)

    def newest(self, owner: str, *, statuses: Collection[Status], limit: int) -> list[Job]:
        query = [
            "SELECT * FROM jobs WHERE owner = ?",
            *_and_status_in(statuses),
            "ORDER BY created_at DESC, rowid DESC LIMIT ?",
        ]
        return self._jobs(" ".join(query), owner, *statuses, limit)

    def count(self, owner: str, *, statuses: Collection[Status]) -> int:
        query = [
            "SELECT coalesce(sum(jobs), 0) FROM totals WHERE owner = ?",
            *_and_status_in(statuses),
        ]
        return self._value(" ".join(query), owner, *statuses)

    def latest(self, until: datetime, *, limit: int) -> dict[str, datetime]:
        query = (
            "SELECT id, created_at FROM jobs WHERE created_at <= ? ORDER BY created_at DESC LIMIT ?"
        )
        found = dict[str, datetime]()
        for row in self._cursor.execute(query, (_format_time(until), limit)):
            with suppress(ValueError, TypeError, OverflowError):  # a damaged row
                found[row["id"]] = datetime.fromisoformat(row["created_at"]).astimezone(UTC)
        return found

    def nth_newest_created_at(self, n: int, *, since: datetime, until: datetime) -> datetime | None:
        query = (
            "SELECT created_at FROM jobs"
            " WHERE created_at > ? AND created_at <= ? AND model_id IS NOT NULL"
            " ORDER BY created_at DESC LIMIT 1 OFFSET ?"
        )
        with suppress(ValueError):  # a damaged row is no reason to buy nothing
            return _parse_time(self._value(query, _format_time(since), _format_time(until), n - 1))
        return None

    def started(self, *, since: datetime, until: datetime) -> list[Job]:
        query = (
            "SELECT * FROM jobs WHERE created_at > ? AND created_at <= ?"
            " AND model_id IS NOT NULL AND status != 'cancelled' ORDER BY created_at"
        )
        return self._jobs(query, _format_time(since), _format_time(until))

    def submitting(self) -> list[tuple[Job, str]]:
        rows = self._cursor.execute("SELECT * FROM jobs WHERE status = 'submitting'")
        return [(job, row["process"]) for row in rows if (job := self._read(row))]

    def insert(self, job: Job, *, at: datetime) -> None:
        row = _to_row(job, at) | {"fingerprint": job.fingerprint, "process": self.process}
        query = ["INSERT INTO jobs (", ", ".join(row), ") VALUES (:", ", :".join(row), ")"]
        # The rules have looked for the job, so what is in its place cannot be read.
        in_its_place = (
            "DELETE FROM jobs WHERE id = :id OR (owner, request_id) = (:owner, :request_id)"
        )
        self._cursor.execute(in_its_place, row)
        self._cursor.execute("".join(query), row)
        self._insert_event(job, was=None, at=at)

    def update(self, job: Job, *, was: Status, at: datetime) -> None:
        row = _to_row(job, at)
        query = [
            "UPDATE jobs SET",
            *(f"{column} = :{column}," for column in row if column != "id"),
            "submitted_at = coalesce(submitted_at, iif(:was = 'submitting', :changed_at, NULL))",
            "WHERE id = :id",
        ]
        self._cursor.execute(" ".join(query), row | {"was": was})
        if job.status is not was:
            self._insert_event(job, was=was, at=at)

    def set_acknowledged_by(self, job: Job) -> None:
        values = json.dumps(job.acknowledged_by), job.id
        self._cursor.execute("UPDATE jobs SET acknowledged_by = ? WHERE id = ?", values)

    def set_saved_to(self, job: Job) -> None:
        values = json.dumps(job.saved_to), job.id
        self._cursor.execute("UPDATE jobs SET saved_to = ? WHERE id = ?", values)

    def delete(self, job: Job) -> None:
        self._cursor.execute("DELETE FROM jobs WHERE id = ?", (job.id,))

    def over_before(self, time: datetime) -> list[Job]:
        # Every owner is named, so that SQLite uses its indexes.
        query = (
            "SELECT * FROM jobs WHERE finished_at < ?1 OR (status = 'unknown' AND created_at < ?1"
            " AND owner IN (SELECT owner FROM totals))"
        )
        return self._jobs(query, _format_time(time))

    def _insert_event(self, job: Job, *, was: Status | None, at: datetime) -> None:
        self._cursor.execute(
            "INSERT INTO events (job, at, was, became) VALUES (?, ?, ?, ?)",
            (job.id, _format_time(at), was, job.status),
        )

    def _value(self, query: str, *values: Any) -> Any:
        row = self._cursor.execute(query, values).fetchone()
        return row[0] if row else None

    def _jobs(self, query: str, *values: Any) -> list[Job]:
        return list(filter(None, map(self._read, self._cursor.execute(query, values))))

    def _job(self, query: str, *values: Any) -> Job | None:
        return next(iter(self._jobs(query, *values)), None)

    def _read(self, row: sqlite3.Row) -> Job | None:
        """Return a row's job; note a damaged row and return None."""
        try:
            return _from_row(row)
        except (ValueError, TypeError, OverflowError, RecursionError):
            self.unreadable[str(row["id"])] = one_line(str(row["request_id"] or row["id"]), 128)
            return None


def _and_status_in(statuses: Collection[Status]) -> list[str]:
    # As many as there are: with one state, SQLite reads the index on it in order.
    return ["AND status IN (", ", ".join("?" * len(statuses)), ")"] if statuses else []


def _to_row(job: Job, at: datetime) -> dict[str, Any]:
    # Columns have the fields' names; only these are stored in another form.
    row = vars(job) | {
        "arguments": json.dumps(job.digest),
        "files": json.dumps(job.files),
        "created_at": _format_time(job.created_at),
        "started_at": job.started_at and _format_time(job.started_at),
        "finished_at": job.finished_at and _format_time(job.finished_at),
        "videos": json.dumps(job.outputs.videos),
        "images": json.dumps(job.outputs.images),
        "saved_to": json.dumps(job.saved_to),
        "acknowledged_by": json.dumps(job.acknowledged_by),
        "changed_at": _format_time(at),
    }
    del row["outputs"]
    return row


def _from_row(row: sqlite3.Row) -> Job:
    values: dict[str, Any] = dict(zip(row.keys(), row, strict=True))
    for name in ("arguments", "files", "videos", "images", "saved_to", "acknowledged_by"):
        values[name] = json.loads(values[name])
    for name in ("created_at", "started_at", "finished_at"):
        values[name] = _parse_time(values[name])
    values["outputs"] = {name: values[name] for name in ("videos", "images")}
    # A value of a wrong type would break whoever uses it, far from here.
    return _job_type().validate_python(values)


@cache
def _job_type() -> TypeAdapter[Job]:
    return TypeAdapter(Job)


def _format_time(time: datetime) -> str:
    # Always in UTC and with microseconds: the text then sorts as the times do.
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
