"""The queue as arithmetic: who waits, who runs and who is done at a given moment.

Nothing here waits, and nothing runs in the background. Every question carries its own `now`, and
the answer follows from what was accepted and cancelled until then.

Jobs start strictly in the order in which they were accepted.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Queued:
    """The job waits; `position` jobs wait in front of it."""

    position: int


@dataclass(frozen=True)
class Running:
    """The job has a worker since that moment."""

    since: float


@dataclass(frozen=True)
class Ended:
    """The run is over, or the job left the queue because it was cancelled."""

    at: float
    cancelled: bool = False


State = Queued | Running | Ended


@dataclass(kw_only=True)
class _Entry:
    ready_at: float
    run_seconds: float
    cancelled_at: float | None = None


class Queue:
    """A first-come, first-served queue before a fixed number of workers.

    Moments are seconds of any clock that does not run backwards.

    Args:
        workers: How many jobs run at once.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        self._workers = workers
        self._entries: dict[str, _Entry] = {}

    def accept(
        self, job: str, now: float, *, run_seconds: float, queue_seconds: float = 0.0
    ) -> None:
        """Put a job at the end of the queue.

        Args:
            job: The job's id.
            now: The moment.
            run_seconds: How long it will keep its worker.
            queue_seconds: How long it waits at least, even when a worker is free.
        """
        self._entries[job] = _Entry(ready_at=now + queue_seconds, run_seconds=run_seconds)

    def state(self, job: str, now: float) -> State:
        """Tell where a job is at a moment."""
        ahead = 0
        for name, entry, start in self._starts():
            waits = start > now and entry.cancelled_at is None
            if name != job:
                ahead += waits
            elif entry.cancelled_at is not None:
                return Ended(entry.cancelled_at, cancelled=True)
            elif waits:
                return Queued(ahead)
            elif now < start + entry.run_seconds:
                return Running(start)
            else:
                return Ended(start + entry.run_seconds)
        raise KeyError(job)

    def cancel(self, job: str, now: float) -> bool:
        """Take a job out of the queue.

        Returns:
            Whether it was cancelled: only a job that still waits can be.
        """
        cancellable = isinstance(self.state(job, now), Queued)
        if cancellable:
            self._entries[job].cancelled_at = now
        return cancellable

    def _starts(self) -> Iterator[tuple[str, _Entry, float]]:
        """Give every job with the moment at which it leaves the queue."""
        free_at = [float("-inf")] * self._workers
        left = float("-inf")
        for name, entry in self._entries.items():
            if entry.cancelled_at is not None:
                # It held back those behind it until it was cancelled: without this, cancelling
                # would move their starts into the past.
                left = max(left, entry.cancelled_at)
            else:
                left = max(left, entry.ready_at, free_at[0])
                heapq.heapreplace(free_at, left + entry.run_seconds)
            yield name, entry, left
