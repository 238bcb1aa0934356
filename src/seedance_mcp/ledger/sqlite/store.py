"""The ledger over sqlite3, shared by every server process of one machine.

Each step is one transaction on the event loop's own thread: it takes a millisecond or so, and a
cancelled call can be cancelled before it or after it, never within. Only waiting for another
process's lock is given back to the loop. `BEGIN IMMEDIATE` and a rollback journal are used, since
switching a fresh file to WAL fails under several processes in spite of a time-out.
"""

import hmac
import os
import sqlite3
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.job import Job, advance, is_reusable
from seedance_mcp.jobs.status import Observation, OutcomeLost, Status
from seedance_mcp.ledger._rules import merged
from seedance_mcp.ledger.store import Page
from seedance_mcp.spending.limits import (
    DAY,
    HOUR,
    SpendingLimits,
    check_daily_limit,
    check_hourly_limit,
)

from . import _queries as rows
from ._migrations import migrate, transaction
from ._processes import LiveProcesses

LOCK_PATIENCE_SECONDS = 5.0
"""How long a step waits for another process's lock; each holds it for milliseconds."""

_T = TypeVar("_T")
_Step = Callable[[sqlite3.Connection], _T]

_MEANINGS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it cannot be written",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_PERM: "it may not be opened",
    sqlite3.SQLITE_AUTH: "it may not be opened",
    sqlite3.SQLITE_IOERR: "the disk failed, or is full",
    sqlite3.SQLITE_CORRUPT: "it is damaged; move it away to begin a new one",
    sqlite3.SQLITE_NOTADB: "it is damaged or no database; move it away to begin a new one",
    sqlite3.SQLITE_BUSY: "another program keeps it locked",
    sqlite3.SQLITE_LOCKED: "another program keeps it locked",
}
"""What SQLite's primary result codes mean to a user."""


