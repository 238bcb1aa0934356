"""The ledger's tables in the schema `seedance`, and the ordered migrations that make them.

    jobs       a row per job; `process` is the process that sends its POST
    events     every transition of a job: the state before (null for the first) and after
    posters    a small JPEG of a job, of the newest jobs only, deleted with its job
    processes  when each process that may be sending POSTs last said that it lives
    alive      those of them that said so lately enough
    locks      which process downloads or follows a job, and its turn to
    secret     the key of the hash that tells tokens apart
    version    how many migrations have been made, and the oldest version whose servers may use them

What a restart does with each state of a job is said in `ledger.sqlite._migrations`. Texts that hold
JSON have the type text, since PostgreSQL's JSON cannot hold every text that a caller may send.
"""

from secrets import token_bytes
from typing import Any, LiteralString

from psycopg import Connection

from seedance_mcp.errors import LedgerError

from ._processes import older_process_lives

LEASE_SECONDS = 30
"""How long a process counts as alive after it last said so, as the view says."""

OLDEST_COMPATIBLE = 1
"""The oldest version whose servers may go on while the newest tables are made, and on them.

They know nothing of posters, and lose none but those of jobs that they delete. One that is older
keeps the tables from being made while its lease lasts. One without a lease is not seen, and begins
no job afterwards.
"""

_TIME: LiteralString = "timestamptz {} CHECK ({} BETWEEN '0001-01-01Z' AND '9999-12-31Z')"

# Never change what a migration that was released does: ledgers in use were made by it.
MIGRATIONS: tuple[tuple[LiteralString, ...], ...] = (
    (
        f"""
        CREATE TABLE seedance.jobs (
            number bigint GENERATED ALWAYS AS IDENTITY,
            id text PRIMARY KEY, request_id text, owner text NOT NULL, token_hash text NOT NULL,
            model_id text, arguments text NOT NULL, files text NOT NULL, fingerprint text NOT NULL,
            status text NOT NULL CHECK (status IN ('submitting', 'unknown', 'in_queue',
                'in_progress', 'completed', 'failed', 'cancelled')),
            queue_position bigint,
            created_at {_TIME.format("NOT NULL", "created_at")},
            started_at {_TIME.format("", "started_at")},
            finished_at {_TIME.format("", "finished_at")},
            changed_at {_TIME.format("NOT NULL", "changed_at")},
            videos text NOT NULL, images text NOT NULL, saved_to text NOT NULL,
            cost_usd double precision, estimated_microdollars bigint, error text,
            acknowledged_by text NOT NULL, approval text, timely boolean NOT NULL,
            process text NOT NULL
        )
        """,
        "CREATE UNIQUE INDEX jobs_by_request ON seedance.jobs (owner, request_id)",
        "CREATE UNIQUE INDEX jobs_by_approval ON seedance.jobs (approval)",
        "CREATE INDEX jobs_by_age ON seedance.jobs (owner, created_at, number)",
        "CREATE INDEX jobs_by_status ON seedance.jobs (owner, status, created_at, number)",
        "CREATE INDEX jobs_by_fingerprint ON seedance.jobs (fingerprint, created_at)",
        "CREATE INDEX jobs_by_creation ON seedance.jobs (created_at)",
        "CREATE INDEX jobs_by_change ON seedance.jobs (changed_at)",
        "CREATE INDEX jobs_under_way ON seedance.jobs (process) WHERE status = 'submitting'",
        "CREATE INDEX jobs_finished ON seedance.jobs (finished_at) WHERE finished_at IS NOT NULL",
        f"""
        CREATE TABLE seedance.events (
            number bigint GENERATED ALWAYS AS IDENTITY,
            job text NOT NULL REFERENCES seedance.jobs (id) ON DELETE CASCADE,
            at {_TIME.format("NOT NULL", "at")}, was text, became text NOT NULL
        )
        """,
        "CREATE INDEX events_by_job ON seedance.events (job, number)",
        "CREATE TABLE seedance.processes (process text PRIMARY KEY, seen_at timestamptz NOT NULL)",
        # By the database's clock; while it was down, no process could say that it lives.
        """
        CREATE VIEW seedance.alive AS SELECT process FROM seedance.processes
        WHERE greatest(seen_at, pg_postmaster_start_time())
            > clock_timestamp() - interval '30 seconds'
        """,
        """
        CREATE TABLE seedance.locks (
            name text PRIMARY KEY, process text NOT NULL, turn text NOT NULL
        )
        """,
        "CREATE TABLE seedance.secret (key bytea NOT NULL)",
    ),
    (
        """
        CREATE TABLE seedance.posters (
            job text PRIMARY KEY REFERENCES seedance.jobs (id) ON DELETE CASCADE,
            jpeg bytea NOT NULL
        )
        """,
        "ALTER TABLE seedance.version ADD COLUMN oldest integer NOT NULL DEFAULT 1",
    ),
)

