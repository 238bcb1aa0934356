"""Jobs as rows: every SQL statement of the SQLite ledger, and nothing else."""

import json
import sqlite3
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from math import inf
from re import fullmatch
from typing import Any, Literal

from pydantic import TypeAdapter

from seedance_mcp.jobs.job import REQUEST_ID_PATTERN, Job
from seedance_mcp.jobs.status import OPEN, Status
from seedance_mcp.text import one_line

# Columns have the fields' names; only these are stored in another form.
_JSON_COLUMNS = ("arguments", "files", "videos", "images", "saved_to", "acknowledged_by")
_TIME_COLUMNS = ("created_at", "started_at", "finished_at")


# A date in any other form than ours may sort anywhere; such a job counts from its last change.
_DATED = "(created_at GLOB '????-??-??T??:??:??.??????+00:00' AND julianday(created_at) NOT NULL)"
_AT = f"iif({_DATED}, created_at, changed_at)"
# Such rows are looked for in an index, which is shorter than the table.
_UNDATED = f"rowid IN (SELECT rowid FROM jobs WHERE NOT {_DATED})"  # noqa: S608 - our own words
_STARTED = (
    f"{_AT} AS at FROM jobs WHERE model_id IS NOT NULL AND at > ?1"
    f" AND (created_at BETWEEN ?1 AND ?2 OR {_UNDATED})"
)
_TWINS = f"{_AT} AS at FROM jobs WHERE fingerprint IN (?, ?) AND at > ? AND status != 'cancelled'"
_MAYBE_OVER = f"{_AT} AS at FROM jobs WHERE created_at < ?1 OR finished_at < ?1 OR {_UNDATED}"


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

    def damaged_twin(self, job: Job, *, since: datetime) -> str | None:
        values = job.fingerprint, job.fingerprint_as_sent, _format_time(since)
        ids = [str(row["id"]) for row in self._cursor.execute(f"SELECT id, {_TWINS}", values)]
        return next((self.unreadable[twin] for twin in ids if twin in self.unreadable), None)

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
        query = f"SELECT {_STARTED} ORDER BY at DESC LIMIT 1 OFFSET ?3"
        with suppress(ValueError):  # a damaged row is no reason to buy nothing
            return _parse_time(self._value(query, _format_time(since), _format_time(until), n - 1))
        return None

    def started(self, *, since: datetime, until: datetime) -> list[Job]:
        query = f"SELECT *, {_STARTED} AND status != 'cancelled' ORDER BY at"
        rows = self._cursor.execute(query, (_format_time(since), _format_time(until)))
        return [self._read(row) or _stand_in(row, since) for row in rows]

    def submitting(self) -> list[tuple[Job, str]]:
        rows = self._cursor.execute("SELECT * FROM jobs WHERE status = 'submitting'")
        return [(job, row["process"]) for row in rows if (job := self._read(row))]

    def insert(self, job: Job, *, at: datetime) -> None:
        row = _to_row(job, at) | {"fingerprint": job.fingerprint, "process": self.process}
        query = ["INSERT INTO jobs (", ", ".join(row), ") VALUES (:", ", :".join(row), ")"]
        # The rules have looked for the job, so what is in its place cannot be read. A row with the
        # same id is known here; another one still counts for the limits.
        self.delete(job)
        self._set_aside(row)
        self._cursor.execute("".join(query), row)
        event = "INSERT INTO events (job, at, was, became) VALUES (:id, :changed_at, NULL, :status)"
        self._cursor.execute(event, row)

    def update(self, job: Job, *, at: datetime) -> None:
        row = _to_row(job, at)
        self._set_aside(row)
        # Within the statements, `status` is the one before.
        event = (
            "INSERT INTO events (job, at, was, became) SELECT id, :changed_at, status, :status"
            " FROM jobs WHERE id = :id AND status != :status"
        )
        self._cursor.execute(event, row)
        query = [
            "UPDATE jobs SET",
            *(f"{column} = :{column}," for column in row if column != "id"),
            "submitted_at = coalesce(submitted_at, iif(status = 'submitting', :changed_at, NULL))",
            "WHERE id = :id",
        ]
        self._cursor.execute(" ".join(query), row)

    def set_field(self, job: Job, field: Literal["acknowledged_by", "saved_to"]) -> None:
        query = ["UPDATE jobs SET", field, "= ? WHERE id = ?"]
        self._cursor.execute(" ".join(query), (json.dumps(getattr(job, field)), job.id))

    def delete(self, job: Job) -> None:
        self._cursor.execute("DELETE FROM jobs WHERE id = ?", (job.id,))

    def over_before(self, time: datetime) -> list[Job]:
        rows = self._cursor.execute(f"SELECT *, {_MAYBE_OVER}", (_format_time(time),))
        return [self._read(row) or _stand_in(row, time) for row in rows]

    def _set_aside(self, row: dict[str, Any]) -> None:
        query = (
            "UPDATE jobs SET request_id = NULL"
            " WHERE (owner, request_id) = (:owner, :request_id) AND id != :id"
        )
        self._cursor.execute(query, row)

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
            name = row["request_id"] if _is_request_id(row["request_id"]) else str(row["id"])
            self.unreadable[str(row["id"])] = one_line(name, 128)
            return None


def _stand_in(row: sqlite3.Row, at: datetime) -> Job:
    """Return what a damaged row still says of its cost and its time, which is `at` if unreadable.

    Its clip may exist, and nothing says that a caller has taken it.
    """
    with suppress(ValueError, TypeError, OverflowError):
        at = _parse_time(row["at"]) or at
    cost, estimate = row["cost_usd"], row["estimated_microdollars"]
    return Job(
        id=str(row["id"]),
        created_at=at,
        status=Status.COMPLETED,
        cost_usd=cost if isinstance(cost, float) and 0 < cost < inf else None,
        estimated_microdollars=estimate if isinstance(estimate, int) else None,
    )


def _and_status_in(statuses: Collection[Status]) -> list[str]:
    # As many as there are: with one state, SQLite reads the index on it in order.
    return ["AND status IN (", ", ".join("?" * len(statuses)), ")"] if statuses else []


def _to_row(job: Job, at: datetime) -> dict[str, Any]:
    row: dict[str, Any] = vars(job) | vars(job.outputs) | {"arguments": job.digest}
    del row["outputs"]
    row |= {name: json.dumps(row[name]) for name in _JSON_COLUMNS}
    row |= {name: row[name] and _format_time(row[name]) for name in _TIME_COLUMNS}
    return row | {"changed_at": _format_time(at)}


def _from_row(row: sqlite3.Row) -> Job:
    values: dict[str, Any] = dict(zip(row.keys(), row, strict=True))
    for name in _JSON_COLUMNS:
        values[name] = json.loads(values[name])
    for name in _TIME_COLUMNS:
        values[name] = _parse_time(values[name])
    values["outputs"] = {name: values[name] for name in ("videos", "images")}
    # A value of a wrong type would break whoever uses it, far from here.
    job = _job_type().validate_python(values)
    if not (_is_request_id(job.request_id) or (job.request_id is None and job.status not in OPEN)):
        raise ValueError
    return job


def _is_request_id(value: Any) -> bool:
    return isinstance(value, str) and bool(fullmatch(REQUEST_ID_PATTERN, value))


@cache
def _job_type() -> TypeAdapter[Job]:
    return TypeAdapter(Job)


def _format_time(time: datetime) -> str:
    # Always in UTC and with microseconds: the text then sorts as the times do.
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
