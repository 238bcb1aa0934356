"""The ledger in SQLite, shared by every server process of one machine.

The connection belongs to a thread of its own, on which each step is one transaction (`_thread`).
`BEGIN IMMEDIATE` and a rollback journal are used because switching a fresh file to WAL fails under
several processes, whatever the timeout (seen: 9 times in 180).
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError, SeedanceError
from seedance_mcp.file_locks import has_sqlite_locks
from seedance_mcp.ledger.store import Store

from ._migrations import MIGRATIONS, OLDEST_COMPATIBLE, migrate, transaction
from ._processes import LiveProcesses, older_process_lives
from ._queries import SqliteRows
from ._thread import LedgerLocked, Outcome, Step, StepThread

LOCK_TIMEOUT_SECONDS = 5.0
"""How long to wait for another process's lock; each is held for milliseconds."""

LOCKED_TIMEOUT_SECONDS = 0.5
"""How long to wait for one that has already lasted longer than that."""

_T = TypeVar("_T")

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NO_LOCKS = (
    "its folder has no file locks; set SEEDANCE_STATE_DIR to a folder on a disk of this machine"
)
_MEANINGS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    **dict.fromkeys((sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH), "permission denied"),
    sqlite3.SQLITE_IOERR: "the disk failed, or is full",
    sqlite3.SQLITE_CORRUPT: "it is damaged; move it away to start a new one",
    sqlite3.SQLITE_NOTADB: "it is damaged or not a database; move it away to start a new one",
    **dict.fromkeys(_BUSY, "it is locked by another program"),
}
"""What SQLite's primary result codes mean to a user."""


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 for an error of Python's module."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def meaning(error: sqlite3.Error) -> str:
    """Return what an error of SQLite means to a user."""
    return _MEANINGS.get(_code(error), f"SQLite says {error}")


