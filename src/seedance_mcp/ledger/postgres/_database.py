"""What a process does in the database, on the threads of `_workers`: its steps, and its lease."""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from threading import Lock
from time import monotonic
from typing import Any, TypeVar
from uuid import uuid4

import psycopg
from psycopg import Connection

from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger import _rules as rules

from . import _processes as processes
from ._clocks import check_clock
from ._errors import is_unreachable, ledger_error
from ._migrations import MIGRATIONS, migrate, read_version
from ._queries import PostgresRows
from ._session import Transaction
from ._workers import Workers

logger = logging.getLogger(__name__)

IsAlive = Callable[[str], bool]

NO_ANSWER_SECONDS = 0.5
"""How long after its patience a call hears of it although the connection is silent."""

_RENEW_PATIENCE_SECONDS = 5.0

_T = TypeVar("_T")


@dataclass(eq=False, kw_only=True)
class Step:
    """A step that was asked for.

    Attributes:
        work: What is done with the rows.
        now: When it was asked for.
        settles: Whether what dead processes left is settled first.
        begun: Our ids of the jobs that it began.
        transaction: The transaction that it is.
    """

    work: Callable[[PostgresRows], Any]
    now: datetime
    settles: bool
    begun: set[str] = field(default_factory=set[str], init=False)
    transaction: Transaction = field(init=False)


