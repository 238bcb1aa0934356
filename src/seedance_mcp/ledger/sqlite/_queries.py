"""Jobs as rows: every SQL statement of the SQLite ledger, and nothing else."""

import json
import sqlite3
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from math import inf
from re import fullmatch
from typing import Any

from pydantic import TypeAdapter

from seedance_mcp.jobs.job import REQUEST_ID_PATTERN, Job
from seedance_mcp.jobs.status import OPEN, Status
from seedance_mcp.ledger._rows import Event, StoredField
from seedance_mcp.text import one_line

# Columns have the fields' names; only these are stored in another form.
_JSON_COLUMNS = ("arguments", "files", "videos", "images", "saved_to", "acknowledged_by")
_TIME_COLUMNS = ("created_at", "started_at", "finished_at")

# A date in any other form than ours may sort anywhere; such a job counts from its last change.
_DATED = "(created_at GLOB '????-??-??T??:??:??.??????+00:00' AND julianday(created_at) NOT NULL)"
# Such rows are looked for in an index, which is shorter than the table.
_UNDATED = f"rowid IN (SELECT rowid FROM jobs WHERE NOT {_DATED})"
_STARTED = f"model_id IS NOT NULL AND at > ?1 AND (created_at BETWEEN ?1 AND ?2 OR {_UNDATED})"
_COUNTED = f"{_STARTED} AND (status != 'cancelled' OR cost_usd > 0)"
_AT = f"iif({_DATED}, created_at, changed_at) AS at"
_SELECT = f"SELECT *, {_AT} FROM jobs WHERE"
# Arguments, which are long, where only a price can say what a job costs.
_COSTS = (
    "SELECT count(*) AS jobs, min(id) AS id, model_id, status, cost_usd, estimated_microdollars,"
    " iif(cost_usd > 0 OR estimated_microdollars NOT NULL, '{}', arguments) AS said,"
    f" {_AT} FROM jobs WHERE"
)
_BY_COST = "GROUP BY model_id, cost_usd, estimated_microdollars, said"


