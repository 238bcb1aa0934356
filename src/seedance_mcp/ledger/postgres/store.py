"""The ledger in PostgreSQL, shared by every server process of several machines.

Transactions run on a few threads, so the event loop never waits for the database. Those that write
take one lock, one after the other (`_session`); those that read see one instant.

    the call is cancelled      what it asked for is carried out
    the connection breaks      it is done again on another one, until its patience ends
    that happens in a commit   the same: a step that is done twice leaves what it leaves once
    its patience ends          its call is told so, and it is not committed any more
    it was committed, though   a job that it began is discarded once the database is back, since no
                               request was sent for it
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.store import Store

from ._changes import listen
from ._database import Database
from ._locks import PostgresLocks
from ._queries import PostgresRows
from ._session import read_address
from ._workers import Workers

PATIENCE_SECONDS = 5.0
"""How long a database that does not answer is waited for."""

AWAY_PATIENCE_SECONDS = 0.5
"""How long one that has already been away for longer than that."""

CHANGES_OVERLAP = timedelta(minutes=1)
"""How much further back changes are looked for after a gap, since clocks differ."""

_T = TypeVar("_T")


class PostgresStore(Store):
    """A ledger in the schema `seedance` of a database, made by its first transaction.

    `checks_clock` says that no job begins while the clock is far from the database's.

    Raises:
        ConfigurationError: The URL cannot be read.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        history: timedelta,
        window: str | None = None,
        checks_clock: bool = False,
    ) -> None:
        super().__init__(clock, history=history, window=window)
        self._checks_clock = checks_clock
        self._address = read_address(url)
        self._database: Database | None = None

    def close(self) -> None:
        """Close the connections; jobs that this process is submitting become `unknown`."""
        database, self._database = self._database, None
        if database:
            database.close()

    async def run(
        self, step: Callable[[PostgresRows], _T], *, writes: bool = False, settles: bool = False
    ) -> _T:
        """Run a step in one transaction, waiting some seconds for a database that is away."""
        database = self._open()
        # Only `begin` does both. Without it nothing is bought; all others can do without a ledger.
        patient = (writes and settles) or not database.away
        patience = PATIENCE_SECONDS if patient else AWAY_PATIENCE_SECONDS
        return await database.run(step, writes=writes, settles=settles, patience=patience)

    async def changes(self) -> AsyncGenerator[Job, None]:
        """Yield each job that another process has changed, as it is now; close it with `aclosing`.

        What changed while the database was away comes when it is back, if it can be read then.
        """
        heard_at = self._clock.now()
        async with aclosing(listen(self._address, self._clock)) as changes:
            async for change in changes:
                if change is None:
                    read = partial(_changed_since, heard_at - CHANGES_OVERLAP)
                elif change[0] == self._open().process:
                    continue
                else:
                    read = partial(_by_id, change[1])
                with suppress(LedgerError):
                    jobs = await self.run(read)
                    heard_at = self._clock.now()
                    for job in jobs:
                        yield job

    def job_locks(self, kind: str) -> PostgresLocks:
        """Return the locks on jobs for one purpose, which all processes share."""
        return PostgresLocks(self._open, kind)

    def _open(self) -> Database:
        self._database = self._database or Database(
            Workers(self._address),
            self._clock.now,
            self._settle,
            self._clean_up,
            self._window,
            self._checks_clock,
        )
        return self._database


def _by_id(job_id: str, rows: PostgresRows) -> list[Job]:
    job = rows.by_id(job_id)
    return [job] if job and job.owner else []


def _changed_since(time: datetime, rows: PostgresRows) -> list[Job]:
    return rows.changed_since(time)
