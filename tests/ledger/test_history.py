"""When a job leaves the ledger, whatever the clock says."""

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.jobs.job import Job, advance
from seedance_mcp.jobs.status import (
    Accepted,
    Cancelled,
    Failed,
    OutcomeLost,
    Running,
)
from tests.support.ledger import NOON, SUCCESS, TAKEN, Place, Raw, begin, job, opened

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def fill_with_old_jobs(place: Place) -> None:
    """Write a job of every kind, all begun and ended at noon."""
    kinds: dict[str, list[Any]] = {
        "taken": [SUCCESS],
        "downloaded": [SUCCESS],
        "not-taken": [SUCCESS],
        "failed": [Failed(error="no")],
        "cancelled": [Cancelled()],
        "running": [Running()],
        "unknown": [],
    }
    async with opened(place) as store:
        for name, seen in kinds.items():
            new = await begin(store, job(id=name, arguments={"prompt": name}))
            answer = Accepted(request_id=name) if seen else OutcomeLost()
            for observation in (answer, *seen):
                new = await store.observe(new, observation, NOON)
        await store.acknowledge("taken", "o")
        await store.set_saved_to(job(id="downloaded", saved_to=("", "/videos/1.mp4")))


async def left(place: Place, days: float) -> set[str]:
    """Open a ledger so many days after noon, and return the ids of the jobs that are left."""
    async with opened(place, now=NOON + timedelta(days=days)) as store:
        return {found.id for found in (await store.recent("o", limit=99)).jobs}


ALL = {"taken", "downloaded", "not-taken", "failed", "cancelled", "running", "unknown"}


@pytest.mark.parametrize(
    ("days", "stay"),
    [
        (90, ALL),
        (91, {"not-taken", "running"}),
        (180, {"not-taken", "running"}),
        (181, {"running"}),
    ],
)
async def test_a_job_leaves_after_the_history_and_one_that_was_not_taken_after_twice_that(
    days: int, stay: set[str], place: Place
) -> None:
    await fill_with_old_jobs(place)
    async with opened(place, now=NOON + timedelta(days=days)) as store:
        await begin(store, job(id="later", created_at=NOON + timedelta(days=days)))
    assert await left(place, days) == stay | {"later"}


@pytest.mark.parametrize(
    ("column", "value", "lasts"),
    [
        ("arguments", "{", 180),
        ("images", "x", 180),
        ("created_at", "zzz", 180),
        ("created_at", "", 180),
        ("created_at", "2026-13-01T00:00:00.000000+00:00", 180),
        ("finished_at", "zzz", 180),
        ("created_at = 'zzz', changed_at", "", 1000),
    ],
)
async def test_a_damaged_row_leaves_after_twice_the_history_if_its_age_can_be_read(
    column: str, value: str, lasts: int, tmp_path: Path, raw: sqlite3.Connection
) -> None:
    await fill_with_old_jobs(tmp_path)
    raw.execute(f"UPDATE jobs SET {column} = ?", (value,))

    def rows() -> set[str]:
        return {name for (name,) in raw.execute("SELECT id FROM jobs")} - {"later"}

    # Of a cancelled one there is no clip.
    for days, stay in ((lasts, ALL - {"cancelled"}), (lasts + 1, set[str]())):
        # A clock that is ahead deletes none, so another row must say that it is that late.
        before = rows()
        assert await left(tmp_path, days) <= ALL | {"later"}
        assert rows() == before
        at = NOON + timedelta(days=days)
        async with opened(tmp_path, now=at) as store:
            await begin(store, job(id="later", created_at=at), reuse_since=None)
        assert await left(tmp_path, days) == {"later"}
        assert rows() == (stay if lasts == 180 else ALL)
        raw.execute("DELETE FROM jobs WHERE id = 'later'")


async def test_what_is_left_of_a_refused_job_leaves_after_an_hour(place: Place, raw: Raw) -> None:
    async with opened(place) as store:
        await begin(store, job())
        await begin(store, job(2))
        await store.discard(job(), NOON)
    for minutes, rows in ((59, 2), (61, 1)):
        async with opened(place, now=NOON + timedelta(minutes=minutes)) as store:
            assert (await store.recent("o", limit=9)).total == 1
        assert raw.execute("SELECT count(*) FROM jobs").fetchone() == (rows,)


async def test_what_runcomfy_says_of_a_job_counts_even_if_it_was_discarded(place: Place) -> None:
    async with opened(place) as store:
        await begin(store, job())
        await store.discard(job(), NOON)
        await store.observe(job(), TAKEN, NOON)
        assert await store.find("r", "o") == advance(job(), TAKEN, NOON)


async def test_a_job_that_ran_long_leaves_after_it_ended(place: Place) -> None:
    ended, later = NOON + timedelta(days=30), NOON + timedelta(days=119)
    async with opened(place, now=later) as store:
        await begin(store, job())
        await store.observe(job(), Accepted(request_id="r"), NOON)
        await store.observe(job(), Failed(error="no"), ended)
        await begin(store, job(2, created_at=later))
    assert await left(place, 120) == {"job-1", "job-2"}


@pytest.mark.parametrize("newest", [-1, 0, 1, 1000])
async def test_a_clock_that_is_ahead_deletes_nothing(newest: int, place: Place) -> None:
    await fill_with_old_jobs(place)
    async with opened(place) as store:
        await begin(store, job(id="newest", created_at=NOON + timedelta(days=newest)))
    assert await left(place, 400) == ALL | {"newest"}
    assert await left(place, 1) == ALL | {"newest"}


async def test_a_job_begun_by_a_clock_that_was_ahead_does_not_delete_itself(
    place: Place,
) -> None:
    async with opened(place) as store:
        await begin(store, job(created_at=NOON + timedelta(days=91)))
        await store.observe(job(), Accepted(request_id="r"), NOON)
        await store.observe(job(), Failed(error="no"), NOON)
    assert await left(place, 92) == {"job-1"}


async def test_a_job_answered_with_the_id_of_one_that_ended_long_ago_stays(place: Place) -> None:
    later = NOON + timedelta(days=91)
    new, another = job(created_at=later), job(2, created_at=later)
    elsewhere = Job(id="a", request_id="r", owner="o", created_at=NOON)
    async with opened(place, now=later) as store:
        await store.observe(elsewhere, Failed(error="no"), NOON)
        await begin(store, new)
        await store.observe(new, Accepted(request_id="r"), later)
        await begin(store, another)
    assert await left(place, 91) == {"job-1", "job-2"}
