"""What is learned of jobs, written down as far as it can be.

Buying needs a ledger that works, and `Store.begin` raises where it does not. But what the service
says of a job that is paid for must reach the caller even where the disk has filled up since.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.errors import LedgerError, TokenMissing
from seedance_mcp.jobs.job import Job, advance
from seedance_mcp.jobs.status import Failed, Observation, Status, Succeeded
from seedance_mcp.ledger.store import Store

from .changes import Changes

logger = logging.getLogger(__name__)

LOOKS_KEPT = 10_000
"""Of how many jobs it is kept when they were last looked at."""

ANSWER_SECONDS = 1.0
"""How long an answer may take from here to the client on a busy machine."""


class Records:
    """One owner's jobs in the ledger, and what is observed of them with a ledger or without.

    Args:
        store: The ledger.
        token: Whose jobs these are; None for nobody's.
        clock: What time it is.
        changes: Who is told of what is observed.
    """

    def __init__(
        self, store: Store, token: str | None, clock: Callable[[], datetime], changes: Changes
    ) -> None:
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
            logger.error("%s It is not known whether it has %s.", error.message, request_id)  # noqa: TRY400
            return None

    def elsewhere(self, request_id: str) -> Job:
        """Take up a job that the ledger does not know; its first observation writes it down."""
        if not self._token:
            raise TokenMissing
        return Job(
            id=uuid4().hex,
            request_id=request_id,
            created_at=self._clock(),
            status=Status.IN_QUEUE,
        )

    async def observe(self, job: Job, seen: Observation) -> Job:
        """Take the step that an observation calls for, in the ledger if it can be had."""
        seen = self._looked(job, seen)
        if job.owner and job.request_id and advance(job, seen, self._clock()) == job:
            return job
        try:
            owned = job if job.owner else replace(job, owner=await self.owner())
            became = await self._store.observe(owned, seen, self._clock())
        except LedgerError as error:
            logger.error("%s What is known of %s is kept in memory.", error.message, job.request_id)  # noqa: TRY400
            became = advance(job, seen, self._clock())
        self._changes.seen(job, became)
        return became

    def _looked(self, job: Job, seen: Observation) -> Observation:
        """Keep when a job was looked at, and add that to what ends it."""
        if isinstance(seen, Succeeded | Failed):
            return replace(seen, looked_at=self._looked_at.pop(job.id, None))
        self._looked_at[job.id] = self._clock()
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
            await self._store.save(job)
        except LedgerError as error:
            logger.error("%s The files of %s are saved.", error.message, job.request_id)  # noqa: TRY400
            return False
        finally:
            self._changes.seen(replace(job, saved_to=()), job)
        return True


class Deliveries:
    """Which jobs an answer has named, so that an identical call may buy a new one.

    In this process that is known at once. The ledger learns of it a moment later, when the answer
    has left: a process that is killed in between has told nobody, and the job is still owed.

    Args:
        store: The ledger.
        tasks: Where the moment is waited for.
        answers_left: Tells whether every answer so far has left for the client.
    """

    def __init__(self, store: Store, tasks: TaskGroup, answers_left: Callable[[], bool]) -> None:
        self.named: set[str] = set()
        self._store = store
        self._tasks = tasks
        self._answers_left = answers_left
        self._ending = anyio.Event()

    def note(self, job: Job) -> None:
        """Note that an answer which names the job's request_id is being given."""
        if job.request_id and not job.delivered and job.id not in self.named:
            self.named.add(job.id)
            self._tasks.start_soon(self._write_down, job)

    def end(self) -> None:
        """Write down what was answered before now, and nothing that is answered from now on."""
        self._ending.set()

    async def _write_down(self, job: Job) -> None:
        if self._ending.is_set():
            return
        left = False
        while not (left or self._ending.is_set()):
            with anyio.move_on_after(ANSWER_SECONDS):
                await self._ending.wait()
            left = self._answers_left()
        if not left and not self._answers_left():
            return
        try:
            await self._store.deliver(job)
        except LedgerError as error:
            logger.error("%s An identical call gets %s back.", error.message, job.request_id)  # noqa: TRY400
