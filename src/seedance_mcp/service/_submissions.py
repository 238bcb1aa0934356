"""Paid requests under way: each is sent once, outlives its call, and ends up in the ledger."""

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.clock import Clock
from seedance_mcp.errors import (
    NOTHING_CHARGED,
    LedgerError,
    OutcomeUnknown,
    SeedanceError,
    ServerStopping,
)
from seedance_mcp.jobs.job import Job, advance
from seedance_mcp.jobs.status import Accepted, OutcomeLost, Status
from seedance_mcp.ledger.store import Store
from seedance_mcp.observability.observer import Observer
from seedance_mcp.observability.spans import REQUEST_ID, job_step
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.http import SUBMIT_TIMEOUT_SECONDS

from ._tracking import Announce

logger = logging.getLogger(__name__)

SEND_WITHIN = timedelta(seconds=20)
"""How long after its job was begun a request may leave.

A process that stands still for longer may count as dead by then (`ledger.postgres._processes`), and
its caller may have bought the clip again.
"""

OTHER_PROCESS_TIMEOUT_SECONDS = SUBMIT_TIMEOUT_SECONDS + 5
"""How long another process's request is waited for: none is under way for longer."""

READ_AGAIN_SECONDS, WRITE_AGAIN_SECONDS = 0.2, 2.0
"""How often the ledger is read for that request, and a failed write to the ledger is repeated."""

WRITE_GRACE_SECONDS = 0.3
"""How long writing an answer may take once sending is cut off, when the process ends."""


@dataclass(kw_only=True)
class Submission:
    """A paid request under way, shared by every call that waits for its answer.

    Attributes:
        sending: Ends when the server shuts down; the rest of `shielded` may take a little longer.
        answered: Set when the request was answered, or will not be.
        error: Why RunComfy refused the job, None if it may have accepted it.
    """

    job: Job
    sending: anyio.CancelScope
    shielded: anyio.CancelScope
    answered: anyio.Event = field(default_factory=anyio.Event)
    error: SeedanceError | None = None


