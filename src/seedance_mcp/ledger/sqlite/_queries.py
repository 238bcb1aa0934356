"""Jobs as rows: every SQL statement of the SQLite ledger, and nothing else."""

import json
import sqlite3
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger._columns import (
    DAMAGE,
    from_row,
    name_of,
    read_arguments,
    read_prompt,
    read_time,
    stand_in,
    to_row,
)
from seedance_mcp.ledger._rows import Event, StoredField

# A date in any other form than ours may sort anywhere; such a job counts from its last change.
_DATED = "(created_at GLOB '????-??-??T??:??:??.??????+00:00' AND julianday(created_at) NOT NULL)"
# Such rows are looked for in an index, which is shorter than the table.
_UNDATED = f"rowid IN (SELECT rowid FROM jobs WHERE NOT {_DATED})"
_STARTED = f"model_id IS NOT NULL AND at > ?1 AND (created_at BETWEEN ?1 AND ?2 OR {_UNDATED})"
_COUNTED = f"{_STARTED} AND (status != 'cancelled' OR cost_usd > 0)"
_OF_OWNER = "owner = coalesce(?3, owner)"
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

    def __init__(
        self, connection: sqlite3.Connection, process: str, window: str | None = None
    ) -> None:
        self.unreadable = dict[str, str]()
        self._cursor = connection.cursor()
        self._cursor.row_factory = sqlite3.Row
        self.process = process
        self.window = window or process

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

    def prompts(
        self, owner: str, *, statuses: Collection[Status], skip: int, limit: int
    ) -> list[tuple[str, str]]:
        order = "ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?"
        query = f"SELECT id, arguments FROM jobs WHERE owner = ?{_and_in(statuses)} {order}"
        rows = self._cursor.execute(query, (owner, *statuses, limit, skip))
        return [(str(row["id"]), read_prompt(row["arguments"])) for row in rows]

    def count(self, owner: str, *, statuses: Collection[Status]) -> int:
        query = f"SELECT coalesce(sum(jobs), 0) FROM totals WHERE owner = ?{_and_in(statuses)}"
        return self._value(query, owner, *statuses)

    def states(self) -> dict[str, int]:
        query = "SELECT status, sum(jobs) FROM totals GROUP BY status"
        return {str(status): jobs for status, jobs in self._cursor.execute(query)}

    def latest(self, until: datetime, *, other_than: str = "") -> datetime | None:
        where = f"created_at <= ? AND id != ? AND {_DATED} ORDER BY created_at DESC LIMIT 1"
        return self._first_time(where, until, other_than)

    def nth_newest(
        self, n: int, *, since: datetime, until: datetime, owner: str | None = None
    ) -> datetime | None:
        where = f"{_STARTED} AND {_OF_OWNER} ORDER BY at DESC LIMIT 1 OFFSET ?4"
        return self._first_time(where, since, until, owner, n - 1)

    def started(self, *, since: datetime, until: datetime, owner: str | None = None) -> list[Job]:
        where = f"{_COUNTED} AND {_OF_OWNER} ORDER BY at"
        return self._jobs(where, since, until, owner, damaged_at=since)

    def costs(
        self, owner: str | None, *, since: datetime, until: datetime
    ) -> list[tuple[Job, int]]:
        query = f"{_COSTS} {_COUNTED} AND {_OF_OWNER} {_BY_COST}"
        values = _to_sqlite(since), _to_sqlite(until), owner
        return [
            (replace(stand_in(dict(row), since), model_id=row["model_id"], arguments=said), count)
            for row in self._cursor.execute(query, values)
            if (count := row["jobs"])
            for said in [read_arguments(row["said"])]
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

    def everything(self) -> list[tuple[Job, datetime]]:
        """Return every readable job with when its row was last written, the oldest row first."""
        return [
            (job, _time_or_none(row["changed_at"]) or job.created_at)
            for row in self._rows("1 ORDER BY rowid")
            if (job := self._read(row))
        ]

    def posters(
        self, ids: Collection[str], *, owner: str | None, most_bytes: int
    ) -> dict[str, bytes]:
        # Of a large value, no more than its length is read.
        query = (
            "SELECT job, jpeg FROM posters JOIN jobs ON id = job"
            " WHERE job IN (SELECT value FROM json_each(?)) AND owner = coalesce(?, owner)"
            " AND typeof(jpeg) = 'blob' AND length(jpeg) <= ?"
        )
        values = json.dumps(list(ids)), owner, most_bytes
        return {str(job): jpeg for job, jpeg in self._cursor.execute(query, values)}

    def set_poster(self, job: Job, jpeg: bytes | None) -> None:
        self._cursor.execute("DELETE FROM posters WHERE job = ?", (job.id,))
        if jpeg:
            self._cursor.execute("INSERT INTO posters VALUES (?, ?)", (job.id, jpeg))

    def delete_posters(self, *, beyond: int) -> None:
        # The last are those without a job, which another program deleted.
        self._cursor.execute(
            "DELETE FROM posters WHERE job IN ("
            "SELECT job FROM posters LEFT JOIN jobs ON id = job"
            " ORDER BY created_at DESC, jobs.rowid DESC LIMIT -1 OFFSET ?)",
            (beyond,),
        )

    def write(self, job: Job, *, at: datetime) -> None:
        row = {column: _to_sqlite(value) for column, value in to_row(job, at).items()}
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
        return self._cursor.execute(f"{_SELECT} {where}", list(map(_to_sqlite, values)))

    def _first_time(self, where: str, *values: Any) -> datetime | None:
        for row in self._rows(where, *values):
            # SQLite takes for dates what are none, such as 30 February.
            for text in row["at"], row["changed_at"]:
                with suppress(*DAMAGE):
                    return read_time(text)
        return None

    def _jobs(self, where: str, *values: Any, damaged_at: datetime | None = None) -> list[Job]:
        """Return the jobs of rows; if `damaged_at` is given, with stand-ins for damaged ones."""
        rows = self._rows(where, *values)
        jobs = (self._read(row) or (damaged_at and stand_in(dict(row), damaged_at)) for row in rows)
        return [job for job in jobs if job]

    def _read(self, row: sqlite3.Row) -> Job | None:
        """Return a row's job; note a damaged row and return None."""
        try:
            return from_row(dict(row))
        except DAMAGE:
            self.unreadable[str(row["id"])] = name_of(dict(row))
            return None


def _time_or_none(text: Any) -> datetime | None:
    with suppress(*DAMAGE):
        return read_time(text)
    return None


def _and_in(statuses: Collection[Status]) -> str:
    # With one state, SQLite reads the index on it in order.
    return f" AND status IN ({', '.join('?' * len(statuses))})" if statuses else ""


def _to_sqlite(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    # Always in UTC and with microseconds: the text then sorts as the times do.
    return value.astimezone(UTC).isoformat(timespec="microseconds")
