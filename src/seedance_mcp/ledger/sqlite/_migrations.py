"""The ledger's tables, and the ordered migrations that bring an older file up to them.

    jobs     a row per job; `process` is the process that sends its POST
    events   every transition of a job: the state before (null for the first) and after
    posters  a small JPEG of a job, of the newest jobs only, deleted with its job
    totals   how many jobs an owner has in each state; kept by triggers, so that none is counted
    secret   the key of the hash that tells tokens apart

A job is inserted before its POST leaves, so that a restart finds it whatever happened:

    `status` in the row           what a restart does
    submitting, process alive     leaves it: that process is sending the POST
    submitting, process dead      makes it `unknown`: RunComfy may have accepted the POST
    unknown                       nothing; the POST is not sent again, and a repeated call gets it;
                                  deleted SEEDANCE_HISTORY_DAYS after it began
    in_queue, in_progress         polls RunComfy again
    completed, failed, cancelled  nothing: final; deleted SEEDANCE_HISTORY_DAYS after it ended
    cancelled, no owner           nothing: the POST was certainly not accepted; the row says so to
                                  other processes that wait for it
    (no row)                      nothing: the POST was never sent

Times are ISO 8601 in UTC with microseconds, so that they sort as text.
"""

import json
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from secrets import token_bytes

from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.wish import fingerprint

APPLICATION_ID = 0x53444E43
"""Marks a file as our ledger, in SQLite's header; "SDNC" in ASCII."""

_BY_OWNER = (
    "CREATE UNIQUE INDEX jobs_by_request ON jobs (owner, request_id)",
    "CREATE INDEX jobs_by_age ON jobs (owner, created_at)",
    "CREATE INDEX jobs_by_status ON jobs (owner, status, created_at)",
)
_ONE_MORE = (
    "INSERT INTO totals VALUES (new.owner, new.status, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1"
)
_ONE_LESS = "UPDATE totals SET jobs = jobs - 1 WHERE owner = old.owner AND status = old.status"
_COUNT = (
    "INSERT INTO totals SELECT owner, status, count(*) FROM jobs GROUP BY owner, status",
    f"CREATE TRIGGER job_came AFTER INSERT ON jobs BEGIN {_ONE_MORE}; END",
    f"CREATE TRIGGER job_went AFTER DELETE ON jobs BEGIN {_ONE_LESS}; END",
    f"CREATE TRIGGER job_changed AFTER UPDATE OF status ON jobs BEGIN {_ONE_LESS};{_ONE_MORE}; END",
)

OLDEST_COMPATIBLE = 9
"""The oldest version whose servers may go on while the newest tables are made, and on them.

They know nothing of posters, and lose none but those of jobs that they delete.
"""

