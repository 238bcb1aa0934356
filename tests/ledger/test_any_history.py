"""Whatever happens to the rows of a ledger, in any order, no job that was paid for is lost."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from seedance_mcp.clock import EVER
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import (
    Accepted,
    Cancelled,
    Failed,
    Observation,
    OutcomeLost,
    Outputs,
    Queued,
    Running,
    Status,
    Succeeded,
)
from seedance_mcp.ledger import _rules as rules
from seedance_mcp.ledger._posters import keep_poster, posters
from seedance_mcp.ledger._rows import Rows as LedgerRows
from seedance_mcp.ledger.postgres import _migrations as postgres
from seedance_mcp.ledger.postgres._queries import PostgresRows
from seedance_mcp.ledger.sqlite._migrations import migrate
from seedance_mcp.ledger.sqlite._queries import SqliteRows
from seedance_mcp.spending.limits import SpendingLimits

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HISTORY = timedelta(days=90)
NO_LIMITS = SpendingLimits(jobs_per_hour=10_000)
HOSTED = "https://runcomfy.example/a.png"
IDS = st.sampled_from(["r-1", "r-2"])
PROMPTS = st.sampled_from(["Mist.", "Rain."])
ANSWERS = (
    st.none()
    | st.builds(Accepted, request_id=IDS)
    | st.builds(OutcomeLost, request_id=st.none() | IDS)
)
NTHS = st.integers(0, 9)
DAYS_AHEAD = st.integers(1, 500)


def arguments(prompt: str) -> dict[str, Any]:
    return {"prompt": prompt, "image": "data:image/png;base64,AAAA", "duration": 5}


@dataclass(kw_only=True)
class Bought:
    """A job whose paid request was sent.

    Attributes:
        answered: The id in its answer, unless that is another bought job's.
        begun: When it was begun, on a clock that is always right.
        ended: When it ended, likewise.
    """

    job: Job
    answered: str | None = None
    begun: datetime
    ended: datetime | None = None


class Rows(RuleBasedStateMachine):
    """Purchases, answers, questions about ids, wrong clocks and starts, on one ledger."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.close = self.open()
        self.now = NOON
        self.numbers = count()
        self.bought: list[Bought] = []
        self.final: dict[str, Status] = {}
        # When the ledger first heard of each id that its job had ended, whoever bought it.
        self.ends: dict[str | None, datetime] = {}
        self.clock_ahead_at_starts = False
        # By the ids of their jobs, which are not always those that were bought.
        self.posters: dict[str, bytes] = {}

    def open(self) -> tuple[LedgerRows, Callable[[], object]]:
        """Return the rows of a new ledger, and what closes it."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        migrate(connection, "o", lambda: False)
        return SqliteRows(connection, "this process"), connection.close

    @initialize(at_starts=st.booleans())
    def a_clock_goes_wrong(self, *, at_starts: bool) -> None:
        """Draw when the clock is ahead: a job dated ahead would confirm a second such clock."""
        self.clock_ahead_at_starts = at_starts

    # What is bought, and what its request is answered.

    @rule(prompt=PROMPTS, force_new=st.booleans(), ahead=st.just(0) | DAYS_AHEAD, answer=ANSWERS)
    def buy(
        self, prompt: str, ahead: int, answer: Accepted | OutcomeLost | None, *, force_new: bool
    ) -> None:
        self.begin(prompt, None, ahead, answer, force_new=force_new)

    @rule(prompt=PROMPTS, yes=st.sampled_from(["yes-1", "yes-2"]), answer=ANSWERS)
    def buy_with_a_yes(self, prompt: str, yes: str, answer: Accepted | OutcomeLost | None) -> None:
        self.begin(prompt, yes, 0, answer, force_new=True)

    def begin(
        self,
        prompt: str,
        yes: str | None,
        ahead: int,
        answer: Accepted | OutcomeLost | None,
        *,
        force_new: bool,
    ) -> None:
        days = timedelta(days=0 if self.clock_ahead_at_starts else ahead)
        new = Job(
            id=f"job-{next(self.numbers)}",
            model_id="m",
            arguments=arguments(prompt),
            owner="o",
            token_hash="t",
            created_at=self.now + days,
            estimated_microdollars=7,
            approval=yes,
        )
        used = [one.job.id for one in self.bought if yes and one.job.approval == yes]
        begun = rules.begin(
            self.rows, new, reuse_since=None if force_new else EVER, limits=NO_LIMITS
        )
        if used:
            assert [begun.id] == used
        elif begun.id == new.id:
            self.bought.append(Bought(job=new, begun=self.now))
            self.answer(self.bought[-1], answer)
        else:
            assert not force_new
            assert begun.digest == new.digest

    @rule(nth=NTHS, answer=ANSWERS)
    @precondition(lambda self: self.submitting())
    def its_answer_comes(self, nth: int, answer: Accepted | OutcomeLost | None) -> None:
        waiting = self.submitting()
        self.answer(waiting[nth % len(waiting)], answer)

    @rule(nth=NTHS)
    @precondition(lambda self: self.submitting())
    def it_is_refused(self, nth: int) -> None:
        waiting = self.submitting()
        refused = waiting[nth % len(waiting)]
        self.rows.delete(refused.job)
        self.bought.remove(refused)

    # What RunComfy is asked about, by this process or another.

    @rule(request_id=IDS, state=st.sampled_from([Queued(), Running(), Cancelled()]))
    def a_question_is_answered(self, request_id: str, state: Observation) -> None:
        self.observe(request_id, state)

    @rule(request_id=IDS, echo=st.none() | PROMPTS, hosted=st.booleans(), fails=st.booleans())
    def a_result_comes(
        self, request_id: str, echo: str | None, *, hosted: bool, fails: bool
    ) -> None:
        repeated = arguments(echo) | ({"image": HOSTED} if hosted else {}) if echo else {}
        videos = Outputs(videos=(f"https://a.example/{request_id}.mp4",))
        success = Succeeded(outputs=videos, echoed_input=repeated)
        self.observe(
            request_id, Failed(error="No.", echoed_input=repeated) if fails else success, echo
        )

    @rule(request_id=IDS)
    def it_is_acknowledged(self, request_id: str) -> None:
        rules.acknowledge(self.rows, request_id, "o")

    # What people look at.

    @rule(nth=NTHS)
    @precondition(lambda self: self.known())
    def its_poster_is_made(self, nth: int) -> None:
        known = self.known()
        shown = known[nth % len(known)]
        self.posters[shown.id] = b"\xff\xd8\xff%d" % len(self.posters)
        assert keep_poster(self.rows, shown, self.posters[shown.id])

    # Time, and starts of the server.

    @rule(days=st.sampled_from([0.01, 1, 30, 60, 100]))
    def time_passes(self, days: float) -> None:
        self.now += timedelta(days=days)

    @rule(days=st.sampled_from([0, 0, -400, 91, 400]), dead=st.booleans())
    def a_server_starts(self, days: int, *, dead: bool) -> None:
        ahead = timedelta(days=days if self.clock_ahead_at_starts or days < 0 else 0)
        rules.settle_dead_processes(self.rows, lambda _: not dead, self.now)
        self.note_ends()
        may_go = [one for one in self.bought if self.now - self.over_since(one) > HISTORY]
        rules.delete_old(self.rows, HISTORY, self.now + ahead)
        for request_id in [one for one in self.ends if not self.rows.by_request_id(one, "o")]:
            del self.ends[request_id]
        # Any other that has gone is lost, as the invariant will find.
        for bought in may_go:
            if not self.row(bought):
                self.bought.remove(bought)

    # What must hold.

    @invariant()
    def every_job_that_was_bought_is_there_as_it_was_bought(self) -> None:
        self.note_ends()
        for bought in self.bought:
            row = self.row(bought)
            assert row, f"lost: {bought}"
            kept = (
                *("model_id", "digest", "token_hash", "created_at"),
                *("estimated_microdollars", "approval"),
            )
            assert [getattr(row, name) for name in kept] == [
                getattr(bought.job, name) for name in kept
            ]
            if bought.answered:
                assert row.request_id == bought.answered
            if self.final.setdefault(row.id, row.status).final:
                assert row.status is self.final[row.id]
            self.final[row.id] = row.status

    @invariant()
    def limits_count_every_job_that_was_bought(self) -> None:
        started = self.rows.started(since=NOON - HISTORY, until=NOON + 1000 * HISTORY)
        cancelled = [bought for bought in self.bought if self.status(bought) is Status.CANCELLED]
        assert len(started) == len(self.bought) - len(cancelled)

    @invariant()
    def every_job_has_its_poster_as_long_as_it_is_there(self) -> None:
        self.posters = {job: jpeg for job, jpeg in self.posters.items() if self.rows.by_id(job)}
        ids = [job.id for job in self.known()]
        assert posters(self.rows, ids, "o") == self.posters

    def teardown(self) -> None:
        self.close()

    # Helpers.

    def known(self) -> list[Job]:
        return self.rows.newest("o", statuses=(), limit=1000)

    def submitting(self) -> list[Bought]:
        return [one for one in self.bought if self.status(one) is Status.SUBMITTING]

    def row(self, bought: Bought) -> Job | None:
        return self.rows.by_id(bought.job.id)

    def status(self, bought: Bought) -> Status | None:
        row = self.row(bought)
        return row and row.status

    def over_since(self, bought: Bought) -> datetime:
        return bought.begun if self.status(bought) is Status.UNKNOWN else bought.ended or self.now

    def note_ends(self) -> None:
        for bought in self.bought:
            status = self.status(bought)
            if status is not None and status.final and bought.ended is None:
                # Its id may have been known as another's before it was known to be this job's.
                bought.ended = self.ends.get(bought.answered, self.now)

    def answer(self, bought: Bought, seen: Accepted | OutcomeLost | None) -> None:
        """Answer the paid request of a job, unless that is still under way."""
        if seen is None:
            return
        taken = any(self.has(other, seen.request_id) for other in self.bought)
        became = rules.observe(self.rows, bought.job, seen, self.now)
        expected = None if taken else seen.request_id
        assert (became.id, became.request_id) == (bought.job.id, expected)
        assert not taken or became.status is Status.UNKNOWN
        bought.answered = expected

    def has(self, bought: Bought, request_id: str | None) -> bool:
        row = self.row(bought)
        return request_id is not None and row is not None and row.request_id == request_id

    def observe(self, request_id: str, seen: Observation, echo: str | None = None) -> None:
        """Write what RunComfy says about an id, whoever bought it."""
        known = self.rows.by_request_id(request_id, "o")
        elsewhere = Job(id=uuid4().hex, request_id=request_id, owner="o", created_at=self.now)
        lost = [one for one in self.bought if self.status(one) is Status.UNKNOWN]
        nameless = [one for one in lost if (row := self.row(one)) and not row.request_id]
        became = rules.observe(
            self.rows, known or replace(elsewhere, status=Status.IN_QUEUE), seen, self.now
        )
        assert became.request_id == request_id
        if became.status.final:
            self.ends.setdefault(request_id, self.now)
        assert self.rows.by_request_id(request_id, "o") == became
        alike = [one for one in nameless if one.job.arguments["prompt"] == echo]
        adopted = known is None or known.model_id is None
        if adopted and len(alike) == 1:
            assert became.id == alike[0].job.id, "not put right"
            alike[0].answered = request_id
        else:
            assert not any(self.has(one, request_id) for one in nameless), "in doubt"


def test_no_job_that_was_paid_for_is_lost_by_any_history(rounds: int) -> None:
    examples = 40 if rounds == 1 else 100
    run_state_machine_as_test(
        Rows,
        settings=settings(max_examples=examples, stateful_step_count=40, derandomize=True),
    )


@pytest.mark.stress
def test_no_job_that_was_paid_for_is_lost_by_any_history_in_postgres(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        postgres.migrate(connection)

        class InPostgres(Rows):
            def open(self) -> tuple[LedgerRows, Callable[[], object]]:
                connection.execute("BEGIN")
                rows = PostgresRows(connection, "this process")
                return rows, lambda: connection.execute("ROLLBACK")

        run_state_machine_as_test(
            InPostgres,
            settings=settings(max_examples=40, stateful_step_count=40, derandomize=True),
        )
