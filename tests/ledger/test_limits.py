"""Which jobs the hourly and daily limits count, whatever the clock says."""

import sqlite3
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.errors import SpendingLimitReached
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Cancelled
from seedance_mcp.spending.limits import Quota, SpendingLimits
from seedance_mcp.spending.pricing import total_cost
from tests.support.ledger import NOON, SUCCESS, TAKEN, Place, begin, job, opened
from tests.support.wording import JOBS_LIMIT_REACHED

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_the_hourly_limit_counts_started_jobs_and_says_when_the_next_is_allowed(
    place: Place,
) -> None:
    three = SpendingLimits(jobs_per_hour=3)
    async with opened(place) as store:
        for number in range(3):
            at = NOON + timedelta(minutes=number)
            await begin(store, job(number, created_at=at), limits=three)
        fourth = job(4, created_at=NOON + timedelta(minutes=30))
        with pytest.raises(SpendingLimitReached) as refused:
            await begin(store, fourth, limits=three)
        assert refused.value.line == (
            f"{JOBS_LIMIT_REACHED} 3 jobs were started within the hour; the next is allowed at"
            " 13:00:00 UTC, in about 30 min. Nothing was charged."
        )
        with pytest.raises(SpendingLimitReached):
            await begin(store, replace(fourth, owner="another origin"), limits=three)
        await store.discard(job(2), NOON)
        assert await begin(store, fourth, limits=three) == fourth
        late = job(5, created_at=NOON + timedelta(hours=1))
        assert await begin(store, late, limits=three) == late


async def test_limits_can_be_checked_for_a_job_that_is_not_begun(place: Place) -> None:
    limits = SpendingLimits(jobs_per_hour=2, usd_per_day=Decimal("0.5"))
    dear = job(2, estimated_microdollars=400_000)
    async with opened(place) as store:
        await begin(store, job(1, estimated_microdollars=200_000), limits=limits)
        with pytest.raises(SpendingLimitReached) as dry:
            await store.find_or_check(dear, reuse_since=None, limits=limits)
        with pytest.raises(SpendingLimitReached) as refused:
            await begin(store, dear, limits=limits)
        assert dry.value.line == refused.value.line
        small = job(3, estimated_microdollars=200_000)
        for _ in range(2):
            await store.find_or_check(small, reuse_since=None, limits=limits)
            assert await store.get(small) is None
        assert await begin(store, small, limits=limits) == small
        with pytest.raises(SpendingLimitReached, match=JOBS_LIMIT_REACHED):
            await store.find_or_check(
                job(4, estimated_microdollars=0), reuse_since=None, limits=limits
            )


async def test_a_job_that_was_taken_for_not_accepted_counts_once_it_has_a_cost(
    place: Place,
) -> None:
    limits = SpendingLimits(jobs_per_hour=9, usd_per_day=Decimal("0.5"))
    async with opened(place) as store:
        first = await begin(store, job(1))
        cancelled = await store.observe(first, Cancelled(why="It is not known."), NOON)
        assert await begin(store, job(2, estimated_microdollars=200_000), limits=limits)
        await store.observe(cancelled, replace(SUCCESS, cost_usd=0.4), NOON)
        with pytest.raises(SpendingLimitReached):
            await begin(store, job(3, estimated_microdollars=200_000), limits=limits)


async def test_limits_ignore_jobs_dated_more_than_an_hour_ahead(place: Place) -> None:
    limits = SpendingLimits(jobs_per_hour=2, usd_per_day=Decimal("0.5"))
    ahead = timedelta(minutes=60), timedelta(minutes=61), timedelta(days=400)
    async with opened(place) as store:
        for number, early in enumerate(ahead):
            at = NOON + early
            await begin(store, job(number, created_at=at, estimated_microdollars=200_000))
        for number, refusal in ((4, None), (5, SpendingLimitReached), (6, SpendingLimitReached)):
            new = job(number, estimated_microdollars=200_000)
            with pytest.raises(refusal) if refusal else nullcontext() as refused:
                assert await begin(store, new, limits=limits) == new
        assert refused
        assert "the next is allowed at 13:00:00 UTC, in about 60 min." in refused.value.line


@pytest.mark.parametrize("date", ["2026-02-30T23:50", "2026-02-28T24:10"])
async def test_a_day_or_an_hour_that_does_not_exist_counts_from_the_last_change(
    date: str, tmp_path: Path, raw: sqlite3.Connection
) -> None:
    now = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
    one = SpendingLimits(jobs_per_hour=1)
    async with opened(tmp_path, now=now) as store:
        await begin(store, job(1, created_at=now), limits=one)
        raw.execute("UPDATE jobs SET created_at = ?", (f"{date}:00.000000+00:00",))
        with pytest.raises(SpendingLimitReached):
            await begin(store, job(2, created_at=now), limits=one)


