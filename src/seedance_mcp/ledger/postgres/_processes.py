"""Which processes live, and which of them downloads or follows a job: leases in the database.

A process that may be sending a paid request says every `RENEW_SECONDS` that it lives, and counts as
dead `LEASE_SECONDS` after it last did. The database's clock says so, whatever those of the machines
say. A lease outlives a broken connection, a pooler and a restart of the database, during which no
process could renew it.

    what happens                          what becomes of a job that is being submitted
    its process ends in order             the lease is deleted: another process makes it `unknown`
    its process is killed                 the lease ends: the same
    its process has lost the database     the lease ends: the same, until its answer is written
    its process stood still               it does not send a request whose job is older than 20 s

So no request leaves whose job others have taken for `unknown`, and forgotten, since.
"""

from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection

from seedance_mcp.errors import LedgerError
from seedance_mcp.ledger._versions import version_of

RENEW_SECONDS = 8.0
"""How often it says so."""

_RENEW: LiteralString = (
    "INSERT INTO seedance.processes VALUES (%s, clock_timestamp())"
    " ON CONFLICT (process) DO UPDATE SET seen_at = excluded.seen_at RETURNING seen_at,"
    " (SELECT oldest FROM seedance.version)"
)
_LEFT_BEHIND: LiteralString = (
    "SELECT EXISTS (SELECT FROM seedance.jobs WHERE status = 'submitting' AND process <> %s"
    " AND process NOT IN (SELECT process FROM seedance.alive))"
)
_REMOVE_DEAD: tuple[LiteralString, ...] = (
    "DELETE FROM seedance.processes WHERE process NOT IN (SELECT process FROM seedance.alive)",
    "DELETE FROM seedance.locks WHERE process NOT IN (SELECT process FROM seedance.alive)",
)
_LOCK: LiteralString = (
    "INSERT INTO seedance.locks AS held VALUES (%(name)s, %(process)s, %(turn)s)"
    " ON CONFLICT (name) DO UPDATE SET process = excluded.process, turn = excluded.turn"
    " WHERE held.process = excluded.process"
    " OR held.process NOT IN (SELECT process FROM seedance.alive)"
    " RETURNING name"
)


def renew(connection: Connection[Any], process: str) -> datetime:
    """Write that a process lives, and return the database's time.

    Raises:
        LedgerError: A newer version has made tables that the process does not know how to use.
    """
    ((now, oldest),) = connection.execute(_RENEW, (process,))
    if version_of(process) < oldest:
        raise LedgerError(
            "The ledger's database was taken over by a newer version of seedance-mcp: update"
            " seedance-mcp on this machine, then restart the server."
        )
    return now


def end(connection: Connection[Any], process: str) -> None:
    """Let a process count as dead, and let its locks go."""
    connection.execute("DELETE FROM seedance.locks WHERE process = %s", (process,))
    connection.execute("DELETE FROM seedance.processes WHERE process = %s", (process,))


def live_processes(connection: Connection[Any]) -> set[str]:
    """Return every process that lives."""
    return {process for (process,) in connection.execute("SELECT process FROM seedance.alive")}


def older_process_lives(connection: Connection[Any], version: int) -> bool:
    """Return whether a process lives that uses tables older than `version`."""
    return any(version_of(process) < version for process in live_processes(connection))


def has_left_behind(connection: Connection[Any], process: str) -> bool:
    """Return whether a dead process was submitting a job; `process` itself is alive."""
    return connection.execute(_LEFT_BEHIND, (process,)).fetchone() == (True,)


def remove_dead(connection: Connection[Any]) -> None:
    """Remove what dead processes left, but for their jobs."""
    for statement in _REMOVE_DEAD:
        connection.execute(statement)


def try_lock(connection: Connection[Any], name: str, process: str, turn: str) -> bool:
    """Lock a name for a process, which lives and no longer holds the lock; return whether it does.

    `turn` is a new id, by which this lock can be let go and no later one.
    """
    values = {"name": name, "process": process, "turn": turn}
    return connection.execute(_LOCK, values).fetchone() is not None


def unlock(connection: Connection[Any], turn: str) -> None:
    """Let a lock go."""
    connection.execute("DELETE FROM seedance.locks WHERE turn = %s", (turn,))
