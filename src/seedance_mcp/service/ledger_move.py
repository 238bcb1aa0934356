"""Moves the ledger of the state folder into PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seedance_mcp.clock import Clock
from seedance_mcp.errors import ConfigurationError
from seedance_mcp.ledger.copies import LedgerCopy
from seedance_mcp.ledger.sqlite.export import exported
from seedance_mcp.settings import Settings

from ._ledger import needing_psycopg


@dataclass(frozen=True, kw_only=True)
class Move:
    """What became of a ledger that was to be moved.

    Attributes:
        path: The old ledger, which is left as it is.
        copy: What it had.
        already: Whether all of that was in the database before.
        left: The names of the jobs that only the old ledger has: their rows are damaged, or cannot
            be stored.
    """

    path: Path
    copy: LedgerCopy
    already: bool
    left: Sequence[str]


def move_ledger(settings: Settings, clock: Clock) -> Move:
    """Copy the ledger of the state folder into the database of the settings, and compare it.

    Raises:
        ConfigurationError: No database is set, or what reaches it is not installed.
        LedgerError: Nothing was moved, and why.
    """
    if settings.plain_database_url is None:
        raise ConfigurationError(
            "SEEDANCE_DATABASE_URL must be set to the database to which the ledger moves."
        )
    with needing_psycopg():
        from seedance_mcp.ledger.postgres.importing import import_ledger
    with exported(settings.state_dir, clock, origin=settings.base_url) as copy:
        imported = import_ledger(settings.plain_database_url, copy)
    return Move(
        path=settings.state_dir / "ledger.db",
        copy=copy,
        already=imported.already,
        left=[*copy.unreadable, *imported.refused],
    )
