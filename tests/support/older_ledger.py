"""A ledger as an older version wrote it, in SQLite or PostgreSQL."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedance_mcp.ledger.sqlite._migrations import APPLICATION_ID, MIGRATIONS

if TYPE_CHECKING:
    from psycopg import Connection

OF_TOKENS = 6
"""The last version in which the hash of the token was the owner."""


@contextmanager
def older_ledger(folder: Path, version: int = OF_TOKENS) -> Generator[sqlite3.Connection]:
    """Write a ledger of an older version without jobs, and yield a connection to it."""
    folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as connection:
        # What a migration asks of the jobs before it, of which there are none.
        connection.create_function("origin", 0, lambda: "")
        connection.create_function("fingerprint_of", 3, lambda *_: "")
        for statement in [text for step in MIGRATIONS[:version] for text in step]:
            connection.execute(statement)
        connection.execute("INSERT INTO secret VALUES (?)", (b"k" * 32,))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        yield connection


@contextmanager
def older_database(url: str, version: int) -> "Generator[Connection[Any]]":
    """Write a ledger of an older version without jobs, and yield a connection to it."""
    from psycopg import connect

    from seedance_mcp.ledger.postgres import _migrations as postgres

    with connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA seedance")
        connection.execute("CREATE TABLE seedance.version (migrations integer NOT NULL)")
        connection.execute("INSERT INTO seedance.version VALUES (%s)", (version,))
        for step in postgres.MIGRATIONS[:version]:
            for statement in step:
                connection.execute(statement)
        connection.execute("INSERT INTO seedance.secret VALUES (%s)", (b"k" * 32,))
        yield connection
