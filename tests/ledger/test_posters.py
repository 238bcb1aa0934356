"""The small JPEGs that stand for clips in a list: which of them a ledger keeps, and for whom."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import OutcomeLost, Queued
from seedance_mcp.ledger._posters import MOST_POSTER_BYTES, MOST_POSTERS
from seedance_mcp.ledger._rows import Rows
from seedance_mcp.ledger.store import Store
from tests.support.ledger import NOON, SUCCESS, TAKEN, Place, Raw, begin, job, opened

pytestmark = pytest.mark.anyio

CLOCK = Clock(now=lambda: NOON, random=lambda: 0.5)


def jpeg(name: object = "", size: int = 20) -> bytes:
    """Return what begins as a JPEG."""
    return b"\xff\xd8\xff" + str(name).encode().ljust(size - 3, b".")


def stored(raw: Raw) -> list[str]:
    """Return our ids of the jobs that have a row with a poster."""
    return [name for (name,) in raw.execute("SELECT job FROM posters ORDER BY job")]


def dated(number: int) -> Job:
    """Return a new job, which is younger than those of lower numbers."""
    return job(number, created_at=NOON + timedelta(seconds=number))


def write_jobs(numbers: Iterable[int], rows: Rows, *, posters: bool) -> None:
    """Write jobs, perhaps with posters."""
    for number in numbers:
        rows.write(dated(number), at=NOON)
        if posters:
            rows.set_poster(dated(number), jpeg(number))


async def write(store: Store, numbers: Sequence[int], *, posters: bool) -> None:
    """Write jobs, perhaps with posters; a few in a transaction, which may take some seconds."""
    for first in range(0, len(numbers), 40):
        some = numbers[first : first + 40]
        await store.run(partial(write_jobs, some, posters=posters), writes=True)


async def test_a_poster_is_read_by_our_id_of_its_job(place: Place) -> None:
    async with opened(place) as store:
        for number in (1, 2, 3):
            await begin(store, job(number))
        assert await store.keep_poster(job(1), jpeg(1))
        assert await store.keep_poster(job(2), jpeg(2, MOST_POSTER_BYTES))
        asked = {"job-1", "job-2", "job-3", "job-4"}
        assert await store.posters(asked, "o") == {
            "job-1": jpeg(1),
            "job-2": jpeg(2, MOST_POSTER_BYTES),
        }
        assert await store.posters([], "o") == {}
    async with opened(place) as store:
        assert await store.posters(["job-1"], "o") == {"job-1": jpeg(1)}


async def test_a_later_poster_takes_the_place_of_an_earlier_one(place: Place, raw: Raw) -> None:
    async with opened(place) as store:
        await begin(store, job())
        assert await store.keep_poster(job(), jpeg("first"))
        assert await store.keep_poster(job(), jpeg("second"))
        assert await store.posters(["job-1"], "o") == {"job-1": jpeg("second")}
    assert stored(raw) == ["job-1"]


async def test_an_owner_sees_only_its_own_posters(place: Place) -> None:
    async with opened(place) as store:
        for number, owner in ((1, "o"), (2, "p")):
            await begin(store, job(number, owner=owner))
            await store.keep_poster(job(number, owner=owner), jpeg(number))
        for owner, found in (("o", {"job-1": jpeg(1)}), ("p", {"job-2": jpeg(2)}), ("", {})):
            assert await store.posters(["job-1", "job-2"], owner) == found


@pytest.mark.parametrize(
    "wrong", [b"", b"\x89PNG\r\n\x1a\n....", b"\xff\xd8", jpeg(size=MOST_POSTER_BYTES + 1)]
)
async def test_what_is_no_small_jpeg_is_not_kept(wrong: bytes, place: Place, raw: Raw) -> None:
    async with opened(place) as store:
        await begin(store, job())
        assert await store.keep_poster(job(), jpeg())
        assert not await store.keep_poster(job(), wrong)
        assert await store.posters(["job-1"], "o") == {"job-1": jpeg()}
    assert stored(raw) == ["job-1"]


async def test_of_a_job_that_the_ledger_lacks_no_poster_is_kept(place: Place, raw: Raw) -> None:
    async with opened(place) as store:
        await begin(store, job(1))
        assert not await store.keep_poster(job(2), jpeg())
    assert stored(raw) == []


async def test_a_refused_job_leaves_no_poster(place: Place, raw: Raw) -> None:
    async with opened(place) as store:
        await begin(store, job())
        assert await store.keep_poster(job(), jpeg())
        await store.discard(job(), NOON)
        assert stored(raw) == []
        assert not await store.keep_poster(job(), jpeg())
    assert stored(raw) == []


async def test_a_poster_leaves_with_its_job(place: Place, raw: Raw) -> None:
    async with opened(place) as store:
        for number in (1, 2):
            await begin(store, job(number))
            await store.observe(job(number), OutcomeLost(), NOON)
            await store.keep_poster(job(number), jpeg(number))
    later = NOON + timedelta(days=91)
    async with opened(place, now=later) as store:
        await begin(store, job(3, created_at=later))
        await store.keep_poster(job(3), jpeg(3))
    async with opened(place, now=later) as store:
        assert (await store.recent("o", limit=9)).total == 1
    assert stored(raw) == ["job-3"]


async def test_a_poster_stays_while_its_job_changes(place: Place) -> None:
    async with opened(place) as store:
        await begin(store, job())
        await store.keep_poster(job(), jpeg())
        for seen in (TAKEN, Queued(), SUCCESS):
            await store.observe(job(), seen, NOON)
        assert await store.posters(["job-1"], "o") == {"job-1": jpeg()}


async def test_the_poster_of_a_job_that_turns_out_to_be_another_one_leaves_with_it(
    place: Place, raw: Raw
) -> None:
    async with opened(place) as store:
        await begin(store, job())
        adopted = job(9, model_id=None, arguments={}, request_id="r")
        await store.observe(adopted, Queued(), NOON)
        await store.keep_poster(adopted, jpeg())
        await store.observe(job(), TAKEN, NOON)
        assert await store.posters(["job-1", "job-9"], "o") == {}
    assert stored(raw) == []


async def test_the_posters_of_the_newest_jobs_stay(place: Place, raw: Raw) -> None:
    first_ones = range(1, MOST_POSTERS + 1)
    async with opened(place) as store:
        await write(store, first_ones, posters=True)
        await write(store, (1000, 0), posters=False)
        assert not await store.keep_poster(dated(0), jpeg())
        assert set(stored(raw)) == {f"job-{number}" for number in first_ones}
        assert await store.keep_poster(dated(1000), jpeg())
        left = {"job-1000", *(f"job-{number}" for number in first_ones[1:])}
        assert set(stored(raw)) == left
        assert (await store.posters([f"job-{n}" for n in range(1001)], "o")).keys() == left


@pytest.mark.parametrize("value", ["text", 5, b"", b"\x89PNG", jpeg(size=MOST_POSTER_BYTES + 1)])
async def test_a_damaged_poster_is_left_out(value: Any, tmp_path: Path, raw: Raw) -> None:
    async with opened(tmp_path) as store:
        for number in (1, 2):
            await begin(store, job(number))
            await store.keep_poster(job(number), jpeg(number))
        raw.execute("UPDATE posters SET jpeg = ? WHERE job = 'job-1'", (value,))
        assert await store.posters(["job-1", "job-2"], "o") == {"job-2": jpeg(2)}
        assert await store.keep_poster(job(1), jpeg("again"))
        assert (await store.posters(["job-1"], "o"))["job-1"] == jpeg("again")


async def test_a_poster_that_another_program_made_huge_is_left_out(place: Place, raw: Raw) -> None:
    async with opened(place) as store:
        for number in (1, 2):
            await begin(store, job(number))
            await store.keep_poster(job(number), jpeg(number))
        huge = "zeroblob(9000000)" if isinstance(place, Path) else "repeat('a', 9000000)::bytea"
        raw.execute(f"UPDATE posters SET jpeg = {huge} WHERE job = 'job-1'")
        assert await store.posters(["job-1", "job-2"], "o") == {"job-2": jpeg(2)}
        assert (await store.recent("o", limit=9)).total == 2


@pytest.mark.parametrize("odd", ["", "\0", "\ud800", '"', "x" * 100_000])
async def test_an_id_that_no_job_can_have_has_no_poster(odd: str, place: Place) -> None:
    async with opened(place) as store:
        await begin(store, job())
        await store.keep_poster(job(), jpeg())
        assert await store.posters([odd, "job-1"], "o") == {"job-1": jpeg()}
        assert await store.posters([odd] * 50_000 if len(odd) < 9 else [odd], "o") == {}


@pytest.mark.parametrize("most", [20, pytest.param(MOST_POSTERS, marks=pytest.mark.stress)])
async def test_stores_that_keep_posters_at_once_keep_all_of_them_up_to_the_bound(
    most: int, place: Place, raw: Raw
) -> None:
    old, new = range(most - 2), range(900, 912)

    async def keep(store: Store, number: int) -> None:
        assert await store.keep_poster(dated(number), jpeg(number))

    async with opened(place) as one, opened(place) as other, anyio.create_task_group() as tasks:
        await write(one, old, posters=True)
        await write(one, new, posters=False)
        for number in new:
            tasks.start_soon(keep, (one, other)[number % 2], number)
    gone = 10 if most == MOST_POSTERS else 0
    assert set(stored(raw)) == {f"job-{n}" for n in (*old[gone:], *new)}


async def test_a_command_reads_posters_and_writes_none(place: Place) -> None:
    async with opened(place) as store:
        await begin(store, job())
        await store.keep_poster(job(), jpeg())
    with closing(reader(place)) as store:
        assert await store.posters(["job-1"], "o") == {"job-1": jpeg()}
        assert await store.posters(["job-1"], "p") == {}
        with pytest.raises(ValueError, match="only read"):
            await store.keep_poster(job(), jpeg("other"))


def reader(place: Place) -> Store:
    """Return a ledger as a command reads it."""
    if isinstance(place, Path):
        from seedance_mcp.ledger.sqlite.snapshot import LedgerSnapshot

        return LedgerSnapshot(place, CLOCK, origin="o")
    from seedance_mcp.ledger.postgres.reading import LedgerReader

    return LedgerReader(place, CLOCK)


async def test_posters_without_a_job_go_before_those_of_jobs(
    tmp_path: Path, raw: sqlite3.Connection
) -> None:
    async with opened(tmp_path) as store:
        await write(store, range(MOST_POSTERS), posters=True)
        await write(store, (900,), posters=False)
        # As a program does that does not ask SQLite to heed references.
        raw.execute("DELETE FROM jobs WHERE id = 'job-7'")
        assert await store.keep_poster(dated(900), jpeg())
    assert set(stored(raw)) == {f"job-{n}" for n in (*range(MOST_POSTERS), 900) if n != 7}
