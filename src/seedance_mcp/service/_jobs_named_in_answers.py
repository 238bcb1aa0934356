"""Which jobs an answer has named, so that an identical call may buy a new one."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.errors import LedgerError
from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.store import Store

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 1.0
"""How long an answer may take to reach the client's pipe on a busy machine."""


@dataclass(eq=False, repr=False)
class NamedJobs:
    """Which jobs an answer has named.

    This process knows at once. The ledger is told a moment later, when the answer has left: a
    process killed in between has told its client nothing, and an identical call gets the job back.
    """

    _store: Store
    _tasks: TaskGroup
    # Returns whether every answer so far has left for the client.
    _answers_left: Callable[[], bool]
    job_ids: set[str] = field(default_factory=set[str], init=False)
    _ending: anyio.Event = field(default_factory=anyio.Event, init=False)

    def note(self, *jobs: Job) -> None:
        """Note that an answer which names these jobs' request ids is being sent."""
        for job in jobs:
            if job.request_id and not job.delivered and job.id not in self.job_ids:
                self.job_ids.add(job.id)
                self._tasks.start_soon(self._write, job)

    def shut_down(self) -> None:
        """Write what was answered before now, and nothing that is answered from now on."""
        self._ending.set()

    async def _write(self, job: Job) -> None:
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
