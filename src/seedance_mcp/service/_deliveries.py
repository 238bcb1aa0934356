"""Which jobs an answer has named."""

from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.store import Store

from ._tracking import logger

ANSWER_SECONDS = 1.0
"""How long an answer may take from here to the client on a busy machine."""


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
            await self._store.mark_delivered(job)
        except LedgerError as error:
            logger.error("%s An identical call gets %s back.", error.message, job.request_id)
