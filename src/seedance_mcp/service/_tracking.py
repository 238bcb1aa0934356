"""What is learned about jobs: written to the ledger if possible, and announced.

Submitting needs a working ledger, and `Store.begin` raises without one. What RunComfy says about a
job that is paid for must reach the caller even when the disk has filled up since.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import uuid4

from seedance_mcp.bounded import BoundedDict
from seedance_mcp.clock import Clock
from seedance_mcp.errors import JobNotFound, LedgerError, TokenMissing
from seedance_mcp.jobs.job import EVERYONE, Job, advance
from seedance_mcp.jobs.status import Failed, Observation, Status, Succeeded
from seedance_mcp.ledger.store import Store
from seedance_mcp.observability.observer import Observer

from .reports import OnJobChange

logger = logging.getLogger(__name__)

MOST_REMEMBERED_JOBS = 10_000
"""How many jobs' last polls and announced states are kept; a forgotten one may come twice."""

Announce = Callable[[Job, Job], None]


@contextmanager
def _logged(consequence: str) -> Generator[None, None, None]:
    """Log a failure of the ledger with its consequence, and go on."""
    try:
        yield
    except LedgerError as error:
        logger.error("%s %s", error.message, consequence)


def announcer(on_change: OnJobChange) -> Announce:
    """Return a function that announces a job, given as it was and as it is, if it has changed.

    What was last announced counts first: several calls may see one change, each knowing an older
    state.
    """
    seen = BoundedDict[str, tuple[object, ...]](MOST_REMEMBERED_JOBS)

    def announce(before: Job, now: Job) -> None:
        key = now.request_id or now.id
        last = seen.get(key, _visible(before))
        seen[key] = _visible(now)
        if last != seen[key]:
            try:
                on_change(now)
            except Exception:
                # What is known of a paid job must not be lost to a listener's bug.
                logger.exception("Announcing a change of %s broke", key)

    return announce


def _visible(job: Job) -> tuple[object, ...]:
    """Return the parts of a job that change and that a reader sees."""
    state = (job.request_id, job.status, job.queue_position, job.error)
    return (*state, job.outputs, job.cost_usd, job.saved_to)