# Read from the tables themselves: a function such as to_regclass may not see yet what was committed
# while this transaction waited for its lock.
_SCHEMA: LiteralString = "SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'seedance'"
_TABLES: LiteralString = (
    "SELECT relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace"
    " ON pg_namespace.oid = relnamespace WHERE nspname = 'seedance'"
)
_MAKE_VERSION: tuple[LiteralString, ...] = (
    "CREATE TABLE seedance.version (migrations integer NOT NULL)",
    "INSERT INTO seedance.version VALUES (0)",
)


def read_version(connection: Connection[Any]) -> int | None:
    """Return how many migrations a database has, None if it has no ledger.

    Raises:
        LedgerError: Its ledger is a newer version's, or the schema is another program's, or it
            cannot hold every text.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in {None, "UTF8", "SQL_ASCII"}:
        # What RunComfy says of a job that is paid for could not be written.
        raise LedgerError(
            f"The ledger's database has the encoding {encoding}, which cannot hold every text: make"
            " one with the encoding UTF8."
        )
    tables = {name for (name,) in connection.execute(_TABLES)}
    if "version" not in tables:
        if tables:
            raise LedgerError(
                "The ledger's database has a schema named seedance that is another program's; it"
                " was not changed: use another database."
            )
        return None
    row = connection.execute("SELECT migrations FROM seedance.version").fetchone()
    version: int = row[0] if row else 0
    if version > len(MIGRATIONS):
        raise LedgerError(
            "The ledger was written by a newer version of seedance-mcp and was not changed: update"
            " seedance-mcp, or set SEEDANCE_DATABASE_URL to another database."
        )
    return version


def migrate(connection: Connection[Any], *, stays: bool = True) -> None:
    """Bring a new database or an older ledger up to the newest tables.

    The transaction must have the lock of those that write: another process may begin meanwhile.
    Unless the tables are to stay, no other process will see them.

    Raises:
        LedgerError: The schema is a newer version's or another program's, or a process of an older
            version still works with it; it is not changed.
    """
    version = read_version(connection)
    if version == len(MIGRATIONS):
        return
    if stays and version and older_process_lives(connection, OLDEST_COMPATIBLE):
        raise LedgerError(
            "The ledger's database is of an older version of seedance-mcp, and a server of that"
            " version still runs: stop every server of it, then try again."
        )
    if version is None:
        # Who may use a schema that somebody else made need not be allowed to make one.
        if not connection.execute(_SCHEMA).fetchone():
            connection.execute("CREATE SCHEMA seedance")
        for statement in _MAKE_VERSION:
            connection.execute(statement)
    for number in range(version or 0, len(MIGRATIONS)):
        for statement in MIGRATIONS[number]:
            connection.execute(statement)
        if number == 0:
            connection.execute("INSERT INTO seedance.secret VALUES (%s)", (token_bytes(32),))
        connection.execute("UPDATE seedance.version SET migrations = %s", (number + 1,))
    connection.execute("UPDATE seedance.version SET oldest = %s", (OLDEST_COMPATIBLE,))
