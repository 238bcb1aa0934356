"""Writes all that another ledger has into PostgreSQL, and compares every row."""

from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from threading import Event as ThreadEvent
from time import monotonic
from typing import Any, LiteralString

import psycopg

from seedance_mcp.errors import LedgerError
from seedance_mcp.ledger.copies import JobCopy, LedgerCopy

from ._copies import CopiedRows
from ._errors import ledger_error
from ._migrations import migrate
from ._processes import live_processes
from ._session import Session, Transaction, read_address

CONNECT_SECONDS = 5.0
"""How long the database may take to answer at all."""

MOVE_SECONDS = 60.0
"""How long it may take for a statement, and until when a broken move is tried again."""

_MAY_BE_IDLE: LiteralString = "SET LOCAL idle_in_transaction_session_timeout = '5min'"

_REFUSALS = psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded


@dataclass(frozen=True, kw_only=True)
class Import:
    """What became of a copy.

    Attributes:
        already: Whether its jobs were there before, so that nothing was written.
        refused: The names of jobs that PostgreSQL cannot store, which were left out.
    """

    already: bool = False
    refused: Sequence[str] = ()


def import_ledger(url: str, copy: LedgerCopy) -> Import:
    """Write a copy into a ledger without jobs, all of it or nothing, and compare it.

    Raises:
        LedgerError: The database cannot be used, has other jobs, or servers use it meanwhile.
        ConfigurationError: The URL cannot be read.
    """
    with closing(Session(read_address(url), ThreadEvent())) as session:
        try:
            session.run(_transaction(lambda _: None, CONNECT_SECONDS))
            imported: Import = session.run(
                _transaction(lambda connection: _import(connection, copy), MOVE_SECONDS)
            )
        except psycopg.Error as error:
            raise ledger_error(error) from None
    return imported


def _transaction(work: Callable[[psycopg.Connection[Any]], Any], seconds: float) -> Transaction:
    return Transaction(monotonic() + seconds, work)


def _import(connection: psycopg.Connection[Any], copy: LedgerCopy) -> Import:
    # Comparing a large ledger takes long, and no server waits.
    connection.execute(_MAY_BE_IDLE)
    migrate(connection)
    rows = CopiedRows(connection, "moved")
    known = rows.ids()
    if known:
        _check_known(known, copy, rows.secret())
        return Import(already=True)
    if live_processes(connection):
        raise LedgerError("A server already uses the database: stop it, then try again.")
    connection.execute("UPDATE seedance.secret SET key = %s", (copy.secret,))
    refused = _write(connection, rows, copy.jobs)
    stored = [each for each in copy.jobs if each not in refused]
    if rows.everything() != stored or rows.secret() != copy.secret:
        raise LedgerError("The database does not return what was written: nothing was moved.")
    return Import(refused=[each.name for each in refused])


def _check_known(known: Collection[str], copy: LedgerCopy, secret: bytes) -> None:
    """Raise an error unless a ledger has every job of a copy, as after a move."""
    ids = {each.job.id for each in copy.jobs}
    if ids.isdisjoint(known) or secret != copy.secret:
        raise LedgerError(
            "The database already has a ledger with other jobs, which cannot be merged: name an"
            " empty database in SEEDANCE_DATABASE_URL."
        )
    if missing := len(ids.difference(known)):
        raise LedgerError(
            f"The ledger was moved before, and has had {missing} jobs since then, which the"
            " database lacks: nothing was moved."
        )


def _write(
    connection: psycopg.Connection[Any], rows: CopiedRows, jobs: Sequence[JobCopy]
) -> list[JobCopy]:
    """Write jobs, and return those that PostgreSQL cannot store."""
    try:
        with connection.transaction():
            rows.insert(jobs)
    except _REFUSALS:
        if len(jobs) == 1:
            return list(jobs)
        half = len(jobs) // 2
        # The order of the rows is that of the jobs.
        return _write(connection, rows, jobs[:half]) + _write(connection, rows, jobs[half:])
    return []
