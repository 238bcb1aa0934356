"""Paid requests under way: each is sent once, outlives its call, and ends up in the ledger."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.clock import Clock
from seedance_mcp.errors import (
    NOTHING_CHARGED,
    LedgerError,
    OutcomeUnknown,
    RequestRejected,
    SeedanceError,
    ServerStopping,
)
from seedance_mcp.jobs.job import Job, advance
from seedance_mcp.jobs.status import Accepted, OutcomeLost, Status
from seedance_mcp.ledger.store import Store
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.http import SUBMIT_TIMEOUT_SECONDS

from ._tracking import ChangeFeed

logger = logging.getLogger(__name__)

READ_AGAIN_SECONDS = 0.2
"""How often the ledger is read for a request that another process sent."""

OTHER_PROCESS_TIMEOUT_SECONDS = SUBMIT_TIMEOUT_SECONDS + 5
"""How long that is waited for: no request is under way for longer."""

WRITE_AGAIN_SECONDS = 2.0
"""How often a failed write to the ledger is repeated."""

WRITE_GRACE_SECONDS = 0.3
"""How long writing an answer may take when the process ends."""

_shielded = partial(anyio.CancelScope, shield=True)


@dataclass(kw_only=True)
class Submission:
    """A paid request under way, shared by every call that waits for its answer.

    Attributes:
        answered: Set when the request was answered, or will not be.
        request_scope: Shields the request from the end of the server, since its answer holds an
            id that is paid for.
        write_scope: Shields writing that answer to the ledger.
        error: Why RunComfy refused the job, None if it may have accepted it.
    """

    job: Job
    answered: anyio.Event = field(default_factory=anyio.Event)
    request_scope: anyio.CancelScope = field(default_factory=_shielded)
    write_scope: anyio.CancelScope = field(default_factory=_shielded)
    error: SeedanceError | None = None


@dataclass(eq=False, repr=False)
class Submissions:
    """The paid requests of this process."""

    _client: RunComfyClient
    _store: Store
    _changes: ChangeFeed
    # Runs the requests: in the scope of a call, cancelling it would lose a paid answer.
    _tasks: TaskGroup
    _clock: Clock
    _under_way: dict[str, Submission] = field(default_factory=dict[str, Submission], init=False)
    # When the requests under way are cancelled; infinite until the server shuts down.
    _ends_at: float = field(default=inf, init=False)

    def submit(self, job: Job) -> None:
        """Send the paid request of a job that is in the ledger, unless the server shuts down."""
        submission = self._under_way[job.id] = Submission(job=job)
        self._bound(submission)
        self._tasks.start_soon(self._submit, submission)

    def find(self, job: Job) -> Submission | None:
        """Return a job's paid request while it is under way in this process."""
        return self._under_way.get(job.id)

    async def wait(self, job: Job, submission: Submission | None, deadline: float) -> Job:
        """Wait for the answer to a job's paid request.

        `submission` is its request, None if it was answered before, or another process sent it;
        `deadline` is when to stop waiting, on the event loop's clock, in seconds.

        Returns:
            The job, without a request id if no answer came.

        Raises:
            SeedanceError: The request certainly was not accepted.
        """
        if submission is None:
            return await self._wait_for_other_process(job, deadline)
        with anyio.CancelScope(deadline=deadline):
            await submission.answered.wait()
        if submission.error is not None:
            raise submission.error
        return submission.job

    def shut_down(self, grace_seconds: float) -> None:
        """Send no more requests, and cancel those that are not answered within some seconds."""
        self._ends_at = min(self._ends_at, anyio.current_time() + grace_seconds)
        for submission in self._under_way.values():
            self._bound(submission)

    def _bound(self, submission: Submission) -> None:
        submission.request_scope.deadline = self._ends_at
        submission.write_scope.deadline = self._ends_at + WRITE_GRACE_SECONDS

    async def _wait_for_other_process(self, job: Job, deadline: float) -> Job:
        """Wait until the ledger has the answer to a request that another process sent."""
        latest = anyio.current_time() + OTHER_PROCESS_TIMEOUT_SECONDS
        seen: Job | None = job
        with anyio.CancelScope(deadline=min(deadline, latest)):
            while seen is None or seen.status is Status.SUBMITTING:
                await self._clock.sleep(READ_AGAIN_SECONDS)
                seen = await self._read(job)
        lost = OutcomeLost(why="The ledger has lost it, or its row is damaged.")
        return seen or advance(job, lost, self._clock.now())

    async def _read(self, job: Job) -> Job | None:
        try:
            stored = await self._store.get(job)
        except LedgerError:
            # That says nothing about whether the request was accepted.
            return job
        if stored and not stored.owner:
            refused = RequestRejected(
                "RunComfy rejected the same request, just sent by another server on this machine;"
                " call generate_video again to see why."
            )
            refused.charge = NOTHING_CHARGED
            raise refused
        return stored

    async def _submit(self, submission: Submission) -> None:
        """Send the paid request and record its outcome, even if no call waits any more."""
        try:
            outcome = OutcomeLost(why="The server ended before RunComfy had answered.")
            with submission.request_scope:
                outcome = await self._send(submission.job)
            # First, whatever happens to the ledger: the id is paid for.
            if outcome.request_id:
                logger.info("RunComfy answered a paid request with %s", outcome.request_id)
            if isinstance(outcome, OutcomeLost):
                logger.warning("The outcome of a paid request is unknown: %s", outcome.why)
            await self._record(submission, outcome)
        except SeedanceError as error:
            error.charge = NOTHING_CHARGED
            submission.error = error
            await self._write(
                submission, lambda: self._store.discard(submission.job, self._clock.now())
            )
        except Exception:
            # It runs beside other paid requests, which a bug must not take down.
            logger.exception("Recording %s broke", submission.job.request_id or "a paid request")
        finally:
            submission.answered.set()
            del self._under_way[submission.job.id]

    async def _record(self, submission: Submission, outcome: Accepted | OutcomeLost) -> None:
        """Write the outcome to the ledger; callers see it even if that takes long."""
        before, now = submission.job, self._clock.now()
        submission.job = advance(before, outcome, now)

        async def write() -> None:
            submission.job = await self._store.observe(before, outcome, now)
            self._changes.announce(before, submission.job)

        await self._write(submission, write)

    async def _write(self, submission: Submission, write: Callable[[], Awaitable[None]]) -> None:
        """Repeat a write to the ledger until it succeeds; until then the request is under way.

        Giving up would lose an id that is paid for, or leave others waiting for a refused request.
        """
        with submission.write_scope:
            while True:
                try:
                    return await write()
                except Exception as error:
                    known = isinstance(error, LedgerError)
                    if not submission.answered.is_set():
                        logger.error(
                            "%s The outcome of %s is not written yet.",
                            error.message if known else "The ledger broke.",
                            submission.job.request_id or "a refused request",
                            exc_info=not known,
                        )
                submission.answered.set()
                await self._clock.sleep(WRITE_AGAIN_SECONDS)

    async def _send(self, job: Job) -> Accepted | OutcomeLost:
        if self._ends_at < inf:
            # It would have too little time, and become unknown for nothing.
            raise ServerStopping
        try:
            request_id = await self._client.submit(job.model_id or "", job.arguments)
        except OutcomeUnknown as error:
            return OutcomeLost(why=error.message, request_id=error.request_id)
        except SeedanceError:
            raise
        except Exception:
            # A bug must not pass for a refusal: the request may have left.
            logger.exception("A paid request broke")
            return OutcomeLost(why="The request broke inside this server; see its log.")
        return Accepted(request_id=request_id)
