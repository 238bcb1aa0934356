"""A server of this version and servers of older ones, on one ledger."""

from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from seedance_mcp.errors import LedgerError
from seedance_mcp.file_locks import LockFile
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import OutcomeLost
from seedance_mcp.ledger._rows import Rows
from seedance_mcp.ledger.postgres import _migrations as postgres
from seedance_mcp.ledger.postgres._queries import PostgresRows
from seedance_mcp.ledger.sqlite import _migrations as sqlite
from seedance_mcp.ledger.sqlite._queries import SqliteRows
from seedance_mcp.ledger.store import Store
from tests.support.ledger import NOON, TAKEN, begin, job, opened
from tests.support.older_ledger import older_database, older_ledger

pytestmark = pytest.mark.anyio

POSTER = b"\xff\xd8\xff..."


async def go_on_together(store: Store, old: Rows, has: Job) -> None:
    """Use a ledger by a new and by an old server in turns; both know one job at first."""
    assert (await store.recent("o", limit=9)).jobs == [has]
    assert await store.keep_poster(has, POSTER)
    await begin(store, job(2))
    assert await store.keep_poster(job(2), POSTER)
    # The old one makes a job, sees the new one's, and deletes one that has a poster.
    old.write(job(3), at=NOON)
    old.write((await store.observe(job(2), OutcomeLost(), NOON)), at=NOON)
    assert {each.id for each in old.newest("o", statuses=(), limit=9)} == {
        *(has.id, "job-2", "job-3")
    }
    old.delete(has)
    assert await store.posters([has.id, "job-2"], "o") == {"job-2": POSTER}
    assert await store.keep_poster(job(3), POSTER)
    assert (await store.observe(job(3), TAKEN, NOON)).request_id == "r"


async def test_an_older_server_goes_on_with_a_file_that_a_newer_one_brings_up_to_date(
    tmp_path: Path,
) -> None:
    (tmp_path / "processes").mkdir()
    name = f"{sqlite.OLDEST_COMPATIBLE}-{'a' * 32}"
    older = LockFile.try_lock(tmp_path / "processes" / name)
    assert older
    with closing(older), older_ledger(tmp_path, sqlite.OLDEST_COMPATIBLE) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        rows = SqliteRows(connection, name)
        rows.write(job(1), at=NOON)
        async with opened(tmp_path) as store:
            await go_on_together(store, rows, job(1))
        version = connection.execute("PRAGMA user_version").fetchone()
    assert version == (len(sqlite.MIGRATIONS),)


async def test_an_older_server_goes_on_with_a_database_that_a_newer_one_brings_up_to_date(
    database_url: str,
) -> None:
    with older_database(database_url, postgres.OLDEST_COMPATIBLE) as connection:
        name = f"{postgres.OLDEST_COMPATIBLE}-7-a"
        lives(connection, name)
        rows = PostgresRows(connection, name)
        rows.write(job(1), at=NOON)
        async with opened(database_url) as store:
            await go_on_together(store, rows, job(1))
        versions = connection.execute("SELECT migrations, oldest FROM seedance.version")
        assert versions.fetchall() == [(len(postgres.MIGRATIONS), postgres.OLDEST_COMPATIBLE)]


async def test_a_database_is_left_alone_while_a_server_lives_that_could_not_go_on(
    database_url: str,
) -> None:
    with older_database(database_url, 1) as connection:
        lives(connection, f"{postgres.OLDEST_COMPATIBLE - 1}-7-a")
        async with opened(database_url) as store:
            with pytest.raises(LedgerError) as refused:
                await begin(store, job())
            assert refused.value.message == (
                "The ledger's database is of an older version of seedance-mcp, and a server of that"
                " version still runs: stop every server of it, then try again."
            )
            assert connection.execute("SELECT * FROM seedance.version").fetchall() == [(1,)]
            # As it does when it ends in order.
            connection.execute("DELETE FROM seedance.processes")
            assert await begin(store, job()) == job()


async def test_a_command_reads_a_database_of_an_older_version_and_leaves_it_so(
    database_url: str,
) -> None:
    from seedance_mcp.clock import Clock
    from seedance_mcp.ledger.postgres.reading import LedgerReader

    with older_database(database_url, 1) as connection:
        lives(connection, f"{postgres.OLDEST_COMPATIBLE - 1}-7-a")
        PostgresRows(connection, f"{postgres.OLDEST_COMPATIBLE - 1}-7-a").write(job(1), at=NOON)
        with closing(LedgerReader(database_url, Clock(now=lambda: NOON))) as store:
            assert (await store.recent("o", limit=9)).jobs == [job(1)]
            assert await store.posters(["job-1"], "o") == {}
        assert connection.execute("SELECT * FROM seedance.version").fetchall() == [(1,)]


async def test_a_server_begins_no_job_in_tables_that_a_newer_version_made_anew(
    database_url: str,
) -> None:
    newer = len(postgres.MIGRATIONS) + 1
    async with opened(database_url) as store:
        # It has no lease yet, so the newer version does not see it.
        assert (await store.recent("o", limit=9)).total == 0
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute("UPDATE seedance.version SET migrations = %s", (newer,))
            assert await begin(store, job(1)) == job(1)
            other.execute("UPDATE seedance.version SET oldest = %s", (newer,))
            with pytest.raises(LedgerError, match="was taken over by a newer version of seedance"):
                await begin(store, job(2))
            assert other.execute("SELECT id FROM seedance.jobs").fetchall() == [("job-1",)]


def lives(connection: psycopg.Connection, process: str) -> None:
    """Write that a process lives, as one of an older version does."""
    connection.execute("INSERT INTO seedance.processes VALUES (%s, clock_timestamp())", (process,))
