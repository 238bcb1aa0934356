"""A ledger of any content, moved from SQLite into PostgreSQL."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Outputs, Status
from seedance_mcp.ledger import _reports as reports
from seedance_mcp.ledger import _rules as rules
from seedance_mcp.ledger._posters import keep_poster, posters
from seedance_mcp.ledger._rows import Rows
from seedance_mcp.ledger.copies import JobCopy
from seedance_mcp.ledger.sqlite._migrations import migrate, transaction
from seedance_mcp.ledger.sqlite._queries import SqliteRows
from seedance_mcp.ledger.sqlite.export import exported, storable_text
from seedance_mcp.ledger.sqlite.snapshot import copy_ledger
from tests.support.ledger import NOON, opened

OWNERS = ("o", "o token:alice")
TIMES = st.datetimes(timezones=st.just(UTC))
INTEGERS = st.none() | st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(max_size=9)
MANY = st.lists(TEXTS, max_size=2).map(tuple)
ANY_TEXTS = st.text(st.characters(exclude_categories=[]), max_size=9)
ARGUMENTS = st.dictionaries(ANY_TEXTS, ANY_TEXTS | st.integers() | st.booleans(), max_size=3)
JOBS = st.builds(
    Job,
    id=TEXTS,
    request_id=st.none() | st.from_regex("[A-Za-z0-9_-]{1,9}", fullmatch=True),
    # The fingerprint of a model with NUL is another one where that is replaced.
    model_id=st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9),
    arguments=ARGUMENTS,
    files=st.dictionaries(TEXTS, st.tuples(TEXTS, TEXTS), max_size=1),
    owner=st.sampled_from(OWNERS),
    token_hash=TEXTS,
    created_at=TIMES,
    status=st.sampled_from([status for status in Status if status is not Status.SUBMITTING]),
    queue_position=INTEGERS,
    started_at=st.none() | TIMES,
    finished_at=st.none() | TIMES,
    outputs=st.builds(Outputs, videos=MANY, images=MANY),
    cost_usd=st.none() | st.floats(allow_nan=False),
    estimated_microdollars=INTEGERS,
    error=st.none() | TEXTS,
    saved_to=MANY,
    acknowledged_by=MANY,
    timely=st.booleans(),
)
UNIQUE = st.lists(
    JOBS, max_size=6, unique_by=(lambda job: job.id, lambda job: job.request_id or job.id)
)
DAMAGE = st.none() | st.tuples(
    st.integers(0, 5),
    st.sampled_from(["created_at", "changed_at", "files", "videos", "cost_usd", "error"]),
    st.text(max_size=3) | st.binary(max_size=3) | st.integers(0, 9),
)


def fill(path: Path, jobs: list[Job], damage: tuple[int, str, Any] | None) -> None:
    """Write a ledger of jobs that have changed once, some with posters, and damage a row."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, "o", lambda: False)
        with transaction(connection, writes=True):
            rows = SqliteRows(connection, "a process that ended")
            for job in jobs:
                rows.write(replace(job, request_id=None, status=Status.UNKNOWN), at=NOON)
                rows.write(job, at=NOON + timedelta(microseconds=1))
                if job.timely:
                    keep_poster(rows, job, b"\xff\xd8\xff" + job.id.encode())
        if damage and damage[0] < len(jobs):
            number, column, value = damage
            query = f"UPDATE jobs SET {column} = ? WHERE rowid = ?"
            connection.execute(query, (value, number + 1))


def contents(rows: Rows, owner: str) -> Any:
    """Return what a ledger says of an owner's jobs."""
    page = rules.recent(rows, owner, limit=100)
    jobs = sorted(page.jobs, key=lambda job: job.id)
    span = {"since": datetime.min.replace(tzinfo=UTC), "until": datetime.max.replace(tzinfo=UTC)}
    costs = [
        (job.model_id, job.cost_usd, job.estimated_microdollars, number)
        for job, number in reports.costs(rows, owner, **span)
    ]
    return {
        "jobs": jobs,
        "total": page.total,
        "events": [reports.events(rows, job) for job in jobs],
        "identical": [sorted(same.id for same in rows.identical(job)) for job in jobs],
        "costs": sorted(costs, key=repr),
        "posters": posters(rows, [job.id for job in jobs], owner),
        "hash": rules.keyed_hash(rows, "a token"),
    }


