"""The ledger's file alone: what is written, who may read it, and what it says when broken."""

import sqlite3
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.status import (
    Accepted,
    Failed,
    Queued,
    Running,
    Status,
)
from tests.support.broken_ledgers import BROKEN
from tests.support.ledger import NOON, SUCCESS, Place, begin, job, opened

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


def names(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return [path.name for path in folder.iterdir()]


async def test_a_job_is_read_back_as_it_was_written(place: Place) -> None:
    new = job(estimated_microdollars=200_000, approval="a nonce")
    async with opened(place) as store:
        await begin(store, new)
        await store.observe(new, Accepted(request_id="r-1"), NOON)
        await store.observe(new, Queued(position=3), NOON)
        done = await store.observe(new, SUCCESS, NOON + timedelta(seconds=9))
    expected = replace(
        new,
        request_id="r-1",
        status=Status.COMPLETED,
        finished_at=NOON + timedelta(seconds=9),
        outputs=SUCCESS.outputs,
        cost_usd=0.2,
    )
    async with opened(place) as store:
        assert done == expected
        assert await store.find("r-1", "o") == expected
        assert await store.find("r-1", "another owner") is None


async def test_every_transition_is_an_event(place: Place) -> None:
    async with opened(place) as store:
        await begin(store, job())
        for seen in (Accepted(request_id="r"), Queued(position=1), Queued(), Running(), SUCCESS):
            await store.observe(job(), seen, NOON)
        await store.observe(job(), Failed(error="late"), NOON)
        events = await store.events(job())
    assert [(event.was, event.became) for event in events] == [
        (None, "submitting"),
        ("submitting", "in_queue"),
        ("in_queue", "in_progress"),
        ("in_progress", "completed"),
    ]


async def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    async with opened(folder) as store:
        await begin(store, job())
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (folder, folder / "ledger.db")}
    assert modes == {"state": 0o700, "ledger.db": 0o600}


async def test_tokens_are_kept_as_hashes_with_a_key_of_their_ledger(
    place: Place, tmp_path: Path
) -> None:
    async with opened(place) as one, opened(tmp_path / "b") as other:
        kept = await one.keyed_hash("a-secret-token")
        assert (len(kept), "a-secret-token" in kept) == (64, False)
        assert kept == await one.keyed_hash("a-secret-token")
        assert kept != await one.keyed_hash("another-token")
        assert kept != await other.keyed_hash("a-secret-token")


async def test_a_page_has_the_newest_jobs_first_and_the_total(place: Place) -> None:
    async with opened(place) as store:
        for number in range(7):
            await begin(store, job(number, created_at=NOON + timedelta(seconds=number)))
        await store.observe(job(3), Accepted(request_id="r"), NOON)
        page = await store.recent("o", limit=3)
        assert ([found.id for found in page.jobs], page.total) == (["job-6", "job-5", "job-4"], 7)
        queued = await store.recent("o", statuses=[Status.IN_QUEUE], limit=3)
        assert ([found.id for found in queued.jobs], queued.total) == (["job-3"], 1)


async def test_another_programs_lock_is_waited_for_and_then_reported(
    tmp_path: Path, raw: sqlite3.Connection
) -> None:
    async with opened(tmp_path) as store:
        await begin(store, job(1))
        raw.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError) as refused:
            await begin(store, job(2))
        assert refused.value.line == (
            f"The ledger {tmp_path / 'ledger.db'} cannot be used: it is locked by another program."
            " Nothing was charged."
        )
        assert anyio.current_time() == pytest.approx(5, abs=0.1)

        async def unlock() -> None:
            await anyio.sleep(2)
            raw.execute("ROLLBACK")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(unlock)
            assert await begin(store, job(2)) == job(2)


@pytest.mark.parametrize(("breaks", "says"), BROKEN)
async def test_an_unusable_file_is_reported_and_not_changed(
    breaks: Any, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    breaks(path)
    before = path.read_bytes()
    async with opened(tmp_path) as store:
        for _ in range(2):
            with pytest.raises(LedgerError) as refused:
                await begin(store, job())
            assert says in refused.value.line
            assert refused.value.line.endswith(" Nothing was charged.")
    assert path.read_bytes() == before
    assert names(tmp_path) == ["ledger.db"]
