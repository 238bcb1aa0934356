"""Measure how long it takes to open the ledger, to list 100 of 100,000 jobs, and to write 300.

Run it with `python -m benchmarks.ledger`. Each figure is the median of seven runs. For comparison,
the first one is the time to import the SDK in a fresh process, which every start takes. While 300
jobs are written, each in four steps and all at once, the event loop should go on: the last figure
is the longest time for which it did not.
"""

import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from uuid import uuid4

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Accepted, Outputs, Running, Status, Succeeded
from seedance_mcp.ledger.sqlite._queries import SqliteRows
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.spending.limits import SpendingLimits

JOBS = 100_000
WRITTEN = 300
NOW = datetime.now(UTC)


def ledger(folder: Path) -> SqliteStore:
    """Return a ledger that is not open yet."""
    clock = Clock(now=lambda: NOW, random=lambda: 0.5)
    return SqliteStore(folder, clock, origin="o", history=timedelta(days=3650))


async def fill(folder: Path) -> None:
    """Insert many finished jobs, a minute apart."""
    store = ledger(folder)
    await store.keyed_hash("token")
    store.close()
    with closing(sqlite3.connect(folder / "ledger.db")) as connection, connection:
        rows = SqliteRows(connection, "benchmark")
        for number in range(JOBS):
            at = NOW - timedelta(minutes=number)
            job = Job(
                id=f"{number:032x}",
                request_id=f"request-{number}",
                model_id="bytedance/seedance-1-0/lite/image-to-video",
                arguments={"prompt": "The mist drifts over the lake. " * 10, "duration": 5},
                owner="o",
                created_at=at,
                status=Status.COMPLETED,
                finished_at=at,
                outputs=Outputs(videos=(f"https://outputs.example/{number}.mp4",)),
            )
            rows.write(job, at=at)


async def opening(folder: Path) -> float:
    """Return the milliseconds that it takes to open a ledger."""
    store = ledger(folder)
    started = time.perf_counter()
    await store.keyed_hash("token")
    taken = time.perf_counter() - started
    store.close()
    return taken * 1000


async def listing(folder: Path, *statuses: Status) -> float:
    """Return the milliseconds that it takes to list 100 jobs."""
    store = ledger(folder)
    started = time.perf_counter()
    page = await store.recent("o", statuses=statuses, limit=100)
    taken = time.perf_counter() - started
    store.close()
    if (len(page.jobs), page.total) != (100, JOBS):
        raise RuntimeError("the page does not hold 100 of all jobs")
    return taken * 1000


async def writing(folder: Path, *, pause: bool) -> float:
    """Return the milliseconds that it takes to write jobs, or the longest pause of the loop."""
    store = ledger(folder)
    await store.keyed_hash("token")
    ticks: list[float] = []
    async with anyio.create_task_group() as ticking:
        ticking.start_soon(_tick, ticks)
        async with anyio.create_task_group() as tasks:
            for _ in range(WRITTEN):
                tasks.start_soon(_write_job, store)
        ticking.cancel_scope.cancel()
    store.close()
    ticks.append(time.perf_counter())
    longest = max(after - before for before, after in pairwise(ticks))
    return (longest if pause else ticks[-1] - ticks[0]) * 1000


async def _tick(ticks: list[float]) -> None:
    while True:
        ticks.append(time.perf_counter())
        await anyio.sleep(0.001)


async def _write_job(store: SqliteStore) -> None:
    name = uuid4().hex
    job = Job(id=name, model_id="m", arguments={"prompt": name}, owner="o", created_at=NOW)
    job = await store.begin(job, reuse_since=NOW, limits=SpendingLimits(jobs_per_hour=10**6))
    for seen in (Accepted(request_id=name), Running(), Succeeded(outputs=Outputs())):
        job = await store.observe(job, seen, NOW)


async def importing() -> float:
    """Return the milliseconds that a fresh process takes to import the SDK."""
    started = time.perf_counter()
    await anyio.run_process([sys.executable, "-c", "import mcp.server.lowlevel"])
    return (time.perf_counter() - started) * 1000


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as large, tempfile.TemporaryDirectory() as small:
        await fill(Path(large))
        measures = {
            "importing the SDK": importing,
            "opening an empty ledger": partial(opening, Path(small)),
            f"opening one of {JOBS:,} jobs": partial(opening, Path(large)),
            f"listing 100 of {JOBS:,} jobs": partial(listing, Path(large)),
            f"listing 100 of {JOBS:,} completed": partial(listing, Path(large), Status.COMPLETED),
            f"writing {WRITTEN} jobs at once": partial(writing, Path(small), pause=False),
            "the longest pause of the loop": partial(writing, Path(small), pause=True),
        }
        for name, measure in measures.items():
            times = [await measure() for _ in range(7)]
            print(f"{name:<36} {median(times):8.1f} ms")


if __name__ == "__main__":
    anyio.run(main)