class SqliteStore(Store):
    """A ledger in the state folder, opened by its first transaction.

    The folder is created if it is missing, for its owner only. Jobs of an older ledger, which did
    not record where they were begun, are taken for jobs of `origin`.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        origin: str,
        history: timedelta,
        window: str | None = None,
    ) -> None:
        super().__init__(clock, history=history, window=window)
        self._folder = folder
        self._origin = origin
        self._path = folder / "ledger.db"
        self._thread: StepThread | None = None
        self._opened: tuple[sqlite3.Connection, LiveProcesses] | None = None
        # The file that was opened last, and its folder.
        self._places: tuple[os.stat_result, os.stat_result] | None = None

    def close(self) -> None:
        """Close the file; jobs that this process is submitting become `unknown`."""
        thread, self._thread = self._thread, None
        if thread:
            thread.close(self._disconnect)

    async def run(
        self, step: Callable[[SqliteRows], _T], *, writes: bool = False, settles: bool = False
    ) -> _T:
        """Run a step in one transaction, waiting some seconds for other processes' locks."""
        if self._thread is None:
            self._thread = StepThread(
                lambda: 0.002 + 0.02 * self._clock.random(), self._alone, self._together
            )
        # Only `begin` does both. Without it nothing is bought; all others can do without a ledger.
        patient = (writes and settles) or not self._thread.gave_up
        patience = LOCK_TIMEOUT_SECONDS if patient else LOCKED_TIMEOUT_SECONDS
        loop = asyncio.get_running_loop()
        asked = Step(
            work=step,
            writes=writes,
            settles=settles,
            now=self._clock.now(),
            deadline=loop.time() + patience,
            loop=loop,
            outcome=loop.create_future(),
        )
        return await self._thread.run(asked)

    # What follows runs on the thread; nothing else uses the connection.

    def _alone(self, step: Step) -> Any:
        """Carry out a step in a transaction and return its result.

        Raises:
            LedgerError: The file cannot be used; `LedgerLocked` if another process has locked it.
        """
        try:
            connection, processes = self._open(step.now)
            with transaction(connection, writes=step.writes):
                return self._work(step, connection, processes)
        except sqlite3.Error as error:
            code, why = _code(error), meaning(error)
            # Without locks, SQLite says "busy" or reports an I/O error.
            if code in {*_BUSY, sqlite3.SQLITE_IOERR} and not has_sqlite_locks(self._folder):
                code, why = 0, _NO_LOCKS
            kind = LedgerLocked if code in _BUSY else LedgerError
            raise kind(f"The ledger {self._path} cannot be used: {why}.") from error
        except OSError as error:
            raise LedgerError(
                f"The ledger in {self._folder} cannot be used: {error.strerror}; set"
                " SEEDANCE_STATE_DIR to a writable folder."
            ) from error

    def _together(self, steps: Sequence[Step]) -> list[Outcome]:
        """Carry out steps in one transaction, each whole or not at all; return their outcomes.

        Raises:
            Exception: It was not committed.
        """
        connection, processes = self._open(steps[0].now)
        outcomes: list[Outcome] = []
        with transaction(connection, writes=True):
            for step in steps:
                connection.execute("SAVEPOINT step")
                try:
                    outcomes.append((self._work(step, connection, processes), None))
                except SeedanceError as error:
                    connection.execute("ROLLBACK TO step")
                    outcomes.append((None, error))
                connection.execute("RELEASE step")
        return outcomes

    def _work(self, step: Step, connection: sqlite3.Connection, processes: LiveProcesses) -> Any:
        rows = SqliteRows(connection, processes.process, self._window)
        if step.settles:
            self._settle(rows, processes.is_alive, step.now)
        return step.work(rows)

    def _open(self, now: datetime) -> tuple[sqlite3.Connection, LiveProcesses]:
        """Return the connection to the file that is in place, and the processes that use it."""
        if self._places and not self._is_in_place(*self._places):
            self._disconnect()
        if self._opened is None:
            self._opened = connection, processes = self._connect()
            self._places = self._path.stat(), self._folder.stat()
            # Only housekeeping: the next start does what fails here.
            with suppress(sqlite3.Error, OSError):
                with transaction(connection, writes=True):
                    rows = SqliteRows(connection, processes.process)
                    self._settle(rows, processes.is_alive, now)
                    self._clean_up(rows, now)
                processes.remove_dead()
        return self._opened

    def _disconnect(self) -> None:
        opened, self._opened = self._opened, None
        for part in opened or ():
            part.close()

    def _connect(self) -> tuple[sqlite3.Connection, LiveProcesses]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Before SQLite creates the file: its own files are readable by all. One that exists is not
        # opened here: closing it would drop the locks that this process has on it (POSIX).
        if not self._path.exists():
            os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, mode=0o600))
        with suppress(OSError):  # a share may have no permissions
            self._path.chmod(0o600)
        connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
        # A damaged text must not keep all others from being read.
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        try:
            # The most careful setting: a commit survives a power failure.
            connection.execute("PRAGMA synchronous = EXTRA")
            # Creating and removing the journal in each transaction makes the file system
            # commit too: twice the time, and up to 20 ms on a busy machine.
            connection.execute("PRAGMA journal_mode = PERSIST")
            connection.execute("PRAGMA foreign_keys = ON")
            live = self._folder / "processes"
            migrate(connection, self._origin, partial(older_process_lives, live, OLDEST_COMPATIBLE))
            return connection, LiveProcesses(live, len(MIGRATIONS))
        except BaseException:
            connection.close()
            raise

    def _is_in_place(self, file: os.stat_result, folder: os.stat_result) -> bool:
        """Return whether the file is at its path; False if the ledger is to be opened anew.

        Raises:
            LedgerError: A share has dropped out, or so it seems: a new ledger would buy twice.
        """
        try:
            return os.path.samestat(file, self._path.stat())
        except FileNotFoundError:
            with suppress(FileNotFoundError):
                if os.path.samestat(folder, self._folder.stat()):
                    return False
        raise LedgerError(
            f"The folder of the ledger {self._path} is away, or is another one: bring it back, or"
            " restart the server to begin a new ledger."
        )
