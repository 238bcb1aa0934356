"""Any calls of the ledger, some of them given up, while another program holds its lock."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError
from seedance_mcp.ledger.sqlite.store import LOCK_TIMEOUT_SECONDS, SqliteStore
from tests.support.ledger import NOON, begin, job, written
from tests.support.virtual_time import VirtualTimeLoop


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of the ledger, and when it is made and given up, in seconds."""

    at: float
    writes: bool
    gives_up_after: float | None

    async def make(self, store: SqliteStore, number: int) -> str:
        outcome = "cancelled"
        with anyio.move_on_after(self.gives_up_after):
            try:
                if self.writes:
                    await begin(store, job(number))
                else:
                    await store.find("r", "o")
                outcome = "done"
            except LedgerError:
                outcome = "locked"
        return f"{outcome} at {int(anyio.current_time())} s"

    def expected(self, lock: "Lock") -> tuple[str, bool]:
        """Return how the call should end, and whether its step should be carried out."""
        waits = lock.begins < self.at < lock.ends and (self.writes or lock.how == "EXCLUSIVE")
        done_at = lock.ends if waits else self.at
        fits = done_at < self.at + LOCK_TIMEOUT_SECONDS
        ends = [(done_at, "done") if fits else (self.at + LOCK_TIMEOUT_SECONDS, "locked")]
        if self.gives_up_after is not None:
            ends.append((self.at + self.gives_up_after, "cancelled"))
        at, outcome = min(ends)
        return f"{outcome} at {int(at)} s", fits


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock of another program, when it begins, and how long it lasts, in seconds."""

    how: str
    begins: int
    lasts: int

    @property
    def ends(self) -> int:
        return self.begins + self.lasts

    async def hold(self, folder: Path) -> None:
        await anyio.sleep(self.begins)
        with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as other:
            other.execute(f"BEGIN {self.how}")
            await anyio.sleep(self.lasts)


async def outcomes_of(calls: Sequence[Call], lock: Lock, folder: Path) -> dict[int, str]:
    """Return how each call ends."""
    # Once in 0.2 seconds is often enough here.
    clock = Clock(now=lambda: NOON, random=lambda: 10)
    ends = dict[int, str]()
    with closing(SqliteStore(folder, clock, origin="o", history=timedelta(days=90))) as store:

        async def make(number: int, call: Call) -> None:
            await anyio.sleep(call.at)
            ends[number] = await call.make(store, number)

        await store.find("r", "o")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lock.hold, folder)
            for number, call in enumerate(calls):
                tasks.start_soon(make, number, call)
        # What was abandoned has the same patience.
        await anyio.sleep(LOCK_TIMEOUT_SECONDS + 1)
    return ends


def calls_at(seconds: st.SearchStrategy[int], *, writes: bool) -> st.SearchStrategy[Call]:
    # No two things happen at one time: calls are made at half seconds, and given up at quarters.
    return st.builds(
        Call,
        at=seconds.map(lambda second: second + 0.45),
        writes=st.just(writes),
        gives_up_after=st.none() | st.integers(0, 6).map(lambda seconds: seconds + 0.25),
    )


# After one has waited in vain, those that read wait less; the others do not.
calls = calls_at(st.integers(0, 4), writes=False) | calls_at(st.integers(0, 6), writes=True)
locks = st.builds(
    Lock,
    how=st.sampled_from(["EXCLUSIVE", "IMMEDIATE"]),
    begins=st.integers(0, 3),
    lasts=st.integers(1, 8),
)


@settings(max_examples=12)
@given(calls=st.lists(calls, min_size=1, max_size=12), lock=locks)
def test_whatever_is_locked_or_given_up_no_step_is_lost_torn_or_out_of_turn(
    calls: list[Call], lock: Lock
) -> None:
    # Timers that are due at one time may fire in any order.
    calls = [
        replace(call, at=call.at + number / 1000)
        for number, call in enumerate(sorted(calls, key=lambda call: call.at))
    ]
    expected = [call.expected(lock) for call in calls]
    with (
        TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=VirtualTimeLoop) as runner,
    ):
        ends = runner.run(outcomes_of(calls, lock, Path(folder)))
        with closing(sqlite3.connect(Path(folder) / "ledger.db")) as raw:
            rows = written(raw)
    assert ends == {number: end for number, (end, _) in enumerate(expected)}
    assert rows == [
        f"job-{number}"
        for number, (_, carried_out) in enumerate(expected)
        if carried_out and calls[number].writes
    ]
