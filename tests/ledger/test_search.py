"""Jobs that are looked for by their states and the words of their prompts, in both databases."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger._rows import Rows
from seedance_mcp.ledger.store import Store, Wanted
from tests.support.ledger import NOON, Place, Raw, job, opened

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PROMPTS = ["Mist over a lake", "A LAKE in the rain", "Straße", "50% off_now", 'say "hi"\nthere']


async def fill(store: Store, count: int, **changes: Any) -> None:
    """Write jobs, each a second newer than the one before."""

    def write(rows: Rows) -> None:
        for number in range(count):
            at = NOON + timedelta(seconds=number)
            arguments = {"prompt": PROMPTS[number % len(PROMPTS)]}
            new = replace(job(number, created_at=at, arguments=arguments), **changes)
            rows.write(new, at=at)

    await store.run(write, writes=True)


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ([], [4, 3, 2, 1, 0]),
        (["lake"], [1, 0]),
        (["rain", "lake"], [1]),
        (["STRASSE"], [2]),
        (["%"], [3]),
        (["f_n"], [3]),
        (['"hi"'], [4]),
        (["lake", "desert"], []),
        (["\0", "\ud800"], []),
    ],
)
async def test_every_word_must_be_in_the_prompt_whatever_its_case(
    place: Place, words: list[str], ids: list[int]
) -> None:
    async with opened(place) as store:
        await fill(store, 5)
        found = await store.search("o", Wanted(words=words, limit=9))
    assert [one.id for one in found.jobs] == [f"job-{number}" for number in ids]
    assert (found.matching, found.total) == (len(ids), 5)


async def test_damaged_rows_are_left_out_and_states_are_told_apart(place: Place, raw: Raw) -> None:
    async with opened(place) as store:
        await fill(store, 105, status=Status.COMPLETED)
        await fill(store, 3, owner="another", id="x")
        raw.execute("UPDATE jobs SET arguments = '{' WHERE id = 'job-103'")
        raw.execute("UPDATE jobs SET status = 'failed' WHERE id IN ('job-7', 'job-1')")
        newest = await store.search("o", Wanted(limit=3))
        last = await store.search("o", Wanted(skip=103, limit=9))
        failed = await store.search("o", Wanted(statuses=[Status.FAILED], limit=9))
    assert [one.id for one in newest.jobs] == ["job-104", "job-102"]
    assert [one.id for one in last.jobs] == ["job-1", "job-0"]
    assert ([one.id for one in failed.jobs], failed.matching, failed.total) == (
        ["job-7", "job-1"],
        2,
        105,
    )


@pytest.mark.stress
async def test_the_newest_2000_jobs_are_looked_through(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await fill(store, 2_005)
        last = await store.search("o", Wanted(skip=1_998, limit=9))
    assert ([one.id for one in last.jobs], last.matching, last.total) == (
        ["job-6", "job-5"],
        2_000,
        2_005,
    )


async def test_a_job_is_named_by_its_request_id_or_by_ours_to_its_owner_alone(
    place: Place,
) -> None:
    async with opened(place) as store:
        made = job(request_id="r-1", status=Status.COMPLETED)
        await store.run(lambda rows: rows.write(made, at=NOON), writes=True)
        names = ["r-1", "job-1", "r-", "", "\0", "job-1\0"]
        found = [await store.named(name, "o") for name in names]
        of_another = [await store.named(name, "another") for name in names]
    assert [bool(one) for one in found] == [True, True, False, False, False, False]
    assert not any(of_another)
