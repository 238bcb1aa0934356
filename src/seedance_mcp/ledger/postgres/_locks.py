"""Locks on jobs that end with the process, in the database."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

from seedance_mcp.errors import LedgerError

from . import _processes as processes
from ._database import Database
from ._queries import PostgresRows

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.5
"""How long a lock is waited for that is about to be free, or to be let go."""


class PostgresLocks:
    """The locks on jobs for one purpose, which all processes of a ledger share."""

    def __init__(self, open_database: Callable[[], Database], kind: str) -> None:
        self._open = open_database
        self._kind = kind
        # The jobs that this process has locked, or is about to.
        self._locked: set[str] = set()

    @asynccontextmanager
    async def try_lock(self, name: str) -> AsyncGenerator[bool, None]:
        """Lock a job's id while the context lasts; yield False if another process has the lock."""
        if name in self._locked:
            yield False
            return
        self._locked.add(name)
        turn = uuid4().hex
        database = self._open()
        try:
            yield await self._lock(database, name, turn)
        finally:
            self._locked.discard(name)
            # Not waited for: the database may be away, and the server end.
            database.start(partial(_unlock, turn), writes=True, patience=PATIENCE_SECONDS)

    async def _lock(self, database: Database, name: str, turn: str) -> bool:
        def lock(rows: PostgresRows) -> bool:
            database.hold_lease(rows.connection)
            full_name = f"{self._kind} {name}"
            return processes.try_lock(rows.connection, full_name, rows.process, turn)

        try:
            return await database.run(lock, writes=True, patience=PATIENCE_SECONDS)
        except LedgerError as error:
            # A database that is away must not keep the user from a clip that is paid for.
            logger.warning("A job is not locked: %s", error.message)
            return True


def _unlock(turn: str, rows: PostgresRows) -> None:
    processes.unlock(rows.connection, turn)
