"""Which earlier job a repeated call gets back, and until when."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from seedance_mcp.clock import EVER
from seedance_mcp.jobs.status import (
    Cancelled,
    Failed,
    OutcomeLost,
    Running,
)
from tests.support.ledger import NOON, SUCCESS, TAKEN, Place, begin, job, opened

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


@pytest.mark.parametrize(
    ("seen", "acknowledged", "owed_here", "owed_elsewhere"),
    [
        ([], False, (0, 29, 1500), (0, 29, 1500)),
        ([OutcomeLost()], False, (0, 29), (0, 29)),
        ([TAKEN], False, (0, 29, 1439), (0, 29, 1439)),
        ([TAKEN, Running()], False, (0, 29, 1439), (0, 29, 1439)),
        ([TAKEN, SUCCESS], False, (0, 29, 1439), (0, 29, 1439)),
        ([TAKEN, Failed(error="no")], False, (0, 29, 1439, 1500), (0, 29, 1439, 1500)),
        ([TAKEN, Cancelled()], False, (), ()),
        ([TAKEN], True, (), (0, 14)),
        ([TAKEN, Running()], True, (), (0, 14)),
        ([TAKEN, SUCCESS], True, (), (0, 14)),
        ([TAKEN, Failed(error="no")], True, (), (0, 14)),
    ],
    ids=str,
)
async def test_an_identical_call_gets_a_job_back_until_it_is_acknowledged_or_too_old(
    *,
    seen: list[Any],
    acknowledged: bool,
    owed_here: tuple[int, ...],
    owed_elsewhere: tuple[int, ...],
    place: Place,
) -> None:
    async with opened(place) as store, opened(place) as elsewhere:
        first = await begin(store, job())
        for observation in seen:
            await store.observe(first, observation, NOON)
        if acknowledged:
            await store.acknowledge("r", "o")
        for process, owed in ((store, owed_here), (elsewhere, owed_elsewhere)):
            for minutes in (0, 14, 15, 29, 30, 1439, 1440, 1500):
                later = job(id="later", created_at=NOON + timedelta(minutes=minutes))
                is_owed = minutes <= max(owed, default=-1)
                expected = replace(first, id="job-1") if is_owed else None
                found = await process.find_owed(later, EVER)
                assert (found and found.id) == (expected and expected.id), minutes
        forced = job(id="forced")
        assert await begin(store, forced, reuse_since=None) == forced


async def test_a_job_that_the_clock_dates_into_the_future_is_owed_as_if_begun_now(
    place: Place,
) -> None:
    async with opened(place) as store:
        await begin(store, job(created_at=NOON + timedelta(days=400)))
        again = await store.find_owed(job(id="again"), EVER)
        assert again
        assert again.id == "job-1"


async def test_a_failed_job_is_owed_to_every_process_until_an_answer_has_said_so(
    place: Place,
) -> None:
    async with opened(place) as store, opened(place) as elsewhere:
        await begin(store, job())
        await store.observe(job(), TAKEN, NOON)
        failed = await store.observe(job(), Failed(error="no"), NOON)
        assert await elsewhere.find_owed(job(id="again"), EVER) == failed
        await store.acknowledge("r", "o", by_all=True)
        assert await store.find_owed(job(id="again"), EVER) is None
        assert await elsewhere.find_owed(job(id="again"), EVER) is None


@pytest.mark.parametrize(
    "change",
    [{"owner": "p"}, {"model_id": "n"}, {"arguments": {"prompt": "clip 1", "duration": 10}}],
    ids=str,
)
async def test_a_call_that_differs_in_anything_is_not_identical(
    change: dict[str, Any], place: Place
) -> None:
    async with opened(place) as store:
        await begin(store, job())
        other = job(id="other", **change)
        assert await begin(store, other) == other


async def test_a_job_of_unknown_outcome_is_reused_for_half_an_hour(place: Place) -> None:
    async with opened(place) as store:
        await begin(store, job())
        await store.observe(job(), OutcomeLost(), NOON)
        late = job(id="late", created_at=NOON + timedelta(minutes=30))
        assert await begin(store, late) == late


async def test_a_job_dated_ahead_is_owed_as_if_it_was_begun_now(place: Place) -> None:
    async with opened(place) as store:
        ahead = await begin(store, job(created_at=NOON + timedelta(days=400)))
        again = job(id="again", created_at=NOON + timedelta(hours=1))
        assert await begin(store, again) == ahead
        await store.observe(ahead, OutcomeLost(), NOON)
        assert (await begin(store, again)).id == ahead.id
