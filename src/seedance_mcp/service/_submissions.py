"""Paid requests under way: each is sent once, outlives the call that began it, is written down."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.clock import Clock
from seedance_mcp.errors import (
    NOTHING_CHARGED,
    LedgerError,
    OutcomeUnknown,
    RequestRejected,
    SeedanceError,
)
from seedance_mcp.jobs.job import Job, advance
from seedance_mcp.jobs.status import Accepted, OutcomeLost, Status
from seedance_mcp.ledger.store import Store
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.http import SUBMIT_TIMEOUT_SECONDS

from ._tracking import Changes

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""How often the ledger is asked about a request that another process sent."""
LOOK_LONGEST_SECONDS = SUBMIT_TIMEOUT_SECONDS + 5
"""How long at the most: no request is under way for longer than it may take."""
WRITE_AGAIN_SECONDS = 2.0
"""How often a ledger that could not be written is tried again."""
WRITE_GRACE_SECONDS = 0.3
"""How long writing may take when the process ends, once the answer is there."""


@dataclass(kw_only=True)
class Submission:
    """A paid request under way, for every call that waits for its answer.

    Attributes:
        job: The job as it is now.
        answered: Set when the request was answered, or will not be.
        scope: The request's own, since one that has left is not torn down with the server: its
            answer holds an id that is paid for.
        writing: The same for writing that answer down.
        error: Why the job was not accepted, None where it may have been.
    """

    job: Job
    answered: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=lambda: anyio.CancelScope(shield=True))
    writing: anyio.CancelScope = field(default_factory=lambda: anyio.CancelScope(shield=True))
    error: SeedanceError | None = None


class Submissions:
    """The paid requests of this process.

    Args:
        client: The Model API.
        store: The ledger, where answers are written down.
        changes: Who is told of what is written down.
        tasks: Where the requests live, so that a cancelled call loses no answer.
        clock: Clock and pauses.
    """

    def __init__(
        self,
        client: RunComfyClient,
        store: Store,
        changes: Changes,
        tasks: TaskGroup,
        clock: Clock,
    ) -> None:
        self._client = client
        self._store = store
        self._changes = changes
        self._tasks = tasks
        self._clock = clock
        self._under_way: dict[str, Submission] = {}

    def begin(self, job: Job) -> Submission:
        """Send the paid request of a job that is in the ledger."""
        submission = self._under_way[job.id] = Submission(job=job)
        self._tasks.start_soon(self._submit, submission)
        return submission

    def under_way(self, job: Job) -> Submission | None:
        """Give a job's paid request while it is under way in this process."""
        return self._under_way.get(job.id)

    async def answered(self, job: Job, submission: Submission | None, deadline: float) -> Job:
        """Wait for the answer to a job's paid request, no longer than until the deadline.

        Args:
            job: A job.
            submission: Its request; None where it was answered before or another process sent it.
            deadline: When to stop waiting, on the event loop's clock, in seconds.

        Returns:
            The job as it is then, without a request_id where no answer came.

        Raises:
            SeedanceError: The request certainly was not accepted.
        """
        with anyio.CancelScope(deadline=deadline):
            if submission is not None:
                await submission.answered.wait()
            else:
                job = await self._answered_elsewhere(job)
        if submission is None:
            return job
        if submission.error is not None:
            raise submission.error
        return submission.job

    def end(self, grace_seconds: float) -> None:
        """Give the requests under way so long to be answered, before the process ends."""
        for submission in self._under_way.values():
            submission.scope.deadline = anyio.current_time() + grace_seconds
            submission.writing.deadline = submission.scope.deadline + WRITE_GRACE_SECONDS

    async def _answered_elsewhere(self, job: Job) -> Job:
        """Wait for the answer to a request that another process sent, as the ledger tells it."""
        with anyio.move_on_after(LOOK_LONGEST_SECONDS):
            while job.status is Status.SUBMITTING:
                job = await self._looked_up(job)
                if job.status is Status.SUBMITTING:
                    await self._clock.sleep(LOOK_SECONDS)
        return job

    async def _looked_up(self, job: Job) -> Job:
        try:
            seen = await self._store.get(job)
        except LedgerError:
            # It tells nothing now, and whether the request was accepted is another question.
            return job
        if seen is None:
            refused = RequestRejected(
                "RunComfy refused the same request, which another server of this machine had just"
                " sent; call generate_video again to hear why."
            )
            refused.charge = NOTHING_CHARGED
            raise refused
        return seen

    async def _submit(self, submission: Submission) -> None:
        """Send the paid request and write down what came of it, whoever still waits."""
        try:
            seen = OutcomeLost(why="The server was ended before RunComfy had answered.")
            with submission.scope:
                seen = await self._bought(submission.job)
            if isinstance(seen, OutcomeLost):
                logger.warning("The outcome of a paid request is unknown: %s", seen.why)
            await self._note(submission, seen)
        except SeedanceError as error:
            error.charge = NOTHING_CHARGED
            submission.error = error
            await self._written(submission, lambda: self._store.discard(submission.job))
        finally:
            submission.answered.set()
            del self._under_way[submission.job.id]

    async def _note(self, submission: Submission, seen: Accepted | OutcomeLost) -> None:
        """Write the outcome down; the callers hear of it even if that takes long."""
        before, now = submission.job, self._clock.now()
        submission.job = advance(before, seen, now)

        async def note() -> None:
            submission.job = await self._store.observe(before, seen, now)
            self._changes.seen(before, submission.job)

        await self._written(submission, note)

    async def _written(self, submission: Submission, write: Callable[[], Awaitable[None]]) -> None:
        """Write to the ledger until it takes it; a request stays under way until then.

        Without that, an id that is paid for would be lost, or a refused request waited for.
        """
        with submission.writing:
            while True:
                try:
                    return await write()
                except LedgerError as error:
                    if not submission.answered.is_set():
                        what = submission.job.request_id or "a request that was refused"
                        logger.error("%s What became of %s waits for it.", error.message, what)
                submission.answered.set()
                await self._clock.sleep(WRITE_AGAIN_SECONDS)

    async def _bought(self, job: Job) -> Accepted | OutcomeLost:
        try:
            request_id = await self._client.submit(job.model_id or "", job.arguments)
        except OutcomeUnknown as error:
            return OutcomeLost(why=error.message)
        except SeedanceError:
            raise
        except Exception:
            # A fault of ours must not pass for a refusal: the request may have left.
            logger.exception("A paid request broke")
            return OutcomeLost(why="The request broke inside this server, and its log says how.")
        return Accepted(request_id=request_id)
