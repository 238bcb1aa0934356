"""What the ledger in a state folder says of itself; nothing is made, moved or changed."""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import OPEN, Status
from seedance_mcp.ledger import _rules as rules

from ._migrations import MIGRATIONS, read_version, transaction
from ._processes import older_process_lives, process_lives
from ._queries import SqliteRows
from .store import meaning

_LOCK_SECONDS = 2.0
_STEPS_AT_A_TIME = 1000
_MOST_DAMAGE = 5
_MOST_JOBS = 1000


@dataclass(frozen=True, kw_only=True)
class LedgerInspection:
    """What a ledger says of itself.

    Attributes:
        exists: Whether there is one.
        older: Whether its tables are an older version's, which the next start brings up to date;
            its jobs are not read then.
        interrupted: Whether a write was cut off, which the next start undoes; the same holds.
        damage: What SQLite's integrity check found; None if there was no time for all of it.
        counts: How many of the owner's jobs are in each state.
        unknown: The owner's newest jobs whose outcome is unknown, also of dead processes.
        other_token: How many of the owner's open jobs were begun with another token.
        latest_at: When the newest job of any owner was created.
        unreadable: The names of damaged rows.
    """

    exists: bool = True
    older: bool = False
    interrupted: bool = False
    damage: Sequence[str] | None = ()
    counts: Mapping[Status, int] = field(default_factory=dict[Status, int])
    unknown: Sequence[Job] = ()
    other_token: int = 0
    latest_at: datetime | None = None
    unreadable: Sequence[str] = ()


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
    processes, newest = folder / "processes", len(MIGRATIONS)
    with transaction(connection, writes=False):
        version = read_version(connection)
        if version == newest:
            return _read_jobs(SqliteRows(connection, ""), processes, owner, token)
        if version and older_process_lives(processes, newest):
            raise LedgerError(
                "The ledger is of an older version of seedance-mcp, and a server of that version"
                " still runs."
            )
    return LedgerInspection(older=True)


def _read_jobs(
    rows: SqliteRows, processes: Path, owner: str, token: str | None
) -> LedgerInspection:
    unknown = rows.newest(owner, statuses=[Status.UNKNOWN], limit=_MOST_JOBS)
    # The next start will say so too.
    unknown += [
        job
        for job, process in rows.submitting()
        if job.owner == owner and process_lives(processes, process) is False
    ]
    token_hash = rules.keyed_hash(rows, token) if token else ""
    return LedgerInspection(
        counts={status: rows.count(owner, statuses=[status]) for status in Status},
        unknown=unknown,
        other_token=sum(
            bool(token_hash) and job.token_hash not in {"", token_hash}
            for job in rows.newest(owner, statuses=OPEN, limit=_MOST_JOBS)
        ),
        latest_at=rows.latest(datetime.max.replace(tzinfo=UTC)),
        unreadable=tuple(rows.unreadable.values()),
    )


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
