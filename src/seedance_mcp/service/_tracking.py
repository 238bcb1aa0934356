"""What is learned of jobs, written down as far as it can be.

Buying needs a ledger that works, and `Store.begin` raises where it does not. But what the service
says of a job that is paid for must reach the caller even where the disk has filled up since.
"""

import logging
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from seedance_mcp.clock import Clock
from seedance_mcp.errors import LedgerError, TokenMissing
from seedance_mcp.jobs.job import Job, advance
from seedance_mcp.jobs.status import Failed, Observation, Status, Succeeded
from seedance_mcp.ledger.store import Store

from .reports import Listener

logger = logging.getLogger(__name__)

LOOKS_KEPT = 10_000
"""Of how many jobs it is kept when they were last looked at."""


REMEMBERED_JOBS = 5_000
"""How many jobs' last states are kept; one that is forgotten may be told of twice."""


class Changes:
    """The changes of jobs, as this process sees them.

    Args:
        listener: Who is told.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._last: dict[str, tuple[Any, ...]] = {}

    def seen(self, before: Job, now: Job) -> None:
        """Tell of a job if it is not what was last seen of it.

        Args:
            before: The job as the caller knew it; it counts where nothing was seen here yet.
            now: The job as it is.
        """
        key = now.request_id or now.id
        last = self._last.pop(key, None) or _facts(before)
        self._last[key] = _facts(now)
        if len(self._last) > REMEMBERED_JOBS:
            del self._last[next(iter(self._last))]
        if last != _facts(now):
            self._listener(now)


def _facts(job: Job) -> tuple[Any, ...]:
    """Give what can change of a job that a reader sees."""
    return (
        job.request_id,
        job.status,
        job.queue_position,
        job.outputs,
        job.cost_usd,
        job.error,
        job.saved_to,
    )


class JobTracker:
    """One owner's jobs in the ledger, and what is observed of them with a ledger or without.

    Args:
        store: The ledger.
        token: Whose jobs these are; None for nobody's.
        clock: What time it is.
        changes: Who is told of what is observed.
    """

    def __init__(self, store: Store, token: str | None, clock: Clock, changes: Changes) -> None:
        self._store = store
        self._token = token
        self._clock = clock
        self._changes = changes
        self._looked_at: dict[str, datetime] = {}

    async def owner(self) -> str:
        """Give whose jobs these are, as the ledger tells owners apart.

        Raises:
            LedgerError: The ledger cannot be had.
            TokenMissing: They are nobody's.
        """
        if not self._token:
            raise TokenMissing
        return await self._store.owner(self._token)

    async def find(self, request_id: str) -> Job | None:
        """Give a job by the service's id, None where the ledger has none or cannot be had.

        Raises:
            TokenMissing: There is no token to ask anybody else with.
        """
        try:
            return await self._store.find(request_id, await self.owner())
        except LedgerError as error:
            logger.error("%s It is not known whether it has %s.", error.message, request_id)
            return None

    def elsewhere(self, request_id: str) -> Job:
        """Take up a job that the ledger does not know; its first observation writes it down."""
        if not self._token:
            raise TokenMissing
        return Job(
            id=uuid4().hex,
            request_id=request_id,
            created_at=self._clock.now(),
            status=Status.IN_QUEUE,
        )

    async def observe(self, job: Job, seen: Observation) -> Job:
        """Take the step that an observation calls for, in the ledger if it can be had."""
        seen = self._looked(job, seen)
        if job.owner and job.request_id and advance(job, seen, self._clock.now()) == job:
            return job
        try:
            owned = job if job.owner else replace(job, owner=await self.owner())
            became = await self._store.observe(owned, seen, self._clock.now())
        except LedgerError as error:
            logger.error("%s What is known of %s is kept in memory.", error.message, job.request_id)
            became = advance(job, seen, self._clock.now())
        self._changes.seen(job, became)
        return became

    def _looked(self, job: Job, seen: Observation) -> Observation:
        """Keep when a job was looked at, and add that to what ends it."""
        if isinstance(seen, Succeeded | Failed):
            return replace(seen, looked_at=self._looked_at.pop(job.id, None))
        self._looked_at[job.id] = self._clock.now()
        if len(self._looked_at) > LOOKS_KEPT:
            del self._looked_at[next(iter(self._looked_at))]
        return seen

    async def current(self, job: Job) -> Job:
        """Give a job as the ledger has it, and as it is known where the ledger cannot be had."""
        try:
            return await self._store.get(job) or job
        except LedgerError:
            return job

    async def save(self, job: Job) -> bool:
        """Note where a job's files were saved, and tell whether the ledger could be had."""
        try:
            await self._store.set_saved_to(job)
        except LedgerError as error:
            logger.error("%s The files of %s are saved.", error.message, job.request_id)
            return False
        finally:
            self._changes.seen(replace(job, saved_to=()), job)
        return True
