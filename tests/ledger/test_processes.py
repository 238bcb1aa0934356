"""Processes that share a ledger: alive, dead, and beginning it at once."""

import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path

import anyio
import pytest

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.status import (
    Status,
)
from seedance_mcp.ledger.sqlite._migrations import migrate
from seedance_mcp.ledger.sqlite._processes import LiveProcesses
from seedance_mcp.ledger.sqlite._queries import SqliteRows
from tests.support.ledger import NOON, Place, begin, job, open_store, opened

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_a_job_that_a_dead_process_was_submitting_becomes_unknown(place: Place) -> None:
    dead = open_store(place, Clock(now=lambda: NOON, random=lambda: 0.5))
    await begin(dead, job())
    async with opened(place) as store:
        assert await store.get(job()) == job()
        dead.close()
        left = await store.get(job())
        assert left
        assert left.status is Status.UNKNOWN
    async with opened(place) as store:
        page = await store.recent("o", statuses=[Status.UNKNOWN], limit=5)
        assert [found.id for found in page.jobs] == ["job-1"]


def _migrate_twice(path: Path, instant: int) -> tuple[bool, bool]:
    """Migrate a new file while another process does the same at one instant of it.

    Returns:
        Whether there is such an instant, and whether the other process was not locked out then.
    """
    instants = 0
    let_in = False
    with (
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as ours,
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as theirs,
    ):

        def interfere() -> None:
            nonlocal instants, let_in
            instants += 1
            if instants == instant:
                ours.set_progress_handler(None, 1)
                with suppress(sqlite3.OperationalError):
                    migrate(theirs, "o", lambda: False)
                    let_in = True

        for connection in (ours, theirs):
            connection.execute("PRAGMA synchronous = OFF")
        # SQLite calls it before every instruction of its virtual machine.
        ours.set_progress_handler(interfere, 1)
        migrate(ours, "o", lambda: False)
        assert len(SqliteRows(ours, "").secret()) == 32
    return instants >= instant, let_in


def test_a_migration_survives_another_process_migrating_at_any_instant(
    tmp_path: Path, rounds: int
) -> None:
    let_in: list[bool] = []
    instant = 1
    while True:
        there, was_let_in = _migrate_twice(tmp_path / str(instant), instant)
        if not there:
            break
        let_in.append(was_let_in)
        # Thousands of instants are alike: those at which the other process is locked out.
        alike = 64 if rounds == 1 else 16
        instant += 1 if was_let_in else alike
    assert (any(let_in), all(let_in)) == (True, False)


async def test_a_process_is_alive_until_it_closes(tmp_path: Path) -> None:
    one, other = LiveProcesses(tmp_path, 7), LiveProcesses(tmp_path, 7)
    assert (one.is_alive(other.process), other.is_alive(one.process)) == (True, True)
    assert one.is_alive("never-was") is False
    other.close()
    assert one.is_alive(other.process) is False
    one.close()


async def test_a_second_store_of_one_process_keeps_the_locks_of_the_first(tmp_path: Path) -> None:
    write = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('DELETE FROM jobs')"
    )
    async with opened(tmp_path) as first, opened(tmp_path) as second:
        await begin(first, job())
        with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            await second.get(job())
            command = [sys.executable, "-c", write, str(tmp_path / "ledger.db")]
            other = await anyio.run_process(command, check=False)
            assert b"database is locked" in other.stderr