# Never change what a migration that was released does: files in use were made by it.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE jobs (
            id TEXT PRIMARY KEY, request_id TEXT, owner TEXT NOT NULL, model_id TEXT,
            arguments TEXT NOT NULL, fingerprint TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('submitting', 'unknown', 'in_queue',
                'in_progress', 'completed', 'failed', 'cancelled')),
            queue_position INTEGER, created_at TEXT NOT NULL, submitted_at TEXT,
            changed_at TEXT NOT NULL, finished_at TEXT, videos TEXT NOT NULL, images TEXT NOT NULL,
            cost_usd REAL, error TEXT, delivered INTEGER NOT NULL, process TEXT NOT NULL
        )
        """,
        *_BY_OWNER,
        "CREATE INDEX jobs_by_fingerprint ON jobs (fingerprint, created_at)",
        "CREATE INDEX jobs_under_way ON jobs (process) WHERE status = 'submitting'",
        "CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL",
        """
        CREATE TABLE events (
            job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            at TEXT NOT NULL, was TEXT, became TEXT NOT NULL
        )
        """,
        "CREATE INDEX events_by_job ON events (job, at)",
        "CREATE TABLE secret (key BLOB NOT NULL)",
    ),
    ("ALTER TABLE jobs ADD COLUMN saved_to TEXT NOT NULL DEFAULT '[]'",),
    (
        """
        CREATE TABLE totals (
            owner TEXT NOT NULL, status TEXT NOT NULL, jobs INTEGER NOT NULL,
            PRIMARY KEY (owner, status)
        ) WITHOUT ROWID
        """,
        *_COUNT,
    ),
    ("ALTER TABLE jobs ADD COLUMN estimated_microdollars INTEGER",),
    ("ALTER TABLE jobs ADD COLUMN started_at TEXT",),
    ("ALTER TABLE jobs ADD COLUMN timely INTEGER NOT NULL DEFAULT 1",),
    # The owner was the hash of the token; a renewed one forgot every job.
    (
        *(f"DROP TRIGGER job_{change}" for change in ("came", "went", "changed")),
        *(f"DROP INDEX jobs_by_{what}" for what in ("request", "age", "status")),
        "ALTER TABLE jobs RENAME COLUMN owner TO token_hash",
        "ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE jobs RENAME COLUMN delivered TO acknowledged_by",
        """UPDATE jobs SET acknowledged_by = iif(acknowledged_by, '["*"]', '[]')""",
        # Two tokens may have asked about one job: the row that knows more stays.
        """
        DELETE FROM jobs WHERE request_id IS NOT NULL AND id NOT IN (
            SELECT first_value(id) OVER (
                PARTITION BY request_id
                ORDER BY model_id IS NOT NULL DESC, finished_at IS NOT NULL DESC,
                    started_at IS NOT NULL DESC, changed_at DESC, id
            ) FROM jobs WHERE request_id IS NOT NULL
        )
        """,
        "UPDATE jobs SET owner = origin()",
        "UPDATE jobs SET fingerprint = fingerprint_of(owner, model_id, arguments)",
        *_BY_OWNER,
        "CREATE INDEX jobs_by_creation ON jobs (created_at)",
        "DELETE FROM totals",
        *_COUNT,
    ),
    ("ALTER TABLE jobs ADD COLUMN files TEXT NOT NULL DEFAULT '{}'",),
    # One yes of the user buys one job, whatever else fails.
    (
        "ALTER TABLE jobs ADD COLUMN approval TEXT",
        "CREATE UNIQUE INDEX jobs_by_approval ON jobs (approval) WHERE approval IS NOT NULL",
    ),
    (
        """
        CREATE TABLE posters (
            job TEXT PRIMARY KEY NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            jpeg BLOB NOT NULL
        )
        """,
    ),
)


@contextmanager
def transaction(connection: sqlite3.Connection, *, writes: bool) -> Generator[None, None, None]:
    """Run statements in a transaction, which is rolled back if one of them fails."""
    connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
    with connection:
        yield


def migrate(
    connection: sqlite3.Connection, origin: str, older_process_lives: Callable[[], bool]
) -> None:
    """Bring a new file or an older ledger up to the newest tables, in one transaction.

    Jobs of a ledger that did not record origins were begun at `origin`.

    Raises:
        LedgerError: The file is another program's or a newer version's, or a process of an older
            version still works on it; it is not changed.
    """
    connection.create_function("origin", 0, lambda: origin)
    connection.create_function("fingerprint_of", 3, _fingerprint)
    with transaction(connection, writes=False):
        if read_version(connection) == len(MIGRATIONS):
            return
    with transaction(connection, writes=True):
        # Another process may have migrated it since.
        if 0 < read_version(connection) < len(MIGRATIONS) and older_process_lives():
            raise LedgerError(
                "The ledger is of an older version of seedance-mcp, and a server of that version"
                " still runs: close every window that uses it, then try again."
            )
        for number in range(read_version(connection), len(MIGRATIONS)):
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
            if number == 0:
                connection.execute("INSERT INTO secret VALUES (?)", (token_bytes(32),))
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number + 1}")


def _fingerprint(owner: str, model_id: str | None, arguments: str) -> str:
    try:
        return fingerprint(owner, model_id, json.loads(arguments))
    except (ValueError, TypeError, RecursionError):
        return ""  # a damaged row


def read_version(connection: sqlite3.Connection) -> int:
    """Return how many migrations a file has, or raise if it must not be touched."""
    # Within a transaction only: else another process may create the ledger between reading its
    # mark and counting its tables.
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application_id != APPLICATION_ID:
        raise LedgerError("The ledger file is another program's database and was not changed.")
    if version > len(MIGRATIONS):
        raise LedgerError(
            "The ledger was written by a newer version of seedance-mcp and was not changed:"
            " update seedance-mcp, or set SEEDANCE_STATE_DIR to another folder."
        )
    return version
