"""The ledger's port: what the service needs, whatever database keeps the jobs.

A job is in the ledger before its POST leaves. `begin` decides in one transaction whether a call
buys a new job or gets back an earlier one; `observe` is the only way a job changes. What is decided
is in `_rules`, over `Rows`; a database adds SQL, transactions and locks.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.spending.limits import MAX_AHEAD

from . import _posters
from . import _reports as reports
from . import _rules as rules
from ._reports import Wanted
from ._rows import Event, Rows
from ._rules import Page

__all__ = ["Event", "Locks", "Page", "Store", "Wanted"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

logger = logging.getLogger(__name__)


def _method(
    rule: Callable[Concatenate[Rows, _P], _T], *, writes: bool = False, settles: bool = False
) -> Callable[Concatenate["Store", _P], Coroutine[Any, Any, _T]]:
    """Return a method of `Store` that runs a rule in one transaction.

    A rule that needs to know who lives `settles` first, which may write.
    """

    @wraps(rule)
    async def run(self: "Store", *args: _P.args, **options: _P.kwargs) -> _T:
        return await self.run(
            lambda rows: rule(rows, *args, **options), writes=writes, settles=settles
        )

    return run


class Locks(Protocol):
    """Locks on jobs, of which one process holds each until it lets go, or ends."""

    def try_lock(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Lock a job's id while the context lasts; yield False if another process has the lock."""
        ...


class Store(ABC):
    """A ledger that several processes may share.

    Every method is one atomic transaction and raises `LedgerError` if it cannot be made.
    Finished jobs are kept for `history`. `window` is who acknowledges jobs: None for each process
    on its own, else a name that all those share which the calls of one client may reach.
    """

    keyed_hash = _method(rules.keyed_hash)
    begin = _method(rules.begin, writes=True, settles=True)
    find_owed = _method(rules.find_owed, settles=True)
    find_or_check = _method(rules.find_or_check, settles=True)
    discard = _method(rules.discard, writes=True)
    observe = _method(rules.observe, writes=True)
    acknowledge = _method(rules.acknowledge, writes=True)
    set_saved_to = _method(rules.set_saved_to, writes=True)
    set_estimate = _method(rules.set_estimate, writes=True)
    get = _method(rules.get, settles=True)
    find = _method(rules.find)
    recent = _method(rules.recent, settles=True)
    costs = _method(reports.costs)
    costs_of_last_day = _method(reports.costs_of_last_day)
    states = _method(reports.states)
    events = _method(reports.events)
    look_up = _method(reports.look_up)
    keep_poster = _method(_posters.keep_poster, writes=True)
    posters = _method(_posters.posters)
    named = _method(reports.named)
    search = _method(reports.search)

    def __init__(self, clock: Clock, *, history: timedelta, window: str | None = None) -> None:
        self._clock = clock
        self._history = history
        self._window = window
        self._warned = False

    @abstractmethod
    async def run(
        self, step: Callable[[Rows], _T], *, writes: bool = False, settles: bool = False
    ) -> _T:
        """Run a step in one transaction, perhaps after `_settle`, and return its result.

        A step may run more than once; only its last run is committed. With `writes`, other writers
        wait from the beginning.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the ledger; its next use opens it again."""

    async def changes(self) -> AsyncGenerator[Job, None]:
        """Yield each job that a process on another machine has changed; close it with `aclosing`.

        Where all processes are on one machine there are none.
        """
        return
        yield

    def job_locks(self, kind: str) -> "Locks | None":  # noqa: ARG002 - a database may have them
        """Return the locks on jobs for a purpose; None where files of the state folder do."""
        return None

    def _settle(self, rows: Rows, is_alive: Callable[[str], bool | None], now: datetime) -> None:
        """Settle what dead processes left, and warn once of a clock that jumped."""
        rules.settle_dead_processes(rows, is_alive, now)
        latest = rows.latest(datetime.max.replace(tzinfo=UTC))
        if latest and latest > now + MAX_AHEAD and not self._warned:
            self._warned = True
            logger.warning(
                "The clock of this machine has jumped: the ledger has a job of %s UTC."
                " Limits do not count jobs dated more than an hour ahead.",
                f"{latest:%Y-%m-%d %H:%M}",
            )

    def _clean_up(self, rows: Rows, now: datetime) -> None:
        rules.delete_old(rows, self._history, now)
