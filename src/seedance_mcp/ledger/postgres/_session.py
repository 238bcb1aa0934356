"""A connection to the database that is made again when it breaks, and its transactions.

Nothing of a session outlives a transaction, so a pooler may pass each to another server process
(PgBouncer in transaction mode): every setting is `SET LOCAL`, every lock ends with its transaction,
no statement is prepared.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from threading import Event
from time import monotonic
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from seedance_mcp.errors import ConfigurationError, LedgerError

from ._errors import CONNECTION_BROKE, is_passing

WRITERS_LOCK = 0x53444E43
"""The advisory lock that every transaction takes which writes; "SDNC" in ASCII.

One after the other, as in SQLite, they see what the one before has committed: two calls at two
replicas cannot both start the last job that a limit allows, or both miss that they are the same.
Serialisable transactions would do too, but a call would have to be repeated for as long as others
write, and writing takes milliseconds.
"""

PAUSE_SECONDS = 0.05
"""The pause before a transaction is tried again."""

IDLE_SECONDS = 3
"""When the database ends a transaction whose process stands still, since all others wait for it."""

_CONNECTION = {
    "application_name": "seedance-mcp",
    "client_encoding": "UTF8",
    "connect_timeout": "3",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""What the URL may say otherwise."""

_DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', true)"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
)
"""A commit survives a crash of the database, whatever its default: money is spent after it."""


def read_address(url: str) -> dict[str, Any]:
    """Return the parameters of a connection that a URL stands for.

    Raises:
        ConfigurationError: It is no URL of PostgreSQL.
    """
    try:
        return _CONNECTION | conninfo_to_dict(url)
    except psycopg.Error:
        # What it says may repeat the password.
        raise ConfigurationError(
            "SEEDANCE_DATABASE_URL cannot be read: write postgresql://USER:PASSWORD@HOST/DATABASE,"
            " with every special character of the password as %XX."
        ) from None


@dataclass(eq=False)
class Transaction:
    """What is to be done in one transaction.

    Attributes:
        deadline: When it is given up, on the clock of `monotonic`, in seconds.
        work: What is done on the connection; it may run more than once, and only its last run is
            committed.
        writes: Whether it may write.
        exclusive: Whether it then waits for others that write, and others for it.
        abandoned: Whether its caller has been told that it failed, so it must not be committed.
        in_doubt: Whether it may have been committed although it failed, because the connection
            broke during a commit.
    """

    deadline: float
    work: Callable[[psycopg.Connection[Any]], Any]
    _: KW_ONLY
    writes: bool = True
    exclusive: bool = True
    abandoned: bool = False
    in_doubt: bool = False


@dataclass(eq=False)
class Session:
    """A connection that one thread uses at a time, made by its first transaction."""

    _address: dict[str, Any] = field(repr=False)
    # Set when nothing is tried again, because the process ends.
    _ending: Event
    _connection: psycopg.Connection[Any] | None = None

    def run(self, transaction: Transaction) -> Any:
        """Carry out a transaction, again if the connection breaks, and return its result.

        Raises:
            psycopg.Error: That did not succeed until its deadline.
            LedgerError: It was abandoned, or its own work raised this.
        """
        while True:
            fresh = self._connection is None
            try:
                return self._attempt(transaction)
            except psycopg.Error as error:
                if self._connection is None or self._connection.closed or error.sqlstate == "25006":
                    self.close()
                left = transaction.deadline - monotonic()
                # A connection that was idle may have been broken for long: another one is made.
                ends = fresh and self._ending.is_set()
                if not is_passing(error) or left < PAUSE_SECONDS or ends:
                    raise
                if fresh or error.sqlstate:
                    self._ending.wait(PAUSE_SECONDS)

    def close(self) -> None:
        """Close the connection; the next transaction makes another."""
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def cut_off(self) -> None:
        """Break the connection, so that what waits for it on another thread fails at once."""
        connection = self._connection
        if connection:
            with suppress(psycopg.Error, OSError):
                # A copy of the descriptor, since it stays the connection's to close.
                ours = socket.socket(fileno=os.dup(connection.fileno()))
                with ours:
                    ours.shutdown(socket.SHUT_RDWR)

    def _attempt(self, transaction: Transaction) -> Any:
        if self._connection is None:
            self._connection = psycopg.connect(
                **self._address, autocommit=True, prepare_threshold=None
            )
        connection = self._connection
        try:
            connection.execute(_begin(transaction))
            result = transaction.work(connection)
            _check_wanted(transaction)
        except BaseException:
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
            raise
        try:
            connection.execute("COMMIT")
        except psycopg.Error:
            transaction.in_doubt = transaction.writes
            raise
        transaction.in_doubt = False
        return result


def _check_wanted(transaction: Transaction) -> None:
    if transaction.abandoned:
        raise LedgerError(f"The ledger's database cannot be reached: {CONNECTION_BROKE}.")


def _begin(transaction: Transaction) -> bytes:
    """Return the statements that begin a transaction, which are sent at once."""
    milliseconds = max(50, round(1000 * (transaction.deadline - monotonic())))
    limits = (
        f"SET LOCAL statement_timeout = {milliseconds};"
        # psycopg reads times in no other form.
        " SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'"
    )
    if not transaction.writes:
        return f"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; {limits}".encode()
    lock = f"; SELECT pg_advisory_xact_lock({WRITERS_LOCK})" if transaction.exclusive else ""
    return (
        f"BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE; {limits};"
        f" SET LOCAL lock_timeout = {milliseconds};"
        f" SET LOCAL idle_in_transaction_session_timeout = {1000 * IDLE_SECONDS};"
        f" {_DURABLE}{lock}"
    ).encode()