@dataclass(eq=False, repr=False)
class Submissions:
    """The paid requests of this process."""

    _client: RunComfyClient
    _store: Store
    _announce: Announce
    # Runs the requests: in the scope of a call, cancelling it would lose a paid answer.
    _tasks: TaskGroup
    _clock: Clock
    _observer: Observer = field(default_factory=Observer)
    _under_way: dict[str, Submission] = field(default_factory=dict[str, Submission], init=False)
    # When the requests under way are cancelled; infinite until the server shuts down.
    _ends_at: float = field(default=inf, init=False)

    @property
    def is_idle(self) -> bool:
        """Whether no paid request is under way."""
        return not self._under_way

    def submit(self, job: Job) -> None:
        """Send the paid request of a job that is in the ledger, unless the server shuts down."""
        self._under_way[job.id] = submission = Submission(
            job=job,
            sending=anyio.CancelScope(deadline=self._ends_at),
            shielded=anyio.CancelScope(deadline=self._ends_at + WRITE_GRACE_SECONDS, shield=True),
        )
        self._tasks.start_soon(self._submit, submission)

    def find(self, job: Job) -> Submission | None:
        """Return a job's paid request while it is under way in this process."""
        return self._under_way.get(job.id)

    async def wait(self, job: Job, submission: Submission | None, deadline: float) -> Job:
        """Return a job once its paid request is answered, or as it is at a deadline.

        `submission` is that request, None if it was answered before, or another process sent it;
        `deadline` is on the event loop's clock, in seconds.

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
            submission.sending.deadline = self._ends_at
            submission.shielded.deadline = self._ends_at + WRITE_GRACE_SECONDS

    async def finish(self) -> None:
        """Wait until no paid request is under way: all are answered and in the ledger, or cut off.

        Call `shut_down` first, so that none begins meanwhile.
        """
        for submission in [*self._under_way.values()]:
            await submission.answered.wait()

    async def _wait_for_other_process(self, job: Job, deadline: float) -> Job:
        """Wait until the ledger has the answer to a request that another process sent."""
        latest = anyio.current_time() + OTHER_PROCESS_TIMEOUT_SECONDS
        seen: Job | None = job
        with anyio.CancelScope(deadline=min(deadline, latest)):
            while seen is None or seen.status is Status.SUBMITTING:
                await self._clock.sleep(READ_AGAIN_SECONDS)
                with suppress(LedgerError):  # which says nothing about the request
                    seen = await self._store.get(job)
        if seen and not seen.owner:
            raise SeedanceError(
                "RunComfy rejected the same request, just sent by another server on this machine;"
                " repeat the call to see why."
            )
        lost = OutcomeLost(why="The ledger has lost it, or its row is damaged.")
        return seen or advance(job, lost, self._clock.now())

    async def _submit(self, submission: Submission) -> None:
        """Send the paid request and record its outcome, even if no call waits any more."""
        try:
            with submission.shielded:
                outcome = OutcomeLost(why="The server ended before RunComfy had answered.")
                with submission.sending, job_step("submit", None, submission.job.model_id) as step:
                    outcome = await self._send(submission)
                    if outcome and outcome.request_id:
                        step.set_attribute(REQUEST_ID, outcome.request_id)
                self._observe(submission.job, outcome)
                # First, whatever happens to the ledger: the id is paid for.
                if outcome and outcome.request_id:
                    logger.info("RunComfy answered a paid request with %s", outcome.request_id)
                if isinstance(outcome, OutcomeLost):
                    logger.warning("The outcome of a paid request is unknown: %s", outcome.why)
                await self._write(submission, outcome)
        except Exception:
            # It runs beside other paid requests, which a bug must not take down.
            logger.exception("Recording %s broke", submission.job.request_id or "a paid request")
        finally:
            submission.answered.set()
            del self._under_way[submission.job.id]

    def _observe(self, job: Job, outcome: Accepted | OutcomeLost | None) -> None:
        kinds = {Accepted: "accepted", OutcomeLost: "unknown"}
        kind = kinds[type(outcome)] if outcome else "refused"
        self._observer.purchase_ended(kind, job.estimated_microdollars)

    async def _send(self, submission: Submission) -> Accepted | OutcomeLost | None:
        """Send the paid request; set `error` and return None if it was not accepted."""
        if self._ends_at < inf:
            # It would have too little time, and become unknown for nothing.
            submission.error = ServerStopping()
            return None
        job = submission.job
        if self._clock.now() - job.created_at > SEND_WITHIN:
            submission.error = SeedanceError(
                "The server stood still after it had recorded the job, so the request was not"
                " sent: repeat the call."
            )
            return None
        try:
            return Accepted(request_id=await self._client.submit(job.model_id or "", job.arguments))
        except OutcomeUnknown as error:
            return OutcomeLost(why=error.message, request_id=error.request_id)
        except SeedanceError as error:
            error.charge = NOTHING_CHARGED
            submission.error = error
            return None
        except Exception:
            # A bug must not pass for a refusal: the request may have left.
            logger.exception("A paid request broke")
            return OutcomeLost(why="The request broke inside this server; see its log.")

    async def _write(self, submission: Submission, outcome: Accepted | OutcomeLost | None) -> None:
        """Write an outcome, None for a refusal, to the ledger, and repeat that until it succeeds.

        Callers see the outcome even if that takes long. Giving up would lose an id that is paid
        for, or leave others waiting for a refused request.
        """
        before, now = submission.job, self._clock.now()
        if outcome:
            submission.job = advance(before, outcome, now)
        while True:
            try:
                if outcome is None:
                    return await self._store.discard(before, now)
                submission.job = await self._store.observe(before, outcome, now)
                return self._announce(before, submission.job)
            except Exception as error:
                if not submission.answered.is_set():
                    name = submission.job.request_id or "a refused request"
                    bug = not isinstance(error, LedgerError)
                    logger.error("%s is not written yet: %s", name, error, exc_info=bug)
            submission.answered.set()
            await self._clock.sleep(WRITE_AGAIN_SECONDS)