def test_a_ledger_of_any_content_is_the_same_after_the_move(
    database_url: str, tmp_path: Path, rounds: int
) -> None:
    from psycopg import connect

    from seedance_mcp.ledger.postgres._copies import CopiedRows
    from seedance_mcp.ledger.postgres.importing import import_ledger

    numbers = count()

    @settings(max_examples=12 if rounds == 1 else 100)
    @given(jobs=UNIQUE, damage=DAMAGE)
    def move(jobs: list[Job], damage: tuple[int, str, Any] | None) -> None:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        with connect(database_url) as other:
            other.execute("DROP SCHEMA IF EXISTS seedance CASCADE")
        fill(folder / "ledger.db", jobs, damage)
        with exported(folder, Clock(), origin="o") as copy:
            imported = import_ledger(database_url, copy)
        with connect(database_url) as other:
            moved = CopiedRows(other, "")
            gone = len(copy.unreadable) + len(imported.refused)
            assert len(moved.ids()) + gone == len(jobs)
            # A damaged row that can still be read is sound after the move.
            if not gone and not damage:
                assert [contents(moved, owner) for owner in OWNERS] == before(folder)

    move()


def before(folder: Path) -> list[Any]:
    """Return what the old ledger says, its texts as every database can have them."""
    with closing(copy_ledger(folder, Clock(), origin="o")) as old:
        old.text_factory = storable_text
        rows = SqliteRows(old, "")
        return [contents(rows, owner) for owner in OWNERS]


class _Large(list[JobCopy]):
    """Jobs that take as long to compare as hundreds of thousands."""

    def __iter__(self) -> Iterator[JobCopy]:
        time.sleep(3.5)  # longer than a server's transaction may be idle
        return super().__iter__()


@pytest.mark.stress
def test_a_ledger_that_is_compared_for_long_is_moved(database_url: str, tmp_path: Path) -> None:
    from seedance_mcp.ledger.postgres.importing import Import, import_ledger

    made = Job(id="a", owner="o", created_at=NOON, status=Status.UNKNOWN)
    fill(tmp_path / "ledger.db", [made], None)
    with exported(tmp_path, Clock(), origin="o") as copy:
        large = replace(copy, jobs=_Large(copy.jobs))
        assert import_ledger(database_url, large) == Import(refused=[])
        assert import_ledger(database_url, copy) == Import(already=True)


def test_while_a_ledger_is_moved_no_process_writes_to_the_old_one(tmp_path: Path) -> None:
    fill(tmp_path / "ledger.db", [], None)
    with (
        closing(sqlite3.connect(tmp_path / "ledger.db", timeout=0)) as other,
        exported(tmp_path, Clock(), origin="o"),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


@pytest.mark.anyio
async def test_a_ledger_is_not_moved_while_a_server_uses_the_new_one(
    database_url: str, tmp_path: Path
) -> None:
    from seedance_mcp.ledger.postgres.importing import Import, import_ledger

    fill(tmp_path / "ledger.db", [], None)
    with exported(tmp_path, Clock(), origin="o") as copy:
        async with opened(database_url) as store:
            locks = store.job_locks("saving")
            assert locks
            async with locks.try_lock("r"):
                with pytest.raises(LedgerError, match="A server already uses the database"):
                    import_ledger(database_url, copy)
        assert import_ledger(database_url, copy) == Import(refused=[])


@pytest.mark.anyio
async def test_a_database_that_changes_what_is_written_gets_nothing(
    database_url: str, tmp_path: Path
) -> None:
    from psycopg import connect

    from seedance_mcp.ledger.postgres.importing import import_ledger

    made = Job(id="a", owner="o", created_at=NOON, status=Status.UNKNOWN)
    fill(tmp_path / "ledger.db", [made], None)
    async with opened(database_url) as store:
        await store.recent("o", limit=1)
    with connect(database_url, autocommit=True) as other:
        other.execute(
            "CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql"
            " AS $$BEGIN NEW.cost_usd = 9; RETURN NEW; END$$"
        )
        other.execute(
            "CREATE TRIGGER change BEFORE INSERT ON seedance.jobs"
            " FOR EACH ROW EXECUTE FUNCTION change()"
        )
        with (
            exported(tmp_path, Clock(), origin="o") as copy,
            pytest.raises(LedgerError, match="does not return what was written: nothing was"),
        ):
            import_ledger(database_url, copy)
        assert other.execute("SELECT count(*) FROM seedance.jobs").fetchone() == (0,)
