"""The nonce of the user's yes in the ledger: one yes buys one job."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seedance_mcp.clock import EVER
from seedance_mcp.errors import LedgerError, SpendingLimitReached
from seedance_mcp.jobs.job import EVERYONE
from seedance_mcp.jobs.status import (
    Accepted,
    Cancelled,
    Failed,
    Observation,
    OutcomeLost,
    Queued,
    Status,
)
from seedance_mcp.spending.limits import SpendingLimits
from tests.support.ledger import NOON, SUCCESS, Place, Raw, begin, job, opened, written
from tests.support.older_ledger import older_ledger

pytestmark = pytest.mark.anyio

BEFORE_APPROVALS = 8
"""The last version whose jobs have no nonce."""


@pytest.mark.parametrize(
    "seen",
    [
        [],
        [Queued()],
        [SUCCESS],
        [Failed(error="No.")],
        [Cancelled(why=None)],
        [OutcomeLost()],
    ],
    ids=["submitting", "open", "completed", "failed", "cancelled", "unknown"],
)
@pytest.mark.parametrize("options", [{}, {"reuse_since": None}], ids=["plain", "force_new"])
async def test_a_yes_that_has_bought_a_job_gives_it_back_whatever_became_of_it(
    place: Place, seen: list[Observation], options: dict[str, Any]
) -> None:
    first = job(1, approval="yes")
    async with opened(place) as store:
        await begin(store, first)
        if seen:
            await store.observe(first, Accepted(request_id="r"), NOON)
        for each in seen:
            await store.observe(first, each, NOON)
        await store.acknowledge("r", "o", by_all=True)
        stored = await store.get(first)
        assert stored
        assert stored.approval == "yes"
        assert await begin(store, job(2, approval="yes"), **options) == stored
        assert await store.find_owed(job(2, approval="yes"), None) == stored
        # Another yes, and none at all, are as if there were no such job.
        for number, approval in ((3, "another yes"), (4, None), (5, None)):
            assert (await begin(store, job(number, approval=approval))).id == f"job-{number}"


async def test_a_yes_whose_request_was_certainly_rejected_may_still_buy_a_job(
    place: Place,
) -> None:
    async with opened(place) as store:
        await begin(store, job(1, approval="yes"))
        await store.discard(job(1, approval="yes"), NOON)
        assert (await begin(store, job(2, approval="yes"))).id == "job-2"


async def test_a_yes_does_not_lift_the_limits(place: Place) -> None:
    async with opened(place) as store:
        await begin(store, job(1))
        with pytest.raises(SpendingLimitReached):
            await begin(store, job(2, approval="yes"), limits=SpendingLimits(jobs_per_hour=1))


async def test_what_was_bought_meanwhile_is_found_before_a_limit_is_checked(place: Place) -> None:
    one = SpendingLimits(jobs_per_hour=1)
    async with opened(place) as store:
        assert await store.find_or_check(job(1), reuse_since=EVER, limits=one) is None
        first = await begin(store, job(1))
        same = replace(job(2), arguments=first.arguments)
        assert await store.find_or_check(same, reuse_since=EVER, limits=one) == first
        with pytest.raises(SpendingLimitReached):
            await store.find_or_check(same, reuse_since=None, limits=one)


async def test_a_yes_in_a_damaged_row_buys_nothing(place: Place, raw: Raw) -> None:
    async with opened(place) as store:
        await begin(store, job(1, approval="yes"))
        raw.execute("UPDATE jobs SET arguments = '{'")
        with pytest.raises(LedgerError, match="damaged row of the ledger"):
            await begin(store, job(2, approval="yes"), reuse_since=None)
        assert written(raw) == ["job-1"]


async def test_no_two_rows_have_one_nonce(place: Place, raw: Raw) -> None:
    async with opened(place) as store:
        await begin(store, job(1, approval="yes"))
        await begin(store, job(2))
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.UniqueViolation)):
            raw.execute("UPDATE jobs SET approval = 'yes' WHERE id = 'job-2'")


async def test_an_older_ledger_gets_the_column_and_keeps_its_jobs(tmp_path: Path) -> None:
    async with opened(tmp_path / "new") as store:
        await begin(store, job(1))
        await begin(store, job(2))
    with older_ledger(tmp_path / "old", BEFORE_APPROVALS) as ledger:
        ledger.execute("ATTACH ? AS new", (str(tmp_path / "new" / "ledger.db"),))
        names = [row[1] for row in ledger.execute("PRAGMA main.table_info(jobs)")]
        assert "approval" not in names
        columns = ", ".join(names)
        ledger.execute(f"INSERT INTO main.jobs ({columns}) SELECT {columns} FROM new.jobs")
    async with opened(tmp_path / "old") as store:
        unknown = [await store.get(job(number)) for number in (1, 2)]
        assert [each and (each.id, each.approval) for each in unknown] == [
            ("job-1", None),
            ("job-2", None),
        ]
        assert (await begin(store, job(3, approval="yes"))).approval == "yes"


async def test_a_job_found_by_its_id_first_keeps_its_nonce(place: Place) -> None:
    async with opened(place) as store:
        first = job(1, approval="yes")
        await begin(store, first)
        adopted = replace(job(9), model_id=None, arguments={}, request_id="r")
        await store.observe(adopted, Queued(), NOON)
        merged = await store.observe(first, Accepted(request_id="r"), NOON)
        assert (merged.id, merged.approval) == ("job-1", "yes")
        assert EVERYONE not in merged.acknowledged_by


async def test_a_job_that_its_ledger_has_lost_is_written_though_its_yes_was_used_again(
    place: Place, raw: Raw
) -> None:
    async with opened(place) as store:
        lost = job(1, approval="yes")
        await begin(store, lost)
        raw.execute("DELETE FROM jobs")
        again = await begin(store, job(2, approval="yes"))
        found = await store.observe(lost, Accepted(request_id="r"), NOON)
        assert (found.id, found.request_id, found.approval) == ("job-1", "r", None)
        assert await store.get(again) == again
        assert written(raw) == ["job-2", "job-1"]


async def test_a_job_whose_id_was_not_written_at_first_keeps_its_nonce(place: Place) -> None:
    async with opened(place) as store:
        first = job(1, approval="yes")
        await begin(store, first)
        named = replace(first, request_id="r", status=Status.IN_QUEUE)
        seen = await store.observe(named, Queued(), NOON)
        assert (seen.request_id, seen.approval) == ("r", "yes")
        assert await begin(store, job(2, approval="yes"), reuse_since=None) == seen