@dataclass(eq=False)
class Database:
    """The database of a ledger, as one process uses it until `close`.

    Attributes:
        process: Which process that is.
        away: Whether the last step found no server.
    """

    _workers: Workers
    _now: Callable[[], datetime]
    _settle: Callable[[PostgresRows, IsAlive, datetime], None]
    _clean_up: Callable[[PostgresRows, datetime], None]
    _window: str | None
    _checks_clock: bool = False
    process: str = field(default_factory=lambda: f"{len(MIGRATIONS)}-{os.getpid()}-{uuid4().hex}")
    away: bool = False
    # Jobs that may be there although their calls were told that they could not be begun.
    _unsent: set[str] = field(default_factory=set[str], init=False)
    _preparing: Lock = field(default_factory=Lock, init=False)
    _ready: bool = field(default=False, init=False)
    _leased: bool = field(default=False, init=False)

    async def run(
        self,
        work: Callable[[PostgresRows], _T],
        *,
        writes: bool = False,
        settles: bool = False,
        patience: float,
    ) -> _T:
        """Run a step on a thread, and return its result.

        Raises:
            LedgerError: It did not succeed within some seconds, `patience`.
        """
        step, outcome = self.start(work, writes=writes, settles=settles, patience=patience)
        # The step goes on if the call is cancelled.
        done, _ = await asyncio.wait({outcome}, timeout=patience + NO_ANSWER_SECONDS)
        if not done:
            self._give_up(step, outcome)
            raise LedgerError("The ledger's database cannot be reached: it did not answer in time.")
        return outcome.result()

    def start(
        self,
        work: Callable[[PostgresRows], Any],
        *,
        writes: bool,
        settles: bool = False,
        patience: float,
    ) -> tuple[Step, "asyncio.Future[Any]"]:
        """Start a step on a thread, and return it with the future of its result."""
        step = Step(work=work, now=self._now(), settles=settles)
        carry_out = partial(self._carry_out, step)
        step.transaction = Transaction(monotonic() + patience, carry_out, writes=writes)
        loop = asyncio.get_running_loop()
        outcome = self._workers.start(partial(self._run, step), loop)
        outcome.add_done_callback(_note_failure)
        return step, outcome

    def _give_up(self, step: Step, outcome: "asyncio.Future[Any]") -> None:
        """Let a step that is under way fail; a job that it began all the same is discarded."""
        step.transaction.abandoned = True
        self.away = True
        self._workers.cut_off(step.transaction)

        def discard(outcome: "asyncio.Future[Any]") -> None:
            if outcome.cancelled() or outcome.exception() is None:
                self._unsent.update(step.begun)

        outcome.add_done_callback(discard)

    def hold_lease(self, connection: Connection[Any]) -> datetime:
        """Write that this process lives, and keep writing it until `close`; return the time."""
        now = processes.renew(connection, self.process)
        self._leased = True
        self._workers.repeat("lease", self._renew, processes.RENEW_SECONDS)
        return now

    def close(self) -> None:
        """End this process's lease, and close its connections."""
        last = Transaction(0.0, partial(processes.end, process=self.process))
        self._workers.close(last if self._leased and not self.away else None)

    # What follows runs on the threads.

    def _run(self, step: Step) -> Any:
        try:
            self._prepare(step)
            if step.transaction.writes:
                self._discard_unsent(step.transaction.deadline)
            elif step.settles:
                self._settle_first(step)
            result = self._workers.run(step.transaction)
        except psycopg.Error as error:
            self.away = is_unreachable(error)
            raise ledger_error(error) from error
        finally:
            if step.transaction.in_doubt:
                self._unsent.update(step.begun)
        self.away = False
        return result

    def _carry_out(self, step: Step, connection: Connection[Any]) -> Any:
        rows = PostgresRows(connection, self.process, self._window)
        if step.settles and step.transaction.writes:
            # From its commit on it protects what is begun here.
            now = self.hold_lease(connection)
            if self._checks_clock:
                check_clock(self._now(), now)
            self._settle(rows, _is_alive(connection), step.now)
        try:
            return step.work(rows)
        finally:
            step.begun.update(rows.begun)

    def _prepare(self, step: Step) -> None:
        """Make the tables that are missing, and clean up, before the first step."""
        if self._ready:
            return
        with self._preparing:
            if self._ready:
                return
            deadline = step.transaction.deadline
            look = Transaction(deadline, read_version, writes=False)
            if self._workers.run(look) != len(MIGRATIONS):
                self._workers.run(Transaction(deadline, migrate))
            self._ready = True
            with suppress(psycopg.Error):  # only housekeeping: the next start does what fails here
                self._workers.run(Transaction(deadline, partial(self._keep_house, step.now)))

    def _keep_house(self, now: datetime, connection: Connection[Any]) -> None:
        rows = PostgresRows(connection, self.process, self._window)
        self._settle(rows, _is_alive(connection), now)
        self._clean_up(rows, now)
        processes.remove_dead(connection)

    def _settle_first(self, step: Step) -> None:
        """Settle what dead processes left before a step that reads, which rarely has to write."""
        look = partial(processes.has_left_behind, process=self.process)
        deadline = step.transaction.deadline
        if self._workers.run(Transaction(deadline, look, writes=False)):

            def settle(connection: Connection[Any]) -> None:
                rows = PostgresRows(connection, self.process, self._window)
                self._settle(rows, _is_alive(connection), step.now)

            self._workers.run(Transaction(deadline, settle))

    def _discard_unsent(self, deadline: float) -> None:
        unsent = list(self._unsent)
        if unsent:
            self._workers.run(Transaction(deadline, partial(self._discard, unsent)))
            self._unsent.difference_update(unsent)

    def _discard(self, unsent: list[str], connection: Connection[Any]) -> None:
        rows = PostgresRows(connection, self.process, self._window)
        for job in filter(None, map(rows.by_id, unsent)):
            if job.status is Status.SUBMITTING:
                rules.discard(rows, job, self._now())

    def _renew(self) -> None:
        deadline = monotonic() + _RENEW_PATIENCE_SECONDS
        with suppress(psycopg.Error, LedgerError):  # it is tried again soon
            work = partial(processes.renew, process=self.process)
            # Without the lock of those that write: a lease must not end because they take long.
            self._workers.run(Transaction(deadline, work, exclusive=False))
            self._discard_unsent(deadline)


def _is_alive(connection: Connection[Any]) -> IsAlive:
    """Return what says whether another process lives, and asks the database once."""
    living: list[set[str]] = []

    def is_alive(process: str) -> bool:
        living[:] = living or [processes.live_processes(connection)]
        return process in living[0]

    return is_alive


def _note_failure(outcome: "asyncio.Future[Any]") -> None:
    """Log why a step failed, which nothing else says if its call was cancelled."""
    if not outcome.cancelled() and (error := outcome.exception()):
        logger.debug("A step of the ledger failed: %s", error)