async def test_a_row_whose_dates_no_clock_can_show_is_no_reason_to_buy_nothing(
    tmp_path: Path, raw: sqlite3.Connection
) -> None:
    async with opened(tmp_path) as store:
        await begin(store, job())
        at = "9999-12-31T23:59:59.000000-14:00"
        raw.execute("UPDATE jobs SET created_at = 'zzz', changed_at = ?", (at,))
        new = job(2)
        assert await begin(store, new, limits=SpendingLimits(jobs_per_hour=1)) == new


async def test_the_log_says_once_that_the_clock_jumped(
    caplog: pytest.LogCaptureFixture, place: Place
) -> None:
    async with opened(place) as store:
        for number, ahead in enumerate([timedelta(), timedelta(hours=1)]):
            await begin(store, job(number, created_at=NOON + ahead))
        assert caplog.messages == []
        for number in (2, 3):
            await begin(store, job(number, created_at=NOON + timedelta(days=400)))
        await begin(store, job(4))
        await begin(store, job(5))
        jumped = (
            "The clock of this machine has jumped: the ledger has a job of 2027-06-05 12:00 UTC."
            " Limits do not count jobs dated more than an hour ahead."
        )
        assert caplog.messages == [jumped]
    async with opened(place) as store:
        await store.recent("o", limit=1)
        await begin(store, job(6))
        assert caplog.messages == [jumped] * 2


async def test_a_caller_is_limited_by_its_own_jobs_and_hears_nothing_of_others(
    place: Place,
) -> None:
    own = Quota(jobs_per_hour=2, usd_per_day=Decimal("0.5"), per_caller=True)
    limits = SpendingLimits(jobs_per_hour=4, usd_per_day=Decimal(1), has_others=True, caller=own)
    cost = {"estimated_microdollars": 200_000}
    async with opened(place) as store:

        async def refused(new: Job, **changes: Any) -> str:
            with pytest.raises(SpendingLimitReached) as error:
                await begin(store, new, limits=replace(limits, **changes))
            return error.value.message

        at = NOON - timedelta(minutes=30)
        for number in range(2):
            await begin(store, job(number, owner="alice", created_at=at, **cost), limits=limits)
        assert await refused(job(2, owner="alice", **cost)) == (
            "SEEDANCE_MAX_JOBS_PER_HOUR_PER_CALLER is reached: 2 jobs were started within the hour;"
            " the next is allowed at 12:30:00 UTC, in about 30 min."
        )
        dear = {"estimated_microdollars": 200_001}
        assert await refused(
            job(2, owner="alice", **dear), caller=replace(own, jobs_per_hour=None)
        ) == (
            "SEEDANCE_MAX_COST_USD_PER_DAY_PER_CALLER is 0.5: the jobs of the last 24 h cost 0.4"
            " USD, and this clip is estimated at 0.200001 USD; there will be room at 2026-05-02"
            " 11:30:00 UTC."
        )
        await begin(store, job(3, owner="bob", **cost), limits=limits)
        assert await refused(job(4, owner="carol", estimated_microdollars=500_000)) == (
            "SEEDANCE_MAX_COST_USD_PER_DAY does not allow this clip beside those of the other"
            " callers of this server: this clip is estimated at 0.5 USD; try again in about 24 h."
        )
        await begin(store, job(4, owner="bob", **cost), limits=limits)
        assert await refused(job(5, owner="carol", **cost)) == (
            "SEEDANCE_MAX_JOBS_PER_HOUR is reached by the callers of this server together; try"
            " again in about 30 min."
        )
        totals = [
            total_cost(await store.costs_of_last_day(NOON, owner)).microdollars
            for owner in ("alice", "bob", "carol", None)
        ]
        assert totals == [400_000, 400_000, 0, 800_000]


async def test_an_unknown_cost_of_another_caller_names_no_job(place: Place) -> None:
    limits = SpendingLimits(jobs_per_hour=9, usd_per_day=Decimal(1), has_others=True)
    unknown = "SEEDANCE_MAX_COST_USD_PER_DAY cannot be enforced: the cost of "
    async with opened(place) as store:
        first = await begin(store, job(1, owner="bob"))
        await store.observe(first, TAKEN, NOON)
        own = (
            "the job of 2026-05-01 12:00:00 UTC is unknown; call get_result with request_id r to"
            " read it, or ask the user to unset it."
        )
        others = "an earlier job is unknown; try again later."
        for owner, said in (("alice", others), ("bob", own)):
            new = job(2, owner=owner, estimated_microdollars=1)
            with pytest.raises(SpendingLimitReached) as error:
                await begin(store, new, limits=limits)
            assert error.value.message == unknown + said
