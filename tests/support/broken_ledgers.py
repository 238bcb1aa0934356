"""Files in the ledger's place that a server must neither use nor change."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from seedance_mcp.ledger.sqlite._migrations import APPLICATION_ID, MIGRATIONS


def broken_header(path: Path) -> None:
    """Write a file whose header is damaged."""
    path.write_bytes(b"This is no database at all. " * 100)


def broken_page(path: Path) -> None:
    """Write a ledger whose first page is damaged behind its header."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.close()
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))


def of_a_newer_version(path: Path) -> None:
    """Write the ledger of a newer version."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE jobs (what TEXT)")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()


def of_another_program(path: Path) -> None:
    """Write the database of another program."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE moz_places (url TEXT)")
    connection.close()


BROKEN: list[tuple[Callable[[Path], None], str]] = [
    (broken_header, "it is damaged or not a database; move it away to start a new one."),
    (broken_page, "it is damaged; move it away to start a new one."),
    (of_a_newer_version, "was written by a newer version of seedance-mcp and was not changed"),
    (of_another_program, "file is another program's database and was not changed."),
]