class SqliteStore:
    """A ledger in a folder; it is opened by the first step that needs it.

    Args:
        folder: The state folder; made where it is not there, for its owner only.
        clock: Clock, pauses and jitter while another process holds the lock.
        history: How long finished jobs are kept.
    """

    def __init__(self, folder: Path, clock: Clock, *, history: timedelta) -> None:
        self._folder = folder
        self._path = folder / "ledger.db"
        self._clock = clock
        self._history = history
        self._opened: tuple[sqlite3.Connection, LiveProcesses] | None = None

    async def owner(self, token: str) -> str:
        """Give the owner that a token stands for: a keyed hash that does not tell the token."""
        key = await self._step(rows.secret)
        return hmac.new(key, token.encode(), sha256).hexdigest()

    async def begin(
        self, job: Job, *, force_new: bool, delivered_ids: Collection[str], limits: SpendingLimits
    ) -> Job:
        """Write a job down, or find the one that an identical call is owed."""

        def step(connection: sqlite3.Connection) -> Job:
            self._settle(connection)
            if not force_new and (owed := _owed(connection, job, delivered_ids)):
                return owed
            _check_limits(connection, job, limits)
            rows.insert(connection, job, process=self._presence.process, at=job.created_at)
            return job

        return await self._step(step, writes=True)

    async def find_reusable(self, job: Job, *, delivered_ids: Collection[str]) -> Job | None:
        """Give the job that a call which would begin this one is owed, None for nothing."""

        def step(connection: sqlite3.Connection) -> Job | None:
            self._settle(connection)
            return _owed(connection, job, delivered_ids)

        return await self._step(step)

    async def discard(self, job: Job) -> None:
        """Forget a job that certainly was not accepted."""
        await self._step(partial(rows.delete, job=job), writes=True)

    async def observe(self, job: Job, observation: Observation, now: datetime) -> Job:
        """Take the step that an observation calls for, and give the job as it is now."""

        def step(connection: sqlite3.Connection) -> Job:
            stored = rows.by_id(connection, job.id) or _twin(connection, job)
            # An id that could not be written down when it came is made up for here.
            behind = stored is None or (job.request_id and not stored.request_id)
            became = advance(job if stored is None or behind else stored, observation, now)
            if stored is None:
                rows.insert(connection, became, process=self._presence.process, at=now)
                return became
            if not stored.request_id and (twin := _twin(connection, became)):
                became = merged(became, twin)
                rows.delete(connection, twin)
            if became != stored:
                rows.update(connection, became, was=stored.status, at=now)
            return became

        return await self._step(step, writes=True)

    async def mark_delivered(self, job: Job) -> None:
        """Note that an answer naming the job's request_id was given."""
        await self._step(partial(rows.deliver, job=job), writes=True)

    async def set_saved_to(self, job: Job) -> None:
        """Note where a job's files were saved."""
        await self._step(partial(rows.save, job=job), writes=True)

    async def get(self, job: Job) -> Job | None:
        """Give the job as it is now, None where it is not there, or not any more."""

        def step(connection: sqlite3.Connection) -> Job | None:
            self._settle(connection)
            return rows.by_id(connection, job.id)

        return await self._step(step)

    async def find(self, request_id: str, owner: str) -> Job | None:
        """Give an owner's job by the service's id, None where the ledger has none."""
        return await self._step(partial(rows.by_request_id, request_id=request_id, owner=owner))

    async def recent(self, owner: str, *, statuses: Collection[Status] = (), limit: int) -> Page:
        """Give an owner's newest jobs, all or, where states are named, those in one of them."""

        def step(connection: sqlite3.Connection) -> Page:
            self._settle(connection)
            jobs = rows.newest(connection, owner, statuses=statuses, limit=limit)
            return Page(jobs=jobs, total=rows.count(connection, owner, statuses=statuses))

        return await self._step(step)

    def close(self) -> None:
        """Let go of the file, and of this process's sign of life."""
        if self._opened:
            connection, presence = self._opened
            self._opened = None
            connection.close()
            presence.close()

    @property
    def _presence(self) -> LiveProcesses:
        return self._open()[1]

    async def _step(self, step: _Step[_T], *, writes: bool = False) -> _T:
        """Take a step in a transaction, waiting while another process holds the lock."""
        deadline = anyio.current_time() + LOCK_PATIENCE_SECONDS
        while True:
            try:
                return self._transaction(step, writes=writes)
            except sqlite3.Error as error:
                busy = _primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
                if not busy or anyio.current_time() > deadline:
                    raise self._explained(error) from error
            except OSError as error:
                raise LedgerError(
                    f"The ledger in {self._folder} cannot be used: {error.strerror}."
                ) from error
            await self._clock.sleep(0.002 + 0.02 * self._clock.random())

    def _transaction(self, step: _Step[_T], *, writes: bool) -> _T:
        connection, _ = self._open()
        with transaction(connection, writes=writes):
            return step(connection)

    def _open(self) -> tuple[sqlite3.Connection, LiveProcesses]:
        if self._opened is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_private(self._path)
            connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
            try:
                # The most careful setting: a commit outlives the loss of power.
                connection.execute("PRAGMA synchronous = EXTRA")
                # A journal that is made for each step and removed after it makes the file system
                # commit too: twice the time, and on a busy machine up to 20 ms.
                connection.execute("PRAGMA journal_mode = PERSIST")
                connection.execute("PRAGMA foreign_keys = ON")
                migrate(connection)
                presence = LiveProcesses(self._folder / "processes")
            except BaseException:
                connection.close()
                raise
            self._opened = connection, presence
            with suppress(sqlite3.Error, OSError):
                self._transaction(self._tidy, writes=True)
        return self._opened

    def _tidy(self, connection: sqlite3.Connection) -> None:
        """Let go of finished jobs that are old, and of what dead processes left."""
        self._settle(connection)
        rows.prune(connection, before=self._clock.now() - self._history)
        self._presence.remove_dead()

    def _settle(self, connection: sqlite3.Connection) -> None:
        """Mark what dead processes were about to buy: whether they did cannot be known."""
        presence = self._presence
        now = self._clock.now()
        for process in rows.submitting_processes(connection):
            if not presence.is_alive(process):
                for job in rows.submitting_of(connection, process):
                    became = advance(job, OutcomeLost(), now)
                    rows.update(connection, became, was=job.status, at=now)

    def _explained(self, error: sqlite3.Error) -> LedgerError:
        meaning = _MEANINGS.get(_primary_code(error), f"SQLite says {error}")
        return LedgerError(f"The ledger {self._path} cannot be used: {meaning}.")


def _make_private(path: Path) -> None:
    """Make a file that is its owner's alone, or make one so; SQLite lets everybody read."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(OSError, AttributeError):
            os.fchmod(file, 0o600)
    finally:
        os.close(file)


def _primary_code(error: sqlite3.Error) -> int:
    """Give SQLite's result code without its extension, 0 where the error has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _owed(connection: sqlite3.Connection, job: Job, delivered_ids: Collection[str]) -> Job | None:
    alike = rows.undelivered_like(connection, job)
    return next(
        (old for old in alike if old.id not in delivered_ids and is_reusable(old, job)), None
    )


def _twin(connection: sqlite3.Connection, job: Job) -> Job | None:
    """Find the row that has a job's request_id, under whatever id of ours."""
    if not job.request_id:
        return None
    return rows.by_request_id(connection, request_id=job.request_id, owner=job.owner)


def _check_limits(connection: sqlite3.Connection, job: Job, limits: SpendingLimits) -> None:
    """Refuse a job that its owner may not begin, counting all processes."""
    number, now = limits.jobs_per_hour, job.created_at
    oldest = rows.begun_at(connection, job.owner, since=now - HOUR, number=number)
    check_hourly_limit(job, oldest, limits)
    if limits.usd_per_day is not None:
        check_daily_limit(job, rows.begun_since(connection, job.owner, since=now - DAY), limits)
