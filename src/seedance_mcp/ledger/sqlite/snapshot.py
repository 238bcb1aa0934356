"""The ledger as it is now, for readers that must not change it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import TypeVar

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError
from seedance_mcp.ledger import _rules as rules
from seedance_mcp.ledger.store import Store

from ._migrations import migrate, transaction
from ._processes import process_lives
from ._queries import SqliteRows
from .store import LOCK_TIMEOUT_SECONDS, meaning

_T = TypeVar("_T")


class LedgerSnapshot(Store):
    """A copy in memory of the ledger in the state folder, made by its first use.

    Where there is no ledger, it has no jobs. Jobs of an older ledger, which did not record where
    they were begun, are taken for jobs of `origin`.

    Servers may work on the file meanwhile. What has to be written before it is read is written to
    the copy: the tables of this version, and that a dead process left a job behind.
    """

    def __init__(self, folder: Path, clock: Clock, *, origin: str) -> None:
        super().__init__(clock, history=timedelta.max)
        self._folder = folder
        self.origin = origin
        self._copy: sqlite3.Connection | None = None

    def close(self) -> None:
        """Drop the copy."""
        copy, self._copy = self._copy, None
        if copy:
            copy.close()

    async def run(
        self, step: Callable[[SqliteRows], _T], *, writes: bool = False, settles: bool = False
    ) -> _T:
        """Run a step that reads."""
        if writes:
            raise ValueError("a copy of the ledger is only read")
        del settles  # once, when it is copied
        path = self._folder / "ledger.db"
        try:
            copy = self._copy = self._copy or copy_ledger(
                self._folder, self._clock, origin=self.origin
            )
            with transaction(copy, writes=False):
                return step(SqliteRows(copy, ""))
        except sqlite3.Error as error:
            raise LedgerError(f"The ledger {path} cannot be read: {meaning(error)}.") from error
        except OSError as error:
            raise LedgerError(f"The ledger {path} cannot be read: {error.strerror}.") from error


def copy_ledger(folder: Path, clock: Clock, *, origin: str) -> sqlite3.Connection:
    """Return a copy in memory of the ledger in a folder, in this version's tables.

    Raises:
        LedgerError: It is another program's or a newer version's.
        OSError, sqlite3.Error: It cannot be read.
    """
    path = folder / "ledger.db"
    copy = sqlite3.connect(":memory:", isolation_level=None)
    # A damaged text must not keep all others from being read.
    copy.text_factory = partial(str, encoding="utf-8", errors="replace")
    try:
        if path.exists():
            _read_into(copy, path)
        migrate(copy, origin, lambda: False)
        with transaction(copy, writes=True):
            rows = SqliteRows(copy, "")
            lives = partial(process_lives, folder / "processes")
            rules.settle_dead_processes(rows, lives, clock.now())
    except BaseException:
        copy.close()
        raise
    return copy


def _read_into(copy: sqlite3.Connection, path: Path) -> None:
    try:
        _back_up(copy, path, "ro")
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        # A process was killed while it wrote. What it began is undone, but only in a copy.
        with TemporaryDirectory() as folder:
            for name in (path.name, f"{path.name}-journal"):
                copyfile(path.with_name(name), Path(folder) / name)
            _back_up(copy, Path(folder) / path.name, "rw")


def _back_up(copy: sqlite3.Connection, path: Path, mode: str) -> None:
    uri = f"{path.as_uri()}?mode={mode}"
    with closing(sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_SECONDS)) as file:
        # With the lock that this takes, the copy waits for no other process.
        file.execute("BEGIN")
        file.execute("SELECT count(*) FROM sqlite_master")
        file.backup(copy)
