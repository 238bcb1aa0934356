"""The thread of the ledger's steps: the loop goes on, and every step is whole, in its turn."""

import sqlite3
import threading
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger._rows import Rows
from seedance_mcp.ledger.store import Store
from tests.support.ledger import NOON, TAKEN, SlowStep, begin, job, opened, written
from tests.support.timeouts import wait_until

pytestmark = pytest.mark.anyio


def ledger_threads() -> list[str]:
    """Return the names of the threads of all ledgers."""
    return [each.name for each in threading.enumerate() if each.name.startswith("ledger")]


async def test_the_loop_goes_on_while_a_step_waits_for_the_disk(tmp_path: Path) -> None:
    slow, outcomes = SlowStep(), list[str]()

    async def call(store: Store) -> None:
        outcomes.append(await store.run(slow, writes=True))

    async with opened(tmp_path) as store, anyio.create_task_group() as tasks:
        tasks.start_soon(call, store)
        # Were the step on this thread, it would end in failure before the loop could let it go.
        await wait_until(slow.began.is_set)
        assert outcomes == []
        slow.may_end.set()
    assert outcomes == ["done"]


async def test_the_loop_goes_on_while_another_program_holds_the_lock(
    tmp_path: Path, raw: sqlite3.Connection
) -> None:
    async with opened(tmp_path) as store:
        await begin(store, job(1))
        raw.execute("BEGIN EXCLUSIVE")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(begin, store, job(2))
            ticks = 0
            while ticks < 50:
                await anyio.sleep(0.001)
                ticks += 1
            raw.execute("ROLLBACK")
        assert written(raw) == ["job-1", "job-2"]


@pytest.mark.virtual_time
async def test_virtual_time_stands_still_while_a_step_runs(tmp_path: Path) -> None:
    slow = SlowStep()
    async with opened(tmp_path) as store, anyio.create_task_group() as tasks:
        tasks.start_soon(partial(store.run, slow, writes=True))
        threading.Timer(0.05, slow.may_end.set).start()
        with anyio.move_on_after(0.001):
            await anyio.sleep(3600)
        # The timer of the loop was due long before, and came only after the step.
        assert slow.may_end.is_set()


async def test_a_thousand_steps_run_in_the_order_of_their_calls(tmp_path: Path) -> None:
    order, results = list[int](), list[int]()

    def step(number: int, _: Rows) -> int:
        order.append(number)
        return number

    async def call(store: Store, number: int) -> None:
        results.append(await store.run(partial(step, number), writes=number % 3 == 0))

    async with opened(tmp_path) as store, anyio.create_task_group() as tasks:
        for number in range(1000):
            tasks.start_soon(call, store, number)
    assert order == results == list(range(1000))
    assert ledger_threads() == []


async def test_no_thread_runs_before_the_first_step_and_one_for_all(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        assert ledger_threads() == []
        threads = {await store.run(lambda _: threading.get_ident()) for _ in range(3)}
        assert (len(threads), threading.get_ident() in threads) == (1, False)
        assert len(ledger_threads()) == 1
    assert ledger_threads() == []


@pytest.mark.parametrize("broken", [ValueError("a bug"), StopIteration(), SystemExit(3)])
async def test_a_step_that_breaks_breaks_its_own_call_alone(
    broken: BaseException, tmp_path: Path, raw: sqlite3.Connection
) -> None:
    def breaks(rows: Rows) -> None:
        rows.write(job(1), at=NOON)
        raise broken

    raised = list[BaseException]()

    async def call(store: Store) -> None:
        try:
            await store.run(breaks, writes=True)
        except BaseException as error:
            raised.append(error)
            if isinstance(error, anyio.get_cancelled_exc_class()):
                raise

    async with opened(tmp_path) as store:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(begin, store, job(0))
            tasks.start_soon(call, store)
            tasks.start_soon(begin, store, job(2))
        # A coroutine may not raise StopIteration, so Python wraps it.
        (error,) = raised
        assert broken in (error, error.__cause__)
        assert written(raw) == ["job-0", "job-2"]


async def test_a_step_whose_call_is_cancelled_is_carried_out_if_it_writes_or_has_begun(
    tmp_path: Path, raw: sqlite3.Connection
) -> None:
    slow, read = SlowStep(), list[str]()

    def look(_: Rows) -> None:
        read.append("a look")

    async with opened(tmp_path) as store:
        await begin(store, job(1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(store.run, slow, writes=True))
            await wait_until(slow.began.is_set)
            tasks.start_soon(store.observe, job(1), TAKEN, NOON)
            tasks.start_soon(store.run, look)
            await anyio.lowlevel.checkpoint()
            # No call waits for the end of a step, not even for that of one that runs.
            tasks.cancel_scope.cancel()
        assert written(raw) == ["job-1"]
        slow.may_end.set()
        found = await store.find("r", "o")
        assert found
        assert (found.status, read) == (Status.IN_QUEUE, [])
        assert written(raw) == ["job-1", "job-99"]


async def test_closing_carries_out_what_is_queued(tmp_path: Path, raw: sqlite3.Connection) -> None:
    slow = SlowStep()
    async with opened(tmp_path) as store:
        await begin(store, job(0))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(store.run, slow, writes=True))
            await wait_until(slow.began.is_set)
            for number in range(1, 50):
                tasks.start_soon(begin, store, job(number))
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        slow.may_end.set()
        store.close()
        assert written(raw) == ["job-0", "job-99", *(f"job-{number}" for number in range(1, 50))]
        assert ledger_threads() == []


async def test_closing_does_not_wait_for_a_lock_of_another_program(
    tmp_path: Path, raw: sqlite3.Connection
) -> None:
    async with opened(tmp_path) as store:
        await begin(store, job(1))
        raw.execute("BEGIN EXCLUSIVE")
        refused = list[str]()

        async def call(number: int) -> None:
            with pytest.raises(LedgerError) as failed:
                await begin(store, job(number))
            refused.append(failed.value.message)

        started = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for number in range(2, 9):
                tasks.start_soon(call, number)
            await anyio.sleep(0.01)
            store.close()
        assert anyio.current_time() - started < 2
        why = "it is locked by another program."
        assert refused == [f"The ledger {tmp_path / 'ledger.db'} cannot be used: {why}"] * 7
        assert ledger_threads() == []
        raw.execute("ROLLBACK")
        # Its next use opens it again.
        await begin(store, job(9))
        assert written(raw) == ["job-1", "job-9"]


@pytest.mark.virtual_time
async def test_readers_pass_a_writer_that_another_program_locks_out(
    tmp_path: Path, raw: sqlite3.Connection
) -> None:
    async with opened(tmp_path) as store:
        await begin(store, job(1))
        # As a program does that writes, until it commits.
        raw.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(begin, store, job(2))
            await anyio.sleep(1)
            assert await store.get(job(1)) == job(1)
            assert anyio.current_time() == pytest.approx(1, abs=0.1)
            raw.execute("ROLLBACK")
