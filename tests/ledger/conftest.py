"""What the tests of the ledger share."""

import sqlite3
from collections.abc import Generator
from pathlib import Path

import pytest


@pytest.fixture
def raw(tmp_path: Path) -> Generator[sqlite3.Connection, None, None]:
    """Yield a connection of another program to the ledger's file."""
    connection = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    yield connection
    connection.close()
