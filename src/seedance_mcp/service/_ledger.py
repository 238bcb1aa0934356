"""Which database keeps the ledger, and what locks jobs beside it."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from seedance_mcp.clock import Clock, utc_now
from seedance_mcp.errors import ConfigurationError
from seedance_mcp.ledger.sqlite.snapshot import LedgerSnapshot
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.ledger.store import Locks, Store
from seedance_mcp.outputs.job_locks import JobLocks
from seedance_mcp.settings import Settings

_NO_PSYCOPG = (
    "SEEDANCE_DATABASE_URL needs psycopg, which is not installed: pip install"
    " 'seedance-mcp[postgres]' (with uvx: --from 'seedance-mcp[postgres]' seedance-mcp), then"
    " restart the server."
)


def open_ledger(settings: Settings, clock: Clock, *, window: str | None = None) -> Store:
    """Return the ledger of the settings, to be closed.

    `window` is who acknowledges jobs, as for `Store`.

    Raises:
        ConfigurationError: The URL of the database cannot be read, or psycopg is not installed.
    """
    history = timedelta(days=settings.history_days)
    if url := settings.plain_database_url:
        with needing_psycopg():
            from seedance_mcp.ledger.postgres.store import PostgresStore
        # Another clock's time is not meant to be the database's.
        real = clock.now is utc_now
        return PostgresStore(url, clock, history=history, window=window, checks_clock=real)
    return SqliteStore(
        settings.state_dir, clock, origin=settings.base_url, history=history, window=window
    )


def read_ledger(settings: Settings, clock: Clock) -> Store:
    """Return the ledger of the settings as it is now, to be closed; nothing is changed by reading.

    Raises:
        ConfigurationError: The URL of the database cannot be read, or psycopg is not installed.
    """
    if url := settings.plain_database_url:
        with needing_psycopg():
            from seedance_mcp.ledger.postgres.reading import LedgerReader
        return LedgerReader(url, clock)
    return LedgerSnapshot(settings.state_dir, clock, origin=settings.base_url)


@contextmanager
def needing_psycopg() -> Generator[None, None, None]:
    """Import what needs psycopg.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise ConfigurationError(_NO_PSYCOPG) from error


def job_locks(store: Store, folder: Path) -> Locks:
    """Return locks on jobs that all processes of a ledger share: its own, or files in a folder."""
    return store.job_locks(folder.name) or JobLocks(folder)
