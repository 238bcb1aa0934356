"""What is learned about jobs, recorded and announced whatever becomes of the call."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.service._tracking import JobTracker, announcer
from tests.support.ledger import NOON, SUCCESS, TAKEN, begin, job, opened

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_an_end_that_a_cancelled_call_has_seen_is_recorded_and_announced(
    tmp_path: Path,
) -> None:
    clock = Clock(now=lambda: NOON + timedelta(seconds=60), random=lambda: 0.5)
    announced = list[Job]()
    async with opened(tmp_path) as store:
        tracker = JobTracker(store, "o", "token", clock, announcer(announced.append))
        await begin(store, job())
        under_way = await store.observe(job(), TAKEN, NOON)
        with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with anyio.move_on_after(1) as call:
                await tracker.observe(under_way, SUCCESS)
            assert (call.cancelled_caught, anyio.current_time()) == (
                True,
                pytest.approx(1, abs=0.1),
            )
            other.execute("ROLLBACK")
        known = await store.find("r", "o")
        assert known
        assert known.status is Status.COMPLETED
        assert announced == [known]
