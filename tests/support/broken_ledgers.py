"""Files that stand where the ledger should be, and that no server may use or touch."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from seedance_mcp.ledger.sqlite._migrations import APPLICATION_ID, MIGRATIONS


def broken_header(path: Path) -> None:
    """Write broken header."""
    path.write_bytes(b"This is no database at all. " * 100)


def broken_page(path: Path) -> None:
    """Write broken page."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.close()
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))


def of_a_newer_version(path: Path) -> None:
    """Write of a newer version."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE jobs (what TEXT)")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()


def of_another_program(path: Path) -> None:
    """Write of another program."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE moz_places (url TEXT)")
    connection.close()


BROKEN: list[tuple[Callable[[Path], None], str]] = [
    (broken_header, "it is damaged or no database; move it away to begin a new one."),
    (broken_page, "it is damaged; move it away to begin a new one."),
    (of_a_newer_version, "was written by a newer version of seedance-mcp, and was not touched"),
    (of_another_program, "file is another program's database; it was not touched."),
]
