"""A ledger whose clock stands still, in SQLite or PostgreSQL, and jobs to write into it."""

import sqlite3
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from seedance_mcp.clock import EVER, Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Accepted, Outputs, Succeeded
from seedance_mcp.ledger._rows import Rows
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.ledger.store import Store
from seedance_mcp.spending.limits import SpendingLimits

from .timeouts import TIMEOUT_SECONDS

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
Place = Path | str
"""Where a ledger is: the state folder of one of SQLite, or the URL of a database of PostgreSQL."""

TAKEN = Accepted(request_id="r")
SUCCESS = Succeeded(outputs=Outputs(videos=("https://a.example/1.mp4",)), cost_usd=0.2)


def job(number: int = 1, **changes: Any) -> Job:
    """Return a new job, of which `number` makes the id and the prompt."""
    arguments = {"prompt": f"clip {number}", "duration": 5}
    made = Job(id=f"job-{number}", model_id="m", arguments=arguments, owner="o", created_at=NOON)
    return replace(made, **changes)


def open_store(place: Place, clock: Clock, **options: Any) -> Store:
    """Return the ledger in a folder, or behind the URL of a database."""
    chosen: dict[str, Any] = {"history": timedelta(days=90), **options}
    if isinstance(place, Path):
        return SqliteStore(place, clock, origin="o", **chosen)
    from seedance_mcp.ledger.postgres.store import PostgresStore

    return PostgresStore(place, clock, **chosen)


@asynccontextmanager
async def opened(
    place: Place, *, now: datetime = NOON, **options: Any
) -> AsyncGenerator[Store, None]:
    """Yield a ledger whose clock stands still."""
    store = open_store(place, Clock(now=lambda: now, random=lambda: 0.5), **options)
    try:
        yield store
    finally:
        store.close()


async def begin(store: Store, new: Job, **options: Any) -> Job:
    """Begin a job, by default as a call that no limit stops."""
    limits = SpendingLimits(jobs_per_hour=99)
    chosen: dict[str, Any] = {"reuse_since": EVER, "limits": limits, **options}
    return await store.begin(new, **chosen)


class Raw(Protocol):
    """A connection of another program to a ledger."""

    def execute(self, query: Any, values: Any = ..., /) -> Any:
        """Run a statement, and return its rows."""
        ...

    def close(self) -> None:
        """Close it."""


def written(raw: Raw) -> list[str]:
    """Return the ids of the jobs in a ledger, in the order in which they were written."""
    order = "rowid" if isinstance(raw, sqlite3.Connection) else "number"
    return [name for (name,) in raw.execute(f"SELECT id FROM jobs ORDER BY {order}")]


class SlowStep:
    """A step that writes a job once it is let go, as one does that waits for the disk."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.may_end = threading.Event()

    def __call__(self, rows: Rows) -> str:
        self.began.set()
        assert self.may_end.wait(TIMEOUT_SECONDS)
        rows.write(job(99), at=NOON)
        return "done"
