"""The ledger's port: what the service needs, whatever database keeps the jobs.

A job is in the ledger before its POST leaves. `begin` decides in one transaction whether a call
buys a new job or gets back an earlier one; `observe` is the only way a job changes. What is decided
is in `_rules`; a database adds SQL, transactions and locks.
"""

import hmac
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import TypeVar

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import EVERYONE, Job
from seedance_mcp.jobs.status import Observation, Status
from seedance_mcp.spending.limits import MAX_AHEAD, SpendingLimits

from . import _rules as rules
from ._rules import Rows

_T = TypeVar("_T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some jobs, newest first, and how many there are in all.

    `unreadable` names the damaged rows that should be among them.
    """

    jobs: list[Job]
    total: int
    unreadable: tuple[str, ...] = ()


class Store(ABC):
    """A ledger that several processes may share.

    Every method is one atomic transaction and raises `LedgerError` if it cannot be made.
    Finished jobs are kept for `history`.
    """

    def __init__(self, clock: Clock, *, history: timedelta) -> None:
        self._clock = clock
        self._history = history
        self._warned = False

    @abstractmethod
    async def _run(self, step: Callable[[Rows], _T], *, writes: bool = False) -> _T:
        """Run a step in one transaction and return its result.

        A step may run more than once; only its last run is committed. With `writes`, other writers
        wait from the beginning.
        """

    @abstractmethod
    def _is_alive(self, process: str) -> bool | None:
        """Return whether a process that wrote rows still runs, None if that is unknown."""

    @abstractmethod
    def close(self) -> None:
        """Close the ledger; its next use opens it again."""

    async def token_hash(self, token: str) -> str:
        """Return a keyed hash of a token in hex, which does not reveal it."""
        key = await self._run(lambda rows: rows.secret())
        return hmac.new(key, token.encode(), sha256).hexdigest()

    async def begin(self, job: Job, *, force_new: bool, limits: SpendingLimits) -> Job:
        """Write a new job, or return the earlier one that the call repeats unless `force_new`.

        Limits count the jobs of all processes and owners.

        Raises:
            SpendingLimitReached: No other job may start now.
        """
        step = partial(rules.begin, job=job, force_new=force_new, limits=limits)
        return await self._run_settled(step, writes=True)

    async def find_owed(self, job: Job) -> Job | None:
        """Return the earlier job that `begin` would return instead of this one."""
        return await self._run_settled(lambda rows: rules.find_owed(rows, job))

    async def discard(self, job: Job) -> None:
        """Write that a job was certainly not accepted; without an owner, it is in no list."""
        step = partial(rules.discard, job=job, now=self._clock.now())
        await self._run(step, writes=True)

    async def observe(self, job: Job, observation: Observation, now: datetime) -> Job:
        """Advance a job by an observation and return it as it is now.

        A job that was started elsewhere enters the ledger with its first observation.
        """
        step = partial(rules.observe, job=job, observation=observation, now=now)
        return await self._run(step, writes=True)

    async def acknowledge(self, request_id: str, owner: str) -> None:
        """Write that a later call brought a job's request_id to this process."""
        await self._run(lambda rows: rules.acknowledge(rows, request_id, owner), writes=True)

    async def note_failure_told(self, job: Job) -> None:
        """Write that an answer has said that a job failed, which ends what is owed."""
        told = replace(job, acknowledged_by=(EVERYONE,))
        await self._run(lambda rows: rows.set_field(told, "acknowledged_by"), writes=True)

    async def set_saved_to(self, job: Job) -> None:
        """Write where a job's files are, its `saved_to`."""
        await self._run(lambda rows: rules.set_saved_to(rows, job), writes=True)

    async def get(self, job: Job) -> Job | None:
        """Return the job as it is now, None if the ledger does not have it."""
        return await self._run_settled(lambda rows: rows.by_id(job.id))

    async def find(self, request_id: str, owner: str) -> Job | None:
        """Return an owner's job by RunComfy's id, None if the ledger does not have it."""
        return await self._run(lambda rows: rows.by_request_id(request_id, owner))

    async def recent(self, owner: str, *, statuses: Collection[Status] = (), limit: int) -> Page:
        """Return an owner's newest jobs: those in the given states, or all if none is given."""

        def page(rows: Rows) -> Page:
            jobs = rows.newest(owner, statuses=statuses, limit=limit)
            total = rows.count(owner, statuses=statuses)
            return Page(jobs=jobs, total=total, unreadable=tuple(rows.unreadable.values()))

        return await self._run_settled(page)

    async def _run_settled(self, step: Callable[[Rows], _T], *, writes: bool = False) -> _T:
        def settle_first(rows: Rows) -> _T:
            self._settle(rows)
            return step(rows)

        return await self._run(settle_first, writes=writes)

    def _settle(self, rows: Rows) -> None:
        now = self._clock.now()
        rules.settle_dead_processes(rows, self._is_alive, now)
        latest = max(rows.latest(datetime.max.replace(tzinfo=UTC), limit=1).values(), default=now)
        if latest > now + MAX_AHEAD and not self._warned:
            self._warned = True
            logger.warning(
                "The clock of this machine has jumped: the ledger has a job of %s UTC."
                " Limits do not count jobs dated more than an hour ahead.",
                f"{latest:%Y-%m-%d %H:%M}",
            )

    def _clean_up(self, rows: Rows) -> None:
        """Settle what dead processes left, and delete jobs that are older than the history."""
        self._settle(rows)
        rules.delete_old(rows, self._history, self._clock.now())
