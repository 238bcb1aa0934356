"""The ledger in PostgreSQL as it is now, for readers that must not change it."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from threading import Event
from time import monotonic
from typing import Any, TypeVar

import psycopg

from seedance_mcp.clock import Clock
from seedance_mcp.ledger import _rules as rules
from seedance_mcp.ledger.store import Store

from ._errors import ledger_error
from ._migrations import MIGRATIONS, migrate, read_version
from ._processes import has_left_behind, live_processes
from ._queries import PostgresRows
from ._session import Session, Transaction, read_address

READ_SECONDS = 5.0
"""How long a database that does not answer is waited for."""

_T = TypeVar("_T")


class _RolledBack(Exception):
    """Ends a transaction without a commit, with its result."""


class LedgerReader(Store):
    """The ledger in a database, of which nothing is changed.

    Where there is no ledger, it has no jobs. What has to be written before it is read is rolled
    back: the tables of this version, and that a dead process left a job behind.

    Raises:
        ConfigurationError: The URL cannot be read.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(clock, history=timedelta.max)
        self._session = Session(read_address(url), Event())

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    async def run(
        self, step: Callable[[PostgresRows], _T], *, writes: bool = False, settles: bool = False
    ) -> _T:
        """Run a step that reads; a command waits for it, since it has nothing else to do."""
        if writes:
            raise ValueError("the ledger is only read")
        del settles  # always, if there is anything to settle
        deadline = monotonic() + READ_SECONDS

        def read(connection: psycopg.Connection[Any]) -> _T:
            return step(PostgresRows(connection, ""))

        try:
            if self._session.run(Transaction(deadline, _is_settled, writes=False)):
                return self._session.run(Transaction(deadline, read, writes=False))
            return self._run_settled(step, deadline)
        except psycopg.Error as error:
            raise ledger_error(error) from None

    def _run_settled(self, step: Callable[[PostgresRows], _T], deadline: float) -> _T:
        """Run a step after what the next server would write first, and undo that."""
        results: list[_T] = []

        def work(connection: psycopg.Connection[Any]) -> None:
            migrate(connection, stays=False)
            rows = PostgresRows(connection, "")
            lives = live_processes(connection).__contains__
            rules.settle_dead_processes(rows, lives, self._clock.now())
            results[:] = [step(rows)]
            raise _RolledBack

        with suppress(_RolledBack):
            self._session.run(Transaction(deadline, work))
        return results[0]


def _is_settled(connection: psycopg.Connection[Any]) -> bool:
    return read_version(connection) == len(MIGRATIONS) and not has_left_behind(connection, "")
