"""What is read from a ledger for people and for answers."""

from datetime import timedelta
from pathlib import Path

import pytest

from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger._rows import Rows
from seedance_mcp.spending.limits import DAY, MAX_AHEAD
from seedance_mcp.spending.pricing import TotalCost, total_cost
from tests.support.ledger import NOON, TAKEN, Place, Raw, begin, job, opened

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

COSTS = [None, 0.0, 0.2, 1.05]
ESTIMATES = [None, 350_000]
DAMAGES_OF_TEXT = ["arguments = '{'", "videos = '{'"]
DAMAGES = [
    "cost_usd = 'much'",
    "estimated_microdollars = 'some'",
    "created_at = 'zzz'",
    *DAMAGES_OF_TEXT,
]


async def test_the_sums_are_of_the_jobs_that_the_daily_limit_counts_damaged_ones_too(
    place: Place, raw: Raw
) -> None:
    ages = [timedelta(hours=-2), timedelta(), DAY - timedelta(seconds=1), DAY]
    made = [
        job(created_at=NOON - age, status=status, cost_usd=cost, estimated_microdollars=estimate)
        for age in ages
        for status in (Status.COMPLETED, Status.CANCELLED, Status.FAILED)
        for cost in COSTS
        for estimate in ESTIMATES
    ]
    async with opened(place) as store:

        def fill(rows: Rows) -> None:
            for number, new in enumerate(made):
                rows.write(job(number, **(vars(new) | {"id": f"{number}"})), at=new.created_at)

        await store.run(fill, writes=True)
        whole = total_cost(await store.costs_of_last_day(NOON))
        # Two ages of four, without cancelled ones that cost nothing: 8 + 4 + 8 in each.
        assert whole == TotalCost(
            microdollars=2 * (6 * 1_250_000 + 4 * 350_000), jobs=40, estimated=8, unknown=4
        )
        # Other columns of PostgreSQL have types.
        damages = DAMAGES if isinstance(place, Path) else DAMAGES_OF_TEXT
        for number, damage in enumerate(damages):
            raw.execute(f"UPDATE jobs SET {damage} WHERE cast(id AS integer) % 7 = {number}")
        counted = await store.run(
            lambda rows: rows.started(since=NOON - DAY, until=NOON + MAX_AHEAD)
        )
        some = total_cost(await store.costs_of_last_day(NOON))
        assert some == total_cost((one, 1) for one in counted)
        assert (some != whole) is isinstance(place, Path)
        of_another = await store.costs("another", since=NOON - DAY, until=NOON)
        assert of_another == []


async def test_the_jobs_of_all_owners_are_counted_by_state(place: Place) -> None:
    async with opened(place) as store:
        for number, owner in enumerate(["o", "o", "another"], 1):
            await begin(store, job(number, owner=owner))
        await store.observe(job(1), TAKEN, NOON)
        counted = await store.states()
    assert counted == dict.fromkeys(map(str, Status), 0) | {"submitting": 2, "in_queue": 1}


async def test_a_name_means_no_job_of_another_owner(place: Place) -> None:
    async with opened(place) as store:
        made = await begin(store, job(1))
        for name in (made.id, made.id[:8]):
            assert await store.look_up(name, made.owner) == [made]
            assert await store.look_up(name, f"{made.owner} token:alice") == []
