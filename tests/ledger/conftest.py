"""What the tests of the ledger share."""

import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.ledger import Place, Raw
from tests.support.postgres import PostgresServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave all cases of a test but one to the stress run where the ledger is in PostgreSQL.

    What the cases differ in is decided by the same code for both.
    """
    seen: set[str] = set()
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "[postgres" in item.nodeid:
            test = item.nodeid.partition("[")[0]
            if test in seen:
                item.add_marker(pytest.mark.stress)
            seen.add(test)


@pytest.fixture(scope="session")
def migrated(postgres_server: PostgresServer) -> Generator[str, None, None]:
    """Yield the name of a database that has a ledger, whose copy is made faster than another."""
    from psycopg import connect

    from seedance_mcp.ledger.postgres._migrations import migrate

    with postgres_server.database() as url:
        with connect(url) as connection:
            migrate(connection)
            name = connection.info.dbname
        yield name


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Place, None, None]:
    """Yield where a new ledger of each kind is."""
    if request.param == "sqlite":
        yield tmp_path
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.database(request.getfixturevalue("migrated")) as url:
        yield url


@pytest.fixture
def raw(tmp_path: Path, request: pytest.FixtureRequest) -> Generator[Raw, None, None]:
    """Yield a connection of another program to the ledger."""
    has_place = "place" in request.fixturenames
    where: Place = request.getfixturevalue("place") if has_place else tmp_path
    if isinstance(where, Path):
        opened: Raw = sqlite3.connect(where / "ledger.db", isolation_level=None)
    else:
        from psycopg import connect

        opened = connect(where, autocommit=True, options="-c search_path=seedance")
    with closing(opened):
        yield opened
