"""Jobs as rows: every SQL statement of the PostgreSQL ledger about jobs, and nothing else."""

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

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
from seedance_mcp.text import valid

from . import _statements as sql

_MOST_NOTIFIED_BYTES = 7_000
"""PostgreSQL refuses 8,000, and the transaction with it."""


class PostgresRows:
    """The row operations of `ledger._rows.Rows`, on a connection with a transaction open.

    Attributes:
        connection: That connection.
        begun: Our ids of the new rows of jobs whose POST is still to be sent.
    """

    def __init__(
        self, connection: Connection[Any], process: str, window: str | None = None
    ) -> None:
        self.unreadable = dict[str, str]()
        self.process = process
        self.window = window or process
        self.begun: list[str] = []
        self.connection = connection
        self._cursor = connection.cursor(row_factory=dict_row)

    def secret(self) -> bytes:
        return bytes(self._value("SELECT key FROM seedance.secret"))

    def by_id(self, job_id: str) -> Job | None:
        return next(iter(self._jobs("id = %(id)s", id=job_id)), None)

    def by_request_id(self, request_id: str | None, owner: str) -> Job | None:
        where: LiteralString = "owner = %(owner)s AND request_id = %(request_id)s"
        return next(iter(self._jobs(where, owner=owner, request_id=request_id)), None)

    def by_approval(self, approval: str, *, damaged_at: datetime) -> Job | None:
        found = self._jobs("approval = %(approval)s", damaged_at, approval=approval)
        return next(iter(found), None)

    def identical(self, job: Job) -> list[Job]:
        where: LiteralString = (
            "fingerprint IN (%(read)s, %(sent)s) ORDER BY created_at DESC, number DESC LIMIT 1000"
        )
        either = {"read": job.fingerprint, "sent": job.fingerprint_as_sent}
        return self._jobs(where, job.created_at, **either)

    def newest(self, owner: str, *, statuses: Collection[Status], limit: int) -> list[Job]:
        where: LiteralString = f"owner = %(owner)s{_and_in(statuses)}"
        where = f"{where} ORDER BY created_at DESC, number DESC LIMIT %(limit)s"
        return self._jobs(where, owner=owner, statuses=_words(statuses), limit=limit)

    def prompts(
        self, owner: str, *, statuses: Collection[Status], skip: int, limit: int
    ) -> list[tuple[str, str]]:
        query: LiteralString = "SELECT id, arguments FROM seedance.jobs WHERE owner = %(owner)s"
        order: LiteralString = "ORDER BY created_at DESC, number DESC"
        query = f"{query}{_and_in(statuses)} {order} LIMIT %(limit)s OFFSET %(skip)s"
        rows = self._rows(query, owner=owner, statuses=_words(statuses), limit=limit, skip=skip)
        return [(row["id"], read_prompt(row["arguments"])) for row in rows]

    def count(self, owner: str, *, statuses: Collection[Status]) -> int:
        query: LiteralString = "SELECT count(*) FROM seedance.jobs WHERE owner = %(owner)s"
        return self._value(f"{query}{_and_in(statuses)}", owner=owner, statuses=_words(statuses))

    def states(self) -> dict[str, int]:
        rows = self._rows("SELECT status, count(*) AS jobs FROM seedance.jobs GROUP BY status")
        return {row["status"]: row["jobs"] for row in rows}

    def latest(self, until: datetime, *, other_than: str = "") -> datetime | None:
        where: LiteralString = "created_at <= %(until)s AND id <> %(other_than)s"
        where = f"{where} ORDER BY created_at DESC LIMIT 1"
        return self._first_time(where, until=until, other_than=other_than)

    def nth_newest(
        self, n: int, *, since: datetime, until: datetime, owner: str | None = None
    ) -> datetime | None:
        where: LiteralString = f"{sql.STARTED} ORDER BY created_at DESC LIMIT 1 OFFSET %(skipped)s"
        return self._first_time(where, since=since, until=until, owner=owner, skipped=n - 1)

    def started(self, *, since: datetime, until: datetime, owner: str | None = None) -> list[Job]:
        where: LiteralString = f"{sql.COUNTED} ORDER BY created_at"
        return self._jobs(where, since, since=since, until=until, owner=owner)

    def costs(
        self, owner: str | None, *, since: datetime, until: datetime
    ) -> list[tuple[Job, int]]:
        return [
            (replace(stand_in(row, since), model_id=row["model_id"], arguments=said), row["jobs"])
            for row in self._rows(sql.COSTS, since=since, until=until, owner=owner)
            for said in [read_arguments(row["said"])]
        ]

    def events(self, job: Job) -> list[Event]:
        query: LiteralString = (
            "SELECT at, was, became FROM seedance.events WHERE job = %(job)s ORDER BY number"
        )
        return [
            Event(at=read_time(row["at"]), was=row["was"], became=row["became"])
            for row in self._rows(query, job=job.id)
        ]

    def submitting(self) -> list[tuple[Job, str]]:
        query: LiteralString = f"{sql.SELECT} status = 'submitting' AND process <> %(process)s"
        rows = self._rows(query, process=self.process)
        return [(job, row["process"]) for row in rows if (job := self._read(row))]

    def over_before(self, time: datetime) -> list[Job]:
        where: LiteralString = "created_at < %(time)s OR finished_at < %(time)s"
        return self._jobs(where, time, time=time)

    def changed_since(self, time: datetime) -> list[Job]:
        """Return the jobs that were changed since a time, the last 1000 of them, oldest first."""
        where: LiteralString = "changed_at > %(time)s AND owner <> ''"
        changed = self._jobs(f"{where} ORDER BY changed_at DESC LIMIT 1000", time=time)
        return changed[::-1]

    def posters(
        self, ids: Collection[str], *, owner: str | None, most_bytes: int
    ) -> dict[str, bytes]:
        values = {"ids": list(map(_storable, ids)), "owner": owner, "most_bytes": most_bytes}
        return {row["job"]: bytes(row["jpeg"]) for row in self._rows(sql.POSTERS, **values)}

    def set_poster(self, job: Job, jpeg: bytes | None) -> None:
        self._run(sql.WRITE_POSTER if jpeg else sql.DELETE_POSTER, {"job": job.id, "jpeg": jpeg})

    def delete_posters(self, *, beyond: int) -> None:
        self._run(sql.DELETE_POSTERS, {"beyond": beyond})

    def write(self, job: Job, *, at: datetime) -> None:
        row = to_row(job, at) | {"status": str(job.status)}
        if job.request_id is not None:
            # Another such row is damaged, or the rules had found it; it still counts.
            self._run(
                "UPDATE seedance.jobs SET request_id = NULL WHERE owner = %(owner)s"
                " AND request_id = %(request_id)s AND id <> %(id)s",
                row,
            )
        written = row | {"process": self.process, "payload": self._payload(job)}
        was = self._value(sql.WRITE_CHANGE, **written)
        if was is None and job.status is Status.SUBMITTING:
            self.begun.append(job.id)

    def set_field(self, job: Job, field: StoredField) -> None:
        value = getattr(job, field)
        stored = value if field == "estimated_microdollars" else json.dumps(value)
        query: LiteralString = f"UPDATE seedance.jobs SET {field} = %(value)s WHERE id = %(id)s"
        self._run(query, {"value": stored, "id": job.id})
        notify: LiteralString = f"SELECT pg_notify('{sql.CHANNEL}', %(payload)s)"
        self._run(notify, {"payload": self._payload(job)})

    def delete(self, job: Job) -> None:
        self._run("DELETE FROM seedance.jobs WHERE id = %(id)s", {"id": job.id})

    def _payload(self, job: Job) -> str:
        """Return what all other processes are notified of, once a change is committed."""
        payload = json.dumps([self.process, job.id])
        return payload if len(payload) <= _MOST_NOTIFIED_BYTES else ""

    def _run(self, query: LiteralString, values: Mapping[str, Any]) -> None:
        self._cursor.execute(query, {name: _storable(value) for name, value in values.items()})

    def _rows(self, query: LiteralString, **values: Any) -> list[dict[str, Any]]:
        self._run(query, values)
        return self._cursor.fetchall()

    def _value(self, query: LiteralString, **values: Any) -> Any:
        return next((value for row in self._rows(query, **values) for value in row.values()), None)

    def _first_time(self, where: LiteralString, **values: Any) -> datetime | None:
        return read_time(
            self._value(f"SELECT created_at FROM seedance.jobs WHERE {where}", **values)
        )

    def _jobs(
        self, where: LiteralString, damaged_at: datetime | None = None, **values: Any
    ) -> list[Job]:
        """Return the jobs of rows; if `damaged_at` is given, with stand-ins for damaged ones."""
        rows = self._rows(f"{sql.SELECT} {where}", **values)
        jobs = (self._read(row) or (damaged_at and stand_in(row, damaged_at)) for row in rows)
        return [job for job in jobs if job]

    def _read(self, row: dict[str, Any]) -> Job | None:
        """Return a row's job; note a damaged row and return None."""
        try:
            return from_row(row)
        except DAMAGE:
            self.unreadable[row["id"]] = name_of(row)
            return None


def _and_in(statuses: Collection[Status]) -> LiteralString:
    return " AND status = ANY(%(statuses)s)" if statuses else ""


def _words(statuses: Collection[Status]) -> list[str]:
    return [str(status) for status in statuses]


def _storable(value: Any) -> Any:
    """Return a value as PostgreSQL can store it, whose texts have neither NUL nor surrogates."""
    return valid(value).replace("\0", "\ufffd") if isinstance(value, str) else value