@dataclass(eq=False, repr=False)
class JobTracker:
    """One owner's jobs, recorded in the ledger if it can be written."""

    _store: Store
    owner: str
    # The RunComfy token: `repr=False` keeps it out of messages and logs.
    _token: str | None
    _clock: Clock
    _announce: Announce
    # Whether other callers use the token, too: RunComfy would tell one of another's jobs.
    shares_token: bool = False
    _observer: Observer = field(default_factory=Observer)
    _polled_at: BoundedDict[str, datetime] = field(
        default_factory=lambda: BoundedDict(MOST_REMEMBERED_JOBS), init=False
    )
    # The jobs whose last change the ledger may not have, or may know better.
    _unwritten: BoundedDict[str, bool] = field(
        default_factory=lambda: BoundedDict(MOST_REMEMBERED_JOBS), init=False
    )
    # The jobs that the ledger knows to be acknowledged, so that each is written once.
    _acknowledged: BoundedDict[str, bool] = field(
        default_factory=lambda: BoundedDict(MOST_REMEMBERED_JOBS), init=False
    )

    async def token_hash(self) -> str:
        """Return the keyed hash of the token.

        Raises:
            LedgerError: The ledger cannot be read.
            TokenMissing: There is no token.
        """
        if not self._token:
            raise TokenMissing
        return await self._store.keyed_hash(self._token)

    async def is_of_token(self, job: Job) -> bool:
        """Return whether the token certainly began a job."""
        with suppress(LedgerError):
            return job.token_hash == await self.token_hash()
        return False

    async def find(self, request_id: str) -> Job | None:
        """Return a job by its request id, None if the ledger has none or cannot be read.

        With a shared token, it is in the ledger or it does not exist for this owner.

        Raises:
            TokenMissing: There is no token, so RunComfy cannot be asked either.
            JobNotFound: The token is shared, and the ledger has no such job of this owner.
            LedgerError: The token is shared, and the ledger cannot be read.
        """
        if not self._token:
            raise TokenMissing
        if self.shares_token:
            if job := await self._store.find(request_id, self.owner):
                return job
            raise JobNotFound(f"You have no job with the request_id {request_id}.")
        with _logged(f"It is not known whether it has {request_id}."):
            return await self._store.find(request_id, self.owner)
        return None

    def adopt(self, request_id: str) -> Job:
        """Return a record for a job that another machine began; `observe` adds it to the ledger."""
        job = Job(id=uuid4().hex, request_id=request_id, created_at=self._clock.now())
        return replace(job, owner=self.owner, status=Status.IN_QUEUE)

    async def acknowledge(self, request_id: str, *, by_all: bool = False) -> None:
        """Record that a later call brought a job's request_id: its identical calls buy anew."""
        if request_id in self._acknowledged and not by_all:
            return
        with _logged(f"An identical call gets {request_id} back."):
            if await self._store.acknowledge(request_id, self.owner, by_all=by_all):
                self._acknowledged[request_id] = True

    async def note_told(self, job: Job) -> None:
        """Record that an answer says how a job stands, if that is that it failed."""
        if job.status is Status.FAILED and EVERYONE not in job.acknowledged_by:
            await self.acknowledge(job.request_id or "", by_all=True)

    async def observe(self, job: Job, seen: Observation) -> Job:
        """Return a job advanced by an observation, in the ledger if it can be written."""
        now = self._clock.now()
        if isinstance(seen, Succeeded | Failed):
            seen = replace(seen, looked_at=self._polled_at.pop(job.id, None))
        else:
            self._polled_at[job.id] = now
        became = advance(job, seen, now)
        known = became == job and job.request_id and job.model_id
        if known and job.id not in self._unwritten:
            return job
        self._note_end(job, became, seen, now)
        self._unwritten[job.id] = True
        try:
            with _logged(f"The state of {job.request_id} is not written."):
                became = await self._store.observe(job, seen, now)
                self._unwritten.pop(job.id, None)
        finally:
            # The ledger writes it even if the call is cancelled meanwhile.
            self._announce(job, became)
        return became

    def _note_end(self, job: Job, became: Job, seen: Observation, now: datetime) -> None:
        """Report to the observer how late an end was seen, if RunComfy dates it credibly."""
        if job.status.final or not isinstance(seen, Succeeded | Failed):
            return
        if seen.finished_at and seen.finished_at == became.finished_at:
            self._observer.end_found((now - seen.finished_at).total_seconds())

    async def current(self, job: Job) -> Job:
        """Return a job as the ledger has it, or as given if the ledger cannot be read."""
        with suppress(LedgerError):
            return await self._store.get(job) or job
        return job

    async def known_since(self, job: Job, time: datetime) -> Job | None:
        """Return a job as it is known if another call has polled it after a time, or it has ended.

        The end may have been seen by another process.
        """
        known = await self.current(job)
        return known if known.status.final or self._is_polled_since(job, time) else None

    def was_just_polled(self, job: Job, seconds: float) -> bool:
        """Return whether the ledger has what a poll in the last `seconds` has learned of a job."""
        since = self._clock.now() - timedelta(seconds=seconds)
        return job.id not in self._unwritten and self._is_polled_since(job, since)

    def _is_polled_since(self, job: Job, time: datetime) -> bool:
        polled_at = self._polled_at.get(job.id)
        # The wall clock may have been put back since.
        return polled_at is not None and time < polled_at <= self._clock.now()

    async def record_files(self, job: Job) -> bool:
        """Record where a job's files were saved, and return whether the ledger could be written."""
        try:
            with _logged(f"The files of {job.request_id} are saved."):
                await self._store.set_saved_to(job)
                return True
            return False
        finally:
            self._announce(replace(job, saved_to=()), job)
