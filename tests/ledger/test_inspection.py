"""Reading what a ledger says of itself, without changing it."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger.inspection import LedgerInspection
from seedance_mcp.ledger.sqlite.inspection import inspect_ledger
from tests.support.ledger import begin, job, opened

pytestmark = pytest.mark.anyio


async def fill(folder: Path) -> None:
    """Write a ledger of some hundred pages."""
    async with opened(folder) as store:
        for number in range(90):
            await begin(store, job(number, arguments={"prompt": f"{number}{'x' * 3000}"}))


async def test_a_large_ledger_is_looked_through_for_as_long_as_is_allowed(tmp_path: Path) -> None:
    await fill(tmp_path)
    found = inspect_ledger(tmp_path, owner="o", token=None, seconds=60)
    assert (found.damage, found.counts[Status.SUBMITTING], len(found.unknown)) == ([], 90, 90)
    found = inspect_ledger(tmp_path, owner="o", token=None, seconds=0)
    assert (found.damage, len(found.unknown)) == (None, 90)


async def test_a_write_that_was_cut_off_is_left_to_the_next_start(tmp_path: Path) -> None:
    there, copy = tmp_path / "there", tmp_path / "copy"
    await fill(there)
    with closing(sqlite3.connect(there / "ledger.db", isolation_level=None)) as connection:
        # With hardly any cache, pages are written before the end.
        connection.execute("PRAGMA cache_size = 2")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE jobs SET arguments = arguments || ' '")
        shutil.copytree(there, copy)
        connection.execute("ROLLBACK")
    before = {path.name: path.read_bytes() for path in copy.glob("ledger.db*")}
    found = inspect_ledger(copy, owner="o", token=None, seconds=60)
    assert found == LedgerInspection(interrupted=True)
    assert {path.name: path.read_bytes() for path in copy.glob("ledger.db*")} == before