class SqliteRows:
    """The row operations of `ledger._rows.Rows`, on a connection with a transaction open."""

    def __init__(self, connection: sqlite3.Connection, process: str) -> None:
        self.unreadable = dict[str, str]()
        self._cursor = connection.cursor()
        self._cursor.row_factory = sqlite3.Row
        self.process = process

    def secret(self) -> bytes:
        return self._value("SELECT key FROM secret")

    def by_id(self, job_id: str) -> Job | None:
        return next(iter(self._jobs("id = ?", job_id)), None)

    def by_request_id(self, request_id: str | None, owner: str) -> Job | None:
        return next(iter(self._jobs("owner = ? AND request_id = ?", owner, request_id)), None)

    def by_approval(self, approval: str, *, damaged_at: datetime) -> Job | None:
        return next(iter(self._jobs("approval = ?", approval, damaged_at=damaged_at)), None)

    def identical(self, job: Job) -> list[Job]:
        where = "fingerprint IN (?, ?) ORDER BY created_at DESC LIMIT 1000"
        either = job.fingerprint, job.fingerprint_as_sent
        return self._jobs(where, *either, damaged_at=job.created_at)

    def newest(self, owner: str, *, statuses: Collection[Status], limit: int) -> list[Job]:
        where = f"owner = ?{_and_in(statuses)} ORDER BY created_at DESC, rowid DESC LIMIT ?"
        return self._jobs(where, owner, *statuses, limit)

    def count(self, owner: str, *, statuses: Collection[Status]) -> int:
        query = f"SELECT coalesce(sum(jobs), 0) FROM totals WHERE owner = ?{_and_in(statuses)}"
        return self._value(query, owner, *statuses)

    def latest(self, until: datetime, *, other_than: str = "") -> datetime | None:
        where = f"created_at <= ? AND id != ? AND {_DATED} ORDER BY created_at DESC LIMIT 1"
        return self._first_time(where, until, other_than)

    def nth_newest(self, n: int, *, since: datetime, until: datetime) -> datetime | None:
        where = f"{_STARTED} ORDER BY at DESC LIMIT 1 OFFSET ?3"
        return self._first_time(where, since, until, n - 1)

    def started(self, *, since: datetime, until: datetime) -> list[Job]:
        return self._jobs(f"{_COUNTED} ORDER BY at", since, until, damaged_at=since)

    def costs(
        self, owner: str | None, *, since: datetime, until: datetime
    ) -> list[tuple[Job, int]]:
        query = f"{_COSTS} {_COUNTED} AND owner = coalesce(?3, owner) {_BY_COST}"
        values = _format_time(since), _format_time(until), owner
        return [
            (replace(_stand_in(row, since), model_id=row["model_id"], arguments=_said(row)), count)
            for row in self._cursor.execute(query, values)
            if (count := row["jobs"])
        ]

    def events(self, job: Job) -> list[Event]:
        query = "SELECT at, was, became FROM events WHERE job = ? ORDER BY rowid"
        return [
            Event(at=_time_or_none(at), was=was and str(was), became=str(became))
            for at, was, became in self._cursor.execute(query, (job.id,))
        ]

    def submitting(self) -> list[tuple[Job, str]]:
        rows = self._rows("status = 'submitting' AND process != ?", self.process)
        return [(job, row["process"]) for row in rows if (job := self._read(row))]

    def over_before(self, time: datetime) -> list[Job]:
        where = f"created_at < ?1 OR finished_at < ?1 OR {_UNDATED}"
        return self._jobs(where, time, damaged_at=time)

    def write(self, job: Job, *, at: datetime) -> None:
        row = _to_row(job, at)
        new = row | {"process": self.process}
        was = self._value("SELECT status FROM jobs WHERE id = ?", job.id)
        # Another row with its request_id is damaged, or the rules had found it; it still counts.
        self._cursor.execute(
            "UPDATE jobs SET request_id = NULL"
            " WHERE (owner, request_id) = (:owner, :request_id) AND id != :id",
            row,
        )
        self._cursor.execute(
            f"INSERT INTO jobs ({', '.join(new)}) VALUES (:{', :'.join(new)}) ON CONFLICT (id)"
            f" DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in row)}",
            new,
        )
        if was != job.status:
            event = job.id, row["changed_at"], was, job.status
            self._cursor.execute("INSERT INTO events VALUES (?, ?, ?, ?)", event)

    def set_field(self, job: Job, field: StoredField) -> None:
        values = json.dumps(getattr(job, field)), job.id
        self._cursor.execute(f"UPDATE jobs SET {field} = ? WHERE id = ?", values)

    def delete(self, job: Job) -> None:
        self._cursor.execute("DELETE FROM jobs WHERE id = ?", (job.id,))

    def _value(self, query: str, *values: Any) -> Any:
        row = self._cursor.execute(query, values).fetchone()
        return row[0] if row else None

    def _rows(self, where: str, *values: Any) -> Iterable[sqlite3.Row]:
        written = [_format_time(each) if isinstance(each, datetime) else each for each in values]
        return self._cursor.execute(f"{_SELECT} {where}", written)

    def _first_time(self, where: str, *values: Any) -> datetime | None:
        for row in self._rows(where, *values):
            # SQLite takes for dates what are none, such as 30 February.
            for text in row["at"], row["changed_at"]:
                with suppress(ValueError, OverflowError):
                    return _parse_time(text)
        return None

    def _jobs(self, where: str, *values: Any, damaged_at: datetime | None = None) -> list[Job]:
        """Return the jobs of rows; if `damaged_at` is given, with stand-ins for damaged ones."""
        rows = self._rows(where, *values)
        jobs = (self._read(row) or (damaged_at and _stand_in(row, damaged_at)) for row in rows)
        return [job for job in jobs if job]

    def _read(self, row: sqlite3.Row) -> Job | None:
        """Return a row's job; note a damaged row and return None."""
        try:
            return _from_row(row)
        except (ValueError, TypeError, OverflowError, RecursionError):
            named = fullmatch(REQUEST_ID_PATTERN, str(row["request_id"] or ""))
            self.unreadable[str(row["id"])] = named[0] if named else one_line(str(row["id"]), 128)
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
        status=Status.CANCELLED if row["status"] == Status.CANCELLED else Status.COMPLETED,
        cost_usd=cost if isinstance(cost, float) and 0 <= cost < inf else None,
        estimated_microdollars=estimate if isinstance(estimate, int) else None,
    )


def _said(row: sqlite3.Row) -> dict[str, Any]:
    """Return the arguments of a row, none if they are damaged."""
    with suppress(ValueError, TypeError, RecursionError):
        arguments: Any = json.loads(row["said"])
        return dict(arguments)
    return {}


def _time_or_none(text: Any) -> datetime | None:
    with suppress(ValueError, TypeError, OverflowError):
        return _parse_time(text)
    return None


def _and_in(statuses: Collection[Status]) -> str:
    # With one state, SQLite reads the index on it in order.
    return f" AND status IN ({', '.join('?' * len(statuses))})" if statuses else ""


def _to_row(job: Job, at: datetime) -> dict[str, Any]:
    row: dict[str, Any] = vars(job) | vars(job.outputs) | {"arguments": job.digest}
    del row["outputs"]
    row |= {name: json.dumps(row[name]) for name in _JSON_COLUMNS}
    row |= {name: row[name] and _format_time(row[name]) for name in _TIME_COLUMNS}
    return row | {"fingerprint": job.fingerprint, "changed_at": _format_time(at)}


def _from_row(row: sqlite3.Row) -> Job:
    values = dict(row)
    values |= {name: json.loads(values[name]) for name in _JSON_COLUMNS}
    values |= {name: _parse_time(values[name]) for name in _TIME_COLUMNS}
    # A value of a wrong type, or a wrong id, would break whoever uses it, far from here.
    job = _job_type().validate_python(values | {"outputs": values})
    needs_id = job.request_id is not None or job.status in OPEN
    if needs_id and not fullmatch(REQUEST_ID_PATTERN, job.request_id or ""):
        raise ValueError
    return job


@cache
def _job_type() -> TypeAdapter[Job]:
    return TypeAdapter(Job)


def _format_time(time: datetime) -> str:
    # Always in UTC and with microseconds: the text then sorts as the times do.
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
