"""Steps that queue up and are written to the disk in one transaction."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from seedance_mcp.errors import SeedanceError, SpendingLimitReached
from seedance_mcp.ledger._rows import Rows
from seedance_mcp.ledger.sqlite._thread import MOST_TOGETHER
from seedance_mcp.ledger.store import Store
from tests.support.ledger import NOON, SlowStep, begin, job, opened, written
from tests.support.timeouts import wait_until

pytestmark = pytest.mark.anyio


async def queued(store: Store, *steps: Callable[[Rows], Any]) -> list[Any]:
    """Return the results and errors of steps that wait behind another one."""
    slow, outcomes = SlowStep(), dict[int, Any]()

    async def call(number: int, step: Callable[[Rows], Any]) -> None:
        try:
            outcomes[number] = await store.run(step, writes=True)
        except (SeedanceError, ValueError) as error:
            outcomes[number] = error

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(store.run, slow))
        await wait_until(slow.began.is_set)
        for number, step in enumerate(steps):
            tasks.start_soon(call, number, step)
        await anyio.lowlevel.checkpoint()
        slow.may_end.set()
    return [outcomes[number] for number in range(len(steps))]


def write(number: int, rows: Rows) -> int:
    """Write a job, and return its number."""
    rows.write(job(number), at=NOON)
    return number


def transactions(path: Path) -> int:
    """Return how often a database has been written."""
    # SQLite's file change counter.
    return int.from_bytes(path.read_bytes()[24:28], "big")


async def test_steps_that_queue_up_are_written_to_the_disk_together(
    tmp_path: Path, raw: sqlite3.Connection
) -> None:
    async with opened(tmp_path) as store:
        await begin(store, job(0))
        before = transactions(tmp_path / "ledger.db")
        steps = [partial(write, number) for number in range(1, 61)]
        assert await queued(store, *steps) == list(range(1, 61))
        assert transactions(tmp_path / "ledger.db") - before == 1 + 60 / MOST_TOGETHER
        assert written(raw) == ["job-0", "job-99", *(f"job-{number}" for number in range(1, 61))]


@pytest.mark.parametrize("error", [SpendingLimitReached("Enough."), ValueError("a bug")])
async def test_of_steps_written_together_one_that_fails_leaves_nothing_and_the_others_all(
    error: Exception, tmp_path: Path, raw: sqlite3.Connection
) -> None:
    def fail(rows: Rows) -> None:
        rows.write(job(2), at=NOON)
        raise error

    async with opened(tmp_path) as store:
        await begin(store, job(0))
        told = await queued(store, partial(write, 1), fail, partial(write, 3))
        assert told == [1, error, 3]
        assert written(raw) == ["job-0", "job-99", "job-1", "job-3"]


async def test_many_steps_let_another_process_in_between(tmp_path: Path) -> None:
    done = list[int]()

    async def call(store: Store, number: int) -> None:
        done.append(await store.run(partial(write, number), writes=True))

    async with opened(tmp_path) as store, opened(tmp_path) as other:
        await begin(store, job(500))
        await begin(other, job(501))
        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(call, store, number)
            await anyio.lowlevel.checkpoint()
            await begin(other, job(502))
            assert len(done) < 200
