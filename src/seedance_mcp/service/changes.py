"""What has changed of a job, told once to whoever wants to hear of it.

Several calls may see the same change of a job, each knowing an older state of it, so what counts is
what was last seen in this process.
"""

from typing import Any, Protocol

from seedance_mcp.jobs.job import Job

REMEMBERED_JOBS = 5_000
"""How many jobs' last states are kept; one that is forgotten may be told of twice."""


class Listener(Protocol):
    """Who is told of every change of a job."""

    def __call__(self, job: Job) -> None:
        """Hear what the job is now; this must neither wait nor fail."""
        ...


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
