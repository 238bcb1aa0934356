"""Many jobs that are polled at once: all together no more often than the processor can take."""

from contextlib import closing
from pathlib import Path

import anyio
import pytest

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.service._poller import MOST_POLLS_PER_SECOND, Poller
from seedance_mcp.service._schedules import Schedules
from seedance_mcp.service.reports import JobReport
from tests.support.ledger import open_store
from tests.support.virtual_time import virtual_now

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def polls_of_one(folder: Path, jobs: int, seconds: float) -> int:
    """Return how often a job is polled in a time, if the process polls so many jobs."""
    clock, polls = Clock(now=virtual_now, random=lambda: 0.5), 0
    began = virtual_now()

    async def poll(job: Job) -> Job:
        nonlocal polls
        polls += 1
        return job

    async def known_since(*_: object) -> None:
        return None

    # Started elsewhere, so that nothing is known of how long it takes.
    running = Job(id="j", request_id="r", created_at=began, status=Status.IN_PROGRESS)
    with closing(open_store(folder, clock)) as store:
        schedules = Schedules(store, {}, clock)
        poller = Poller(JobReport(job=running), poll, known_since, lambda: jobs, schedules, clock)
        poller.calls = 1
        with anyio.move_on_after(seconds):
            await poller.run()
    return polls


@pytest.mark.parametrize("jobs", [1000, 4000])
async def test_a_thousand_jobs_share_the_polls_of_a_process(jobs: int, tmp_path: Path) -> None:
    seconds = 600.0
    shared = MOST_POLLS_PER_SECOND * seconds / jobs
    assert await polls_of_one(tmp_path, jobs, seconds) == pytest.approx(shared, abs=1, rel=0.4)


async def test_some_hundred_jobs_are_polled_as_often_as_one(tmp_path: Path) -> None:
    assert await polls_of_one(tmp_path, 100, 60.0) == await polls_of_one(tmp_path, 1, 60.0)
