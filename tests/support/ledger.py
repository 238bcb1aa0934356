"""A ledger of SQLite whose clock stands still, and jobs to write into it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from seedance_mcp.clock import EVER, Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Accepted, Outputs, Succeeded
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.spending.limits import SpendingLimits

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
TAKEN = Accepted(request_id="r")
SUCCESS = Succeeded(outputs=Outputs(videos=("https://a.example/1.mp4",)), cost_usd=0.2)


def job(number: int = 1, **changes: Any) -> Job:
    """Return a new job, of which `number` makes the id and the prompt."""
    arguments = {"prompt": f"clip {number}", "duration": 5}
    made = Job(id=f"job-{number}", model_id="m", arguments=arguments, owner="o", created_at=NOON)
    return replace(made, **changes)


@asynccontextmanager
async def opened(folder: Path, *, now: datetime = NOON) -> AsyncGenerator[SqliteStore, None]:
    """Yield a ledger whose clock stands still."""
    clock = Clock(now=lambda: now, random=lambda: 0.5)
    store = SqliteStore(folder, clock, origin="o", history=timedelta(days=90))
    try:
        yield store
    finally:
        store.close()


async def begin(store: SqliteStore, new: Job, **options: Any) -> Job:
    """Begin a job, by default as a call that no limit stops."""
    limits = SpendingLimits(jobs_per_hour=99)
    chosen: dict[str, Any] = {"reuse_since": EVER, "limits": limits, **options}
    return await store.begin(new, **chosen)
