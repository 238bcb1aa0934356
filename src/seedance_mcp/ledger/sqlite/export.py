"""All that the ledger in a state folder has, to be written into another one."""

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger._posters import posters_of_all
from seedance_mcp.ledger.copies import JobCopy, LedgerCopy
from seedance_mcp.ledger.store import Event

from ._migrations import transaction
from ._processes import some_process_lives
from ._queries import SqliteRows
from .snapshot import copy_ledger
from .store import LOCK_TIMEOUT_SECONDS, meaning


@contextmanager
def exported(folder: Path, clock: Clock, *, origin: str) -> Generator[LedgerCopy, None, None]:
    """Yield what the ledger in a folder has; until the end, no process can write there.

    Jobs of an older ledger, which did not record where they were begun, are taken for jobs of
    `origin`.

    Raises:
        LedgerError: There is none, it cannot be read, or a server uses it.
    """
    path = folder / "ledger.db"
    if not path.exists():
        raise LedgerError(f"There is no ledger to move: {path} does not exist.")
    with ExitStack() as stack:
        try:
            stack.enter_context(closing(_lock(path)))
            if some_process_lives(folder / "processes"):
                raise LedgerError(
                    f"A server still uses the ledger {path}: close every window that uses it, then"
                    " try again."
                )
            with closing(copy_ledger(folder, clock, origin=origin)) as copy:
                copy.text_factory = storable_text
                found = _read(copy)
        except sqlite3.Error as error:
            raise LedgerError(f"The ledger {path} cannot be read: {meaning(error)}.") from error
        except OSError as error:
            raise LedgerError(f"The ledger {path} cannot be read: {error.strerror}.") from error
        yield found


def _lock(path: Path) -> sqlite3.Connection:
    """Return a connection in whose transaction no other one can write."""
    uri = f"{path.as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None)
    try:
        # What a killed process began is undone by this, as by the next start.
        connection.execute("BEGIN IMMEDIATE")
    except BaseException:
        connection.close()
        raise
    return connection


def _read(copy: sqlite3.Connection) -> LedgerCopy:
    """Return what a copy has.

    Raises:
        LedgerError: A job's paid request may still be under way.
    """
    with transaction(copy, writes=False):
        rows = SqliteRows(copy, "")
        found = rows.everything()
        posters = posters_of_all(rows, [job.id for job, _ in found])
        jobs = [
            JobCopy(
                job=job,
                changed_at=at,
                events=tuple(_dated(rows.events(job), at)),
                poster=posters.get(job.id),
            )
            for job, at in found
        ]
        secret, unreadable = rows.secret(), tuple(rows.unreadable.values())
    if any(each.job.status is Status.SUBMITTING for each in jobs):
        # Its folder has no locks, so whether its process runs is unknown for a minute.
        raise LedgerError("A job may still be being submitted: try again in a minute.")
    return LedgerCopy(jobs=jobs, secret=secret, unreadable=unreadable)


def _dated(events: Sequence[Event], changed_at: datetime) -> Iterator[Event]:
    """Yield events, of which none whose time is damaged is without one."""
    for event in events:
        yield event if event.at else replace(event, at=changed_at)


def storable_text(stored: bytes) -> str:
    """Return a text as every database can store it."""
    return stored.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
