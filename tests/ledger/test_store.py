"""The ledger alone: real SQLite files that are shared, damaged, locked, old and new."""

import sqlite3
import stat
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError, SpendingLimitReached
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import (
    Accepted,
    Cancelled,
    Failed,
    OutcomeLost,
    Outputs,
    Queued,
    Running,
    Status,
    Succeeded,
)
from seedance_mcp.ledger.sqlite._migrations import migrate
from seedance_mcp.ledger.sqlite._processes import LiveProcesses
from seedance_mcp.ledger.sqlite._queries import SqliteRows
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.spending.limits import SpendingLimits
from tests.support.broken_ledgers import BROKEN
from tests.support.wording import JOBS_LIMIT_REACHED

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SAME_ID = "RunComfy answered with the request_id of another job."
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
    chosen: dict[str, Any] = {"force_new": False, "limits": limits, **options}
    return await store.begin(new, **chosen)


def names(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def raw(tmp_path: Path) -> Generator[sqlite3.Connection, None, None]:
    """Yield a connection of another program to the ledger's file."""
    connection = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    yield connection
    connection.close()


async def test_a_job_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    new = job(estimated_microdollars=200_000)
    async with opened(tmp_path) as store:
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
    async with opened(tmp_path) as store:
        assert done == expected
        assert await store.find("r-1", "o") == expected
        assert await store.find("r-1", "another owner") is None


async def test_every_transition_is_an_event(tmp_path: Path, raw: sqlite3.Connection) -> None:
    async with opened(tmp_path) as store:
        await begin(store, job())
        for seen in (Accepted(request_id="r"), Queued(position=1), Queued(), Running(), SUCCESS):
            await store.observe(job(), seen, NOON)
        await store.observe(job(), Failed(error="late"), NOON)
    assert raw.execute("SELECT was, became FROM events ORDER BY rowid").fetchall() == [
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


async def test_tokens_are_kept_as_hashes_with_a_key_of_their_ledger(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as one, opened(tmp_path / "b") as other:
        kept = await one.token_hash("a-secret-token")
        assert (len(kept), "a-secret-token" in kept) == (64, False)
        assert kept == await one.token_hash("a-secret-token")
        assert kept != await one.token_hash("another-token")
        assert kept != await other.token_hash("a-secret-token")


@pytest.mark.parametrize(
    ("seen", "acknowledged", "owed_here", "owed_elsewhere"),
    [
        ([], False, (0, 29, 1500), (0, 29, 1500)),
        ([OutcomeLost()], False, (0, 29), (0, 29)),
        ([TAKEN], False, (0, 29, 1439), (0, 29, 1439)),
        ([TAKEN, Running()], False, (0, 29, 1439), (0, 29, 1439)),
        ([TAKEN, SUCCESS], False, (0, 29, 1439), (0, 29, 1439)),
        ([TAKEN, Failed(error="no")], False, (0, 29, 1439, 1500), (0, 29, 1439, 1500)),
        ([TAKEN, Cancelled()], False, (), ()),
        ([TAKEN], True, (), (0, 14)),
        ([TAKEN, Running()], True, (), (0, 14)),
        ([TAKEN, SUCCESS], True, (), (0, 14)),
        ([TAKEN, Failed(error="no")], True, (), (0, 14)),
    ],
    ids=str,
)
async def test_an_identical_call_gets_a_job_back_until_it_is_acknowledged_or_too_old(
    *,
    seen: list[Any],
    acknowledged: bool,
    owed_here: tuple[int, ...],
    owed_elsewhere: tuple[int, ...],
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store, opened(tmp_path) as elsewhere:
        first = await begin(store, job())
        for observation in seen:
            await store.observe(first, observation, NOON)
        if acknowledged:
            await store.acknowledge("r", "o")
        for process, owed in ((store, owed_here), (elsewhere, owed_elsewhere)):
            for minutes in (0, 14, 15, 29, 30, 1439, 1440, 1500):
                later = job(id="later", created_at=NOON + timedelta(minutes=minutes))
                is_owed = minutes <= max(owed, default=-1)
                expected = replace(first, id="job-1") if is_owed else None
                found = await process.find_owed(later)
                assert (found and found.id) == (expected and expected.id), minutes
        forced = job(id="forced")
        assert await begin(store, forced, force_new=True) == forced


async def test_a_job_that_the_clock_dates_into_the_future_is_owed_as_if_begun_now(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        await begin(store, job(created_at=NOON + timedelta(days=400)))
        again = await store.find_owed(job(id="again"))
        assert again
        assert again.id == "job-1"


async def test_a_failed_job_is_owed_to_every_process_until_an_answer_has_said_so(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store, opened(tmp_path) as elsewhere:
        await begin(store, job())
        await store.observe(job(), TAKEN, NOON)
        failed = await store.observe(job(), Failed(error="no"), NOON)
        assert await elsewhere.find_owed(job(id="again")) == failed
        await store.note_failure_told(failed)
        assert await store.find_owed(job(id="again")) is None
        assert await elsewhere.find_owed(job(id="again")) is None


@pytest.mark.parametrize(
    "change",
    [{"owner": "p"}, {"model_id": "n"}, {"arguments": {"prompt": "clip 1", "duration": 10}}],
    ids=str,
)
async def test_a_call_that_differs_in_anything_is_not_identical(
    change: dict[str, Any], tmp_path: Path
) -> None:
    async with opened(tmp_path) as store:
        await begin(store, job())
        other = job(id="other", **change)
        assert await begin(store, other) == other


async def test_a_job_of_unknown_outcome_is_reused_for_half_an_hour(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await begin(store, job())
        await store.observe(job(), OutcomeLost(), NOON)
        late = job(id="late", created_at=NOON + timedelta(minutes=30))
        assert await begin(store, late) == late


async def test_the_hourly_limit_counts_started_jobs_and_says_when_the_next_is_allowed(
    tmp_path: Path,
) -> None:
    three = SpendingLimits(jobs_per_hour=3)
    async with opened(tmp_path) as store:
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
        await store.discard(job(2))
        assert await begin(store, fourth, limits=three) == fourth
        late = job(5, created_at=NOON + timedelta(hours=1))
        assert await begin(store, late, limits=three) == late


async def test_a_job_that_a_dead_process_was_submitting_becomes_unknown(tmp_path: Path) -> None:
    dead = SqliteStore(
        tmp_path,
        Clock(now=lambda: NOON, random=lambda: 0.5),
        origin="o",
        history=timedelta(days=90),
    )
    await begin(dead, job())
    async with opened(tmp_path) as store:
        assert await store.get(job()) == job()
        dead.close()
        left = await store.get(job())
        assert left
        assert left.status is Status.UNKNOWN
    async with opened(tmp_path) as store:
        page = await store.recent("o", statuses=[Status.UNKNOWN], limit=5)
        assert [found.id for found in page.jobs] == ["job-1"]


async def test_a_request_id_that_could_not_be_written_at_first_is_written_later(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        await begin(store, job())
        remembered = job(request_id="r-9", status=Status.IN_QUEUE)
        await store.observe(remembered, Running(), NOON)
        found = await store.find("r-9", "o")
        assert found == replace(remembered, status=Status.IN_PROGRESS, started_at=NOON)


async def test_a_job_observed_by_request_id_before_its_post_is_answered_stays_one_job(
    tmp_path: Path,
) -> None:
    new = job(estimated_microdollars=200_000)
    async with opened(tmp_path) as store, opened(tmp_path) as other_process:
        await begin(store, new)
        seen = Job(id="r", request_id="r", owner="o", created_at=NOON, status=Status.IN_QUEUE)
        await other_process.observe(seen, Running(), NOON)
        accepted = await store.observe(job(), Accepted(request_id="r"), NOON)
        expected = replace(new, request_id="r", status=Status.IN_PROGRESS, started_at=NOON)
        assert accepted == expected
        assert (await store.recent("o", limit=9)).jobs == [expected]
        done = await other_process.observe(seen, SUCCESS, NOON)
        assert (done.id, done.status) == ("job-1", Status.COMPLETED)
        assert (await store.recent("o", limit=9)).jobs == [done]


async def test_a_request_id_that_two_paid_requests_were_answered_with_leaves_two_jobs(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        for number in (1, 2):
            await begin(store, job(number))
        first = await store.observe(job(1), Accepted(request_id="r"), NOON)
        second = await store.observe(job(2), Accepted(request_id="r"), NOON)
        assert second == job(2, status=Status.UNKNOWN, error=SAME_ID)
        # What a process knows that could not write the answer down.
        remembered = job(2, request_id="r", status=Status.IN_QUEUE)
        assert await store.observe(remembered, Running(), NOON) == second
        assert (await store.recent("o", limit=9)).jobs == [second, first]


DATA = "data:image/png;base64,AAAA"
SHOTS: dict[str, Any] = {
    "prompt": "Mist.",
    "duration": 5,
    "image": DATA,
    "more": [DATA, "https://a.example/b"],
}
HOSTED: dict[str, Any] = {
    "image": "https://runcomfy.example/a",
    "more": ["https://runcomfy.example/a", SHOTS["more"][1]],
}


ECHOES: list[tuple[dict[str, Any], bool]] = [
    (SHOTS, True),
    (SHOTS | {"seed": None, "last_image": ""}, True),
    (SHOTS | HOSTED, True),
    (SHOTS | {"image": "data:image/png;base64,BBBB"}, False),
    (SHOTS | {"image": None}, False),
    (SHOTS | {"more": [DATA]}, False),
    (SHOTS | {"more": [DATA, "https://runcomfy.example/b"]}, False),
    (SHOTS | {"more": [[DATA], 1]}, False),
    (SHOTS | {"duration": True}, False),
    (SHOTS | {"duration": 5.0}, False),
    (SHOTS | {"seed": 0}, False),
    ({}, False),
]


@pytest.mark.parametrize(("echoed", "fits"), ECHOES, ids=str)
@pytest.mark.parametrize("earlier", [[], [Running()], [SUCCESS]], ids=["new", "open", "ended"])
async def test_a_result_with_the_arguments_of_a_lost_job_makes_both_one_job(
    *, earlier: list[Any], echoed: dict[str, Any], fits: bool, tmp_path: Path
) -> None:
    new = job(arguments=SHOTS, estimated_microdollars=200_000, token_hash="t")
    adopted = Job(id="a", request_id="r", owner="o", created_at=NOON, status=Status.IN_QUEUE)
    async with opened(tmp_path) as store:
        await begin(store, new)
        await store.observe(new, OutcomeLost(why="No answer."), NOON)
        for seen in earlier:
            await store.observe(adopted, seen, NOON)
            await store.set_saved_to(replace(adopted, saved_to=("/a.mp4",)))
        result = replace(SUCCESS, echoed_input=echoed)
        done = await store.observe(adopted, result, NOON)
        assert (done.id, done.request_id, done.status) == (
            "job-1" if fits else "a",
            "r",
            Status.COMPLETED,
        )
        page = await store.recent("o", limit=9)
        assert [found.id for found in page.jobs] == (["job-1"] if fits else ["a", "job-1"])
        assert (await store.find("r", "o")) == done
        assert done.saved_to == (("/a.mp4",) if earlier else ())
        if fits:
            kept = (done.digest, done.estimated_microdollars, done.token_hash)
            assert kept == (new.digest, 200_000, "t")
            assert (done.model_id, done.created_at, done.error) == ("m", NOON, None)


async def fill_with_old_jobs(folder: Path) -> None:
    """Write a job of every kind, all begun and ended at noon."""
    kinds: dict[str, list[Any]] = {
        "taken": [SUCCESS],
        "downloaded": [SUCCESS],
        "not taken": [SUCCESS],
        "failed": [Failed(error="no")],
        "cancelled": [Cancelled()],
        "running": [Running()],
        "unknown": [],
    }
    async with opened(folder) as store:
        for name, seen in kinds.items():
            new = await begin(store, job(id=name, arguments={"prompt": name}))
            answer = Accepted(request_id=name) if seen else OutcomeLost()
            for observation in (answer, *seen):
                new = await store.observe(new, observation, NOON)
        await store.acknowledge("taken", "o")
        await store.set_saved_to(job(id="downloaded", saved_to=("", "/videos/1.mp4")))


async def left(folder: Path, days: float) -> set[str]:
    """Open a ledger so many days after noon, and return the ids of the jobs that are left."""
    async with opened(folder, now=NOON + timedelta(days=days)) as store:
        return {found.id for found in (await store.recent("o", limit=99)).jobs}


ALL = {"taken", "downloaded", "not taken", "failed", "cancelled", "running", "unknown"}


@pytest.mark.parametrize(
    ("days", "stay"),
    [
        (90, ALL),
        (91, {"not taken", "running"}),
        (180, {"not taken", "running"}),
        (181, {"running"}),
    ],
)
async def test_a_job_leaves_after_the_history_and_one_that_was_not_taken_after_twice_that(
    days: int, stay: set[str], tmp_path: Path
) -> None:
    await fill_with_old_jobs(tmp_path)
    async with opened(tmp_path, now=NOON + timedelta(days=days)) as store:
        await begin(store, job(id="later", created_at=NOON + timedelta(days=days)))
    assert await left(tmp_path, days) == stay | {"later"}


async def test_a_job_that_ran_long_leaves_after_it_ended(tmp_path: Path) -> None:
    ended, later = NOON + timedelta(days=30), NOON + timedelta(days=119)
    async with opened(tmp_path, now=later) as store:
        await begin(store, job())
        await store.observe(job(), Accepted(request_id="r"), NOON)
        await store.observe(job(), Failed(error="no"), ended)
        await begin(store, job(2, created_at=later))
    assert await left(tmp_path, 120) == {"job-1", "job-2"}


@pytest.mark.parametrize("newest", [-1, 0, 1, 1000])
async def test_a_clock_that_is_ahead_deletes_nothing(newest: int, tmp_path: Path) -> None:
    await fill_with_old_jobs(tmp_path)
    async with opened(tmp_path) as store:
        await begin(store, job(id="newest", created_at=NOON + timedelta(days=newest)))
    assert await left(tmp_path, 400) == ALL | {"newest"}
    assert await left(tmp_path, 1) == ALL | {"newest"}


async def test_a_job_begun_by_a_clock_that_was_ahead_does_not_delete_itself(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        await begin(store, job(created_at=NOON + timedelta(days=91)))
        await store.observe(job(), Accepted(request_id="r"), NOON)
        await store.observe(job(), Failed(error="no"), NOON)
    assert await left(tmp_path, 92) == {"job-1"}


async def test_a_job_answered_with_the_id_of_one_that_ended_long_ago_stays(tmp_path: Path) -> None:
    later = NOON + timedelta(days=91)
    new, another = job(created_at=later), job(2, created_at=later)
    elsewhere = Job(id="a", request_id="r", owner="o", created_at=NOON)
    async with opened(tmp_path, now=later) as store:
        await store.observe(elsewhere, Failed(error="no"), NOON)
        await begin(store, new)
        await store.observe(new, Accepted(request_id="r"), later)
        await begin(store, another)
    assert await left(tmp_path, 91) == {"job-1", "job-2"}


async def test_the_log_says_once_that_the_clock_jumped(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    async with opened(tmp_path) as store:
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
    async with opened(tmp_path) as store:
        await store.recent("o", limit=1)
        await begin(store, job(6))
        assert caplog.messages == [jumped] * 2


async def test_limits_ignore_jobs_dated_more_than_an_hour_ahead(tmp_path: Path) -> None:
    limits = SpendingLimits(jobs_per_hour=2, usd_per_day=Decimal("0.5"))
    ahead = timedelta(minutes=60), timedelta(minutes=61), timedelta(days=400)
    async with opened(tmp_path) as store:
        for number, early in enumerate(ahead):
            at = NOON + early
            await begin(store, job(number, created_at=at, estimated_microdollars=200_000))
        for number, refusal in ((4, None), (5, SpendingLimitReached), (6, SpendingLimitReached)):
            new = job(number, estimated_microdollars=200_000)
            with pytest.raises(refusal) if refusal else nullcontext() as refused:
                assert await begin(store, new, limits=limits) == new
        assert refused
        assert "the next is allowed at 13:00:00 UTC, in about 60 min." in refused.value.line


async def test_a_job_dated_ahead_is_owed_as_if_it_was_begun_now(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        ahead = await begin(store, job(created_at=NOON + timedelta(days=400)))
        again = job(id="again", created_at=NOON + timedelta(hours=1))
        assert await begin(store, again) == ahead
        await store.observe(ahead, OutcomeLost(), NOON)
        assert (await begin(store, again)).id == ahead.id


async def test_a_page_has_the_newest_jobs_first_and_the_total(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
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


def _migrate_twice(path: Path, instant: int) -> tuple[bool, bool]:
    """Migrate a new file while another process does the same at one instant of it.

    Returns:
        Whether there is such an instant, and whether the other process was not locked out then.
    """
    instants = 0
    let_in = False
    with (
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as ours,
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as theirs,
    ):

        def interfere() -> None:
            nonlocal instants, let_in
            instants += 1
            if instants == instant:
                ours.set_progress_handler(None, 1)
                with suppress(sqlite3.OperationalError):
                    migrate(theirs, "o", lambda: False)
                    let_in = True

        for connection in (ours, theirs):
            connection.execute("PRAGMA synchronous = OFF")
        # SQLite calls it before every instruction of its virtual machine.
        ours.set_progress_handler(interfere, 1)
        migrate(ours, "o", lambda: False)
        assert len(SqliteRows(ours, "").secret()) == 32
    return instants >= instant, let_in


def test_a_migration_survives_another_process_migrating_at_any_instant(
    tmp_path: Path,
) -> None:
    let_in: list[bool] = []
    instant = 1
    while True:
        there, was_let_in = _migrate_twice(tmp_path / str(instant), instant)
        if not there:
            break
        let_in.append(was_let_in)
        # Thousands of instants are alike: those at which the other process is locked out.
        instant += 1 if was_let_in else 16
    assert (any(let_in), all(let_in)) == (True, False)


async def test_a_process_is_alive_until_it_closes(tmp_path: Path) -> None:
    one, other = LiveProcesses(tmp_path, 7), LiveProcesses(tmp_path, 7)
    assert (one.is_alive(other.process), other.is_alive(one.process)) == (True, True)
    assert one.is_alive("never-was") is False
    other.close()
    assert one.is_alive(other.process) is False
    one.close()
