"""The queue as arithmetic: who waits, who runs and who is done at a given moment.

Nothing here waits, and nothing runs in the background. Every question carries its own `now`, and
the answer follows from what was accepted and cancelled until then.

Jobs start strictly in the order in which they were accepted.
"""

import heapq
from dataclasses import dataclass
from itertools import takewhile


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
    start: float = 0.0

    def waits(self, now: float) -> bool:
        return self.start > now and self.cancelled_at is None


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
        self._reckon()

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
        entry = _Entry(ready_at=now + queue_seconds, run_seconds=run_seconds)
        self._entries[job] = entry
        self._let_leave(entry)

    def state(self, job: str, now: float) -> State:
        """Tell where a job is at a moment."""
        entry = self._entries[job]
        if entry.cancelled_at is not None:
            return Ended(entry.cancelled_at, cancelled=True)
        if entry.waits(now):
            ahead = takewhile(lambda other: other is not entry, self._entries.values())
            return Queued(sum(other.waits(now) for other in ahead))
        end = entry.start + entry.run_seconds
        return Running(entry.start) if now < end else Ended(end)

    def cancel(self, job: str, now: float) -> bool:
        """Take a job out of the queue.

        Returns:
            Whether it was cancelled: only a job that still waits can be.
        """
        cancellable = isinstance(self.state(job, now), Queued)
        if cancellable:
            self._entries[job].cancelled_at = now
            self._reckon()
        return cancellable

    def was_cancelled(self, job: str) -> bool:
        """Tell whether a job was taken out of the queue."""
        return self._entries[job].cancelled_at is not None

    def _reckon(self) -> None:
        """Find anew when every job leaves the queue, which hangs on all those before it."""
        self._free_at = [float("-inf")] * self._workers
        self._left = float("-inf")
        for entry in self._entries.values():
            self._let_leave(entry)

    def _let_leave(self, entry: _Entry) -> None:
        """Find when the next job leaves the queue, after all those before it."""
        if entry.cancelled_at is not None:
            # It held back those behind it until it was cancelled: without this, cancelling
            # would move their starts into the past.
            self._left = max(self._left, entry.cancelled_at)
        else:
            self._left = max(self._left, entry.ready_at, self._free_at[0])
            heapq.heapreplace(self._free_at, self._left + entry.run_seconds)
        entry.start = self._left
