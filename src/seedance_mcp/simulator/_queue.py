"""The queue as pure arithmetic: which jobs wait, run or have ended at a given time.

Nothing runs in the background. Every method takes the time, and its result follows from the jobs
accepted and cancelled by then. Jobs start strictly in the order of acceptance.
"""

import heapq
from dataclasses import dataclass
from itertools import takewhile


@dataclass(frozen=True)
class Queued:
    """The job waits behind `position` others."""

    position: int


@dataclass(frozen=True)
class Running:
    """The job has had a worker since that time."""

    since: float


@dataclass(frozen=True)
class Ended:
    """The run has ended, or the job was cancelled while it waited."""

    at: float
    cancelled: bool = False


State = Queued | Running | Ended


@dataclass(kw_only=True)
class _Entry:
    ready_at: float
    run_seconds: float
    cancelled_at: float | None = None
    start: float = 0.0

    def is_waiting(self, now: float) -> bool:
        return self.start > now and self.cancelled_at is None


class Queue:
    """A first-come, first-served queue for a fixed number of workers.

    Times are seconds of any clock that does not run backwards.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers}")
        self._workers = workers
        self._entries: dict[str, _Entry] = {}
        self._recompute_starts()

    def accept(
        self, job: str, now: float, *, run_seconds: float, queue_seconds: float = 0.0
    ) -> None:
        """Put a job at the end of the queue.

        It occupies a worker for `run_seconds`, and waits `queue_seconds` even if one is free.
        """
        entry = _Entry(ready_at=now + queue_seconds, run_seconds=run_seconds)
        self._entries[job] = entry
        self._compute_start(entry)

    def state(self, job: str, now: float) -> State:
        """Return where a job is at a time."""
        entry = self._entries[job]
        if entry.cancelled_at is not None:
            return Ended(entry.cancelled_at, cancelled=True)
        if entry.is_waiting(now):
            ahead = takewhile(lambda other: other is not entry, self._entries.values())
            return Queued(sum(other.is_waiting(now) for other in ahead))
        end = entry.start + entry.run_seconds
        return Running(entry.start) if now < end else Ended(end)

    def cancel(self, job: str, now: float) -> bool:
        """Cancel a job if it still waits, and return whether it was cancelled."""
        cancellable = isinstance(self.state(job, now), Queued)
        if cancellable:
            self._entries[job].cancelled_at = now
            self._recompute_starts()
        return cancellable

    def was_cancelled(self, job: str) -> bool:
        """Return whether a job was cancelled."""
        return self._entries[job].cancelled_at is not None

    def _recompute_starts(self) -> None:
        """Compute every start again: each depends on all jobs before it."""
        # When each worker is free: a heap, so that the first is free soonest.
        self._free_at = [float("-inf")] * self._workers
        self._last_left = float("-inf")
        for entry in self._entries.values():
            self._compute_start(entry)

    def _compute_start(self, entry: _Entry) -> None:
        """Compute when a job leaves the queue, after all those before it."""
        if entry.cancelled_at is not None:
            # It held back the jobs behind it until then; otherwise cancelling it would move their
            # starts into the past.
            self._last_left = max(self._last_left, entry.cancelled_at)
        else:
            self._last_left = max(self._last_left, entry.ready_at, self._free_at[0])
            heapq.heapreplace(self._free_at, self._last_left + entry.run_seconds)
        entry.start = self._last_left
