"""The ledger's tables, and the ordered steps that bring an older file up to them.

    jobs     a row a job. `status` is one of
                 submitting   written down, its POST not answered
                 unknown      whether the POST was accepted cannot be known
                 in_queue <-> in_progress
                 completed | failed | cancelled   final, never left again
             `process` is who sends the POST; a row of a dead process that is still `submitting`
             becomes `unknown`. A row whose POST was refused is deleted.
    events   every transition of a job: what it was (null for the first) and what it is since.
    totals   how many jobs an owner has in each state, so that nobody counts them; triggers keep it.
    secret   the key of the hash by which owners are told apart.

Times are ISO 8601 in UTC with microseconds, so that they sort as text.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from secrets import token_bytes

from seedance_mcp.errors import LedgerError

APPLICATION_ID = 0x53444E43
"""What marks a file as a ledger of ours ("SDNC"), in SQLite's header."""

_ONE_MORE = (
    "INSERT INTO totals VALUES (new.owner, new.status, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1"
)
_ONE_LESS = "UPDATE totals SET jobs = jobs - 1 WHERE owner = old.owner AND status = old.status"

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE jobs (
            id TEXT PRIMARY KEY,
            request_id TEXT,
            owner TEXT NOT NULL,
            model_id TEXT,
            arguments TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN (
                'submitting', 'unknown', 'in_queue', 'in_progress',
                'completed', 'failed', 'cancelled')),
            queue_position INTEGER,
            created_at TEXT NOT NULL,
            submitted_at TEXT,
            changed_at TEXT NOT NULL,
            finished_at TEXT,
            videos TEXT NOT NULL,
            images TEXT NOT NULL,
            cost_usd REAL,
            error TEXT,
            delivered INTEGER NOT NULL,
            process TEXT NOT NULL
        )
        """,
        "CREATE UNIQUE INDEX jobs_by_request ON jobs (owner, request_id)",
        "CREATE INDEX jobs_by_age ON jobs (owner, created_at)",
        "CREATE INDEX jobs_by_status ON jobs (owner, status, created_at)",
        "CREATE INDEX jobs_by_fingerprint ON jobs (fingerprint, created_at)",
        "CREATE INDEX jobs_under_way ON jobs (process) WHERE status = 'submitting'",
        "CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL",
        """
        CREATE TABLE events (
            job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            at TEXT NOT NULL,
            was TEXT,
            became TEXT NOT NULL
        )
        """,
        "CREATE INDEX events_by_job ON events (job, at)",
        "CREATE TABLE secret (key BLOB NOT NULL)",
    ),
    ("ALTER TABLE jobs ADD COLUMN saved_to TEXT NOT NULL DEFAULT '[]'",),
    (
        """
        CREATE TABLE totals (
            owner TEXT NOT NULL,
            status TEXT NOT NULL,
            jobs INTEGER NOT NULL,
            PRIMARY KEY (owner, status)
        ) WITHOUT ROWID
        """,
        "INSERT INTO totals SELECT owner, status, count(*) FROM jobs GROUP BY owner, status",
        f"CREATE TRIGGER job_came AFTER INSERT ON jobs BEGIN {_ONE_MORE}; END",
        f"CREATE TRIGGER job_went AFTER DELETE ON jobs BEGIN {_ONE_LESS}; END",
        f"""
        CREATE TRIGGER job_changed AFTER UPDATE OF status ON jobs
        BEGIN {_ONE_LESS}; {_ONE_MORE}; END
        """,
    ),
    ("ALTER TABLE jobs ADD COLUMN estimated_microdollars INTEGER",),
    ("ALTER TABLE jobs ADD COLUMN started_at TEXT",),
    ("ALTER TABLE jobs ADD COLUMN timely INTEGER NOT NULL DEFAULT 1",),
)


@contextmanager
def transaction(connection: sqlite3.Connection, *, writes: bool) -> Generator[None, None, None]:
    """Take several statements as one step: all of them see one state, and all or none last.

    Args:
        connection: Outside of a transaction.
        writes: Whether to keep other writers out from the beginning.
    """
    connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file up to the newest tables, in one transaction.

    Args:
        connection: To an empty file or a ledger, outside of a transaction.

    Raises:
        LedgerError: It is no ledger of ours, or a newer program's; it is not touched.
        sqlite3.Error: It cannot be read or written.
    """
    with transaction(connection, writes=False):
        if _version(connection) == len(MIGRATIONS):
            return
    with transaction(connection, writes=True):
        # Another process may have done it since.
        for number in range(_version(connection), len(MIGRATIONS)):
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
            if number == 0:
                connection.execute("INSERT INTO secret VALUES (?)", (token_bytes(32),))
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number + 1}")


def _version(connection: sqlite3.Connection) -> int:
    """Read which tables a file has, 0 for none; refuse what this program must not touch.

    Within a transaction only: else the mark is read before, and the tables are counted after,
    another process has made the ledger.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application_id != APPLICATION_ID:
        raise LedgerError("The ledger's file is another program's database; it was not touched.")
    if version > len(MIGRATIONS):
        raise LedgerError(
            "The ledger was written by a newer version of seedance-mcp, and was not touched:"
            " update seedance-mcp, or set SEEDANCE_STATE_DIR to another folder."
        )
    return version
