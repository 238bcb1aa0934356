"""What the ledger in a state folder says of itself; nothing is made, moved or changed."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from seedance_mcp.errors import LedgerError
from seedance_mcp.ledger.inspection import LedgerInspection, inspect_rows

from ._migrations import MIGRATIONS, OLDEST_COMPATIBLE, read_version, transaction
from ._processes import older_process_lives, process_lives
from ._queries import SqliteRows
from .store import meaning

_LOCK_SECONDS = 2.0
_STEPS_AT_A_TIME = 1000
_MOST_DAMAGE = 5


def inspect_ledger(
    folder: Path, *, owner: str, token: str | None, seconds: float
) -> LedgerInspection:
    """Return what the ledger in a folder says of itself.

    Args:
        folder: The state folder.
        owner: The origin of RunComfy whose jobs are meant.
        token: The token that jobs are compared with.
        seconds: How long SQLite may look for damage.

    Raises:
        LedgerError: The ledger is damaged, another program's or a newer version's, or an older
            version still works on it.
    """
    path = folder / "ledger.db"
    if not path.exists():
        return LedgerInspection(exists=False)
    deadline = time.monotonic() + seconds
    try:
        uri = f"{path.as_uri()}?mode=ro"
        opened = sqlite3.connect(uri, uri=True, timeout=_LOCK_SECONDS, isolation_level=None)
        with closing(opened) as connection:
            # A damaged text must not keep all others from being read.
            connection.text_factory = partial(str, encoding="utf-8", errors="replace")
            found = _inspect(connection, folder, owner, token)
            return replace(found, damage=_find_damage(connection, deadline))
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_ROLLBACK:
            return LedgerInspection(interrupted=True)
        raise LedgerError(f"The ledger {path} cannot be read: {meaning(error)}.") from error


def _inspect(
    connection: sqlite3.Connection, folder: Path, owner: str, token: str | None
) -> LedgerInspection:
    processes = folder / "processes"
    with transaction(connection, writes=False):
        version = read_version(connection)
        if version == len(MIGRATIONS):
            return _read_jobs(SqliteRows(connection, ""), processes, owner, token)
        if version and older_process_lives(processes, OLDEST_COMPATIBLE):
            raise LedgerError(
                "The ledger is of an older version of seedance-mcp, and a server of that version"
                " still runs."
            )
    return LedgerInspection(older=True)


def _read_jobs(
    rows: SqliteRows, processes: Path, owner: str, token: str | None
) -> LedgerInspection:
    found = inspect_rows(rows, owner=owner, token=token)
    # The next start will say so too.
    dead = [
        job
        for job, process in rows.submitting()
        if job.owner == owner and process_lives(processes, process) is False
    ]
    unreadable = tuple(rows.unreadable.values())
    return replace(found, unknown=[*found.unknown, *dead], unreadable=unreadable)


def _find_damage(connection: sqlite3.Connection, deadline: float) -> Sequence[str] | None:
    """Return what SQLite's integrity check finds, None if the deadline passes meanwhile."""
    # A large ledger takes seconds.
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_AT_A_TIME)
    try:
        found = connection.execute(f"PRAGMA integrity_check({_MOST_DAMAGE})").fetchall()
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
    return [str(line) for (line,) in found if line != "ok"]
