"""Real processes that keep posters in one ledger, and are killed while they do."""

import random
import sqlite3
import sys
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from subprocess import PIPE

import anyio
import pytest

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger._posters import MOST_POSTER_BYTES, MOST_POSTERS
from seedance_mcp.ledger._rows import Rows
from tests.support.ledger import NOON, Place, Raw, job, open_store, opened
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.stress]

JOBS = MOST_POSTERS + 100
POSTER = b"\xff\xd8\xff".ljust(MOST_POSTER_BYTES)


def write_jobs(first: int, rows: Rows) -> None:
    """Write some jobs with posters, as far as those are not more than the ledger keeps."""
    for number in range(first, first + 40):
        # Not one that a dead process was submitting, which every start would settle.
        rows.write(job(number, status=Status.CANCELLED), at=NOON)
        if number < MOST_POSTERS:
            rows.set_poster(job(number), POSTER)


async def keep_until_killed(place: Place, first: int) -> None:
    """Keep posters of all jobs again and again, the oldest job first, beginning with one."""
    store = open_store(place, Clock())
    while True:
        for number in range(first, JOBS):
            with suppress(LedgerError):  # the machine may be too busy for one
                await store.keep_poster(job(number), POSTER)
            print(number, flush=True)  # noqa: T201 - says how far this process is
        first = 0


async def test_processes_that_are_killed_while_they_keep_posters_leave_whole_ones(
    place: Place, raw: Raw
) -> None:
    rounds, chance = 3, random.Random(7)
    async with opened(place) as store:
        for first in range(0, JOBS, 40):
            await store.run(partial(write_jobs, first), writes=True)
    for _ in range(rounds):
        async with AsyncExitStack() as stack:
            for first in (MOST_POSTERS, MOST_POSTERS + 20):
                code = f"{__name__}.main({str(place)!r}, {isinstance(place, Path)}, {first})"
                command = [sys.executable, "-c", f"import {__name__}; {code}"]
                process = await anyio.open_process(command, stdout=PIPE, stderr=None)
                stack.push_async_callback(process.aclose)
                stack.callback(process.kill)
                assert process.stdout
                bytes_until_killed = chance.randrange(1, 200)
                with anyio.fail_after(TIMEOUT_SECONDS):
                    while bytes_until_killed > 0:
                        bytes_until_killed -= len(await process.stdout.receive())
    left = raw.execute("SELECT job, length(jpeg) FROM posters").fetchall()
    assert {size for _, size in left} == {MOST_POSTER_BYTES}
    assert len(left) == MOST_POSTERS
    if isinstance(raw, sqlite3.Connection):
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    async with opened(place) as store:
        found = await store.posters([f"job-{number}" for number in range(JOBS)], "o")
    assert found == {name: POSTER for name, _ in left}
    # What the processes wrote took the place of the oldest.
    assert "job-0" not in found
    assert f"job-{MOST_POSTERS}" in found


def main(place: str, is_folder: bool, first: int) -> None:
    """Keep posters in a process of its own."""
    anyio.run(keep_until_killed, Path(place) if is_folder else place, first)
