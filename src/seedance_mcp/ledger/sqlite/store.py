"""The ledger in SQLite, shared by every server process of one machine.

Each transaction runs on the event loop's own thread: it takes about a millisecond, and a cancelled
call is cancelled before it or after it, never within. Only waiting for another process's lock is
left to the loop. `BEGIN IMMEDIATE` and a rollback journal are used because switching a fresh file
to WAL fails under several processes, whatever the timeout (seen: 9 times in 180).
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError
from seedance_mcp.ledger.store import Store

from ._migrations import migrate, transaction
from ._processes import LiveProcesses
from ._queries import SqliteRows

LOCK_TIMEOUT_SECONDS = 5.0
"""How long to wait for another process's lock; each is held for milliseconds."""

_T = TypeVar("_T")

_MEANINGS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_PERM: "permission denied",
    sqlite3.SQLITE_AUTH: "permission denied",
    sqlite3.SQLITE_IOERR: "the disk failed, or is full",
    sqlite3.SQLITE_CORRUPT: "it is damaged; move it away to start a new one",
    sqlite3.SQLITE_NOTADB: "it is damaged or not a database; move it away to start a new one",
    sqlite3.SQLITE_BUSY: "it is locked by another program",
    sqlite3.SQLITE_LOCKED: "it is locked by another program",
}
"""What SQLite's primary result codes mean to a user."""


class SqliteStore(Store):
    """A ledger in a folder, opened by its first transaction.

    Args:
        folder: The state folder; created if it is missing, for its owner only.
        clock: Clock, and pauses and jitter while another process holds the lock.
        history: How long finished jobs are kept.
    """

    def __init__(self, folder: Path, clock: Clock, *, history: timedelta) -> None:
        super().__init__(clock, history=history)
        self._folder = folder
        self._path = folder / "ledger.db"
        self._opened: tuple[sqlite3.Connection, LiveProcesses] | None = None

    def close(self) -> None:
        """Close the file; jobs that this process is submitting become `unknown`."""
        if self._opened:
            connection, processes = self._opened
            self._opened = None
            connection.close()
            processes.close()

    def _is_alive(self, process: str) -> bool:
        _, processes = self._open()
        return processes.is_alive(process)

    async def _run(self, step: Callable[[SqliteRows], _T], *, writes: bool = False) -> _T:
        deadline = anyio.current_time() + LOCK_TIMEOUT_SECONDS
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

    def _transaction(self, step: Callable[[SqliteRows], _T], *, writes: bool) -> _T:
        connection, processes = self._open()
        with transaction(connection, writes=writes):
            return step(SqliteRows(connection, processes.process))

    def _open(self) -> tuple[sqlite3.Connection, LiveProcesses]:
        if self._opened is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_private(self._path)
            connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
            try:
                # The most careful setting: a commit survives a power failure.
                connection.execute("PRAGMA synchronous = EXTRA")
                # Creating and removing the journal in each transaction makes the file system
                # commit too: twice the time, and up to 20 ms on a busy machine.
                connection.execute("PRAGMA journal_mode = PERSIST")
                connection.execute("PRAGMA foreign_keys = ON")
                migrate(connection)
                processes = LiveProcesses(self._folder / "processes")
            except BaseException:
                connection.close()
                raise
            self._opened = connection, processes
            # Only housekeeping: the next start does what fails here.
            with suppress(sqlite3.Error, OSError):
                self._transaction(self._clean_up, writes=True)
                processes.remove_dead()
        return self._opened

    def _explained(self, error: sqlite3.Error) -> LedgerError:
        meaning = _MEANINGS.get(_primary_code(error), f"SQLite says {error}")
        return LedgerError(f"The ledger {self._path} cannot be used: {meaning}.")


def _make_private(path: Path) -> None:
    """Create a file that only its owner may read, or make it so; SQLite's are readable by all."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(OSError, AttributeError):
            os.fchmod(file, 0o600)
    finally:
        os.close(file)


def _primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's result code without its extension, 0 for an error of Python's module."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
