"""Which downloads failed, and when an automatic one is due again.

Times are those of a clock that never goes back, in seconds.
"""

from dataclasses import dataclass

from seedance_mcp.bounded import BoundedDict
from seedance_mcp.errors import DownloadFailed, LinkRefused

RETRY_SECONDS = 60.0
"""The pause after an automatic download has failed; it doubles with every failure."""

MOST_FAILURES = 256
"""How many jobs' failures are remembered; a forgotten one is tried again without a pause."""


@dataclass(frozen=True, kw_only=True)
class _Failed:
    """How often the last attempts at a job's files failed in a row, and how the last one did."""

    times: int
    next_at: float
    refused: bool


class DownloadFailures:
    """The jobs whose files could not be downloaded when that was last tried."""

    def __init__(self) -> None:
        self._failed = BoundedDict[str, _Failed](MOST_FAILURES)

    def __contains__(self, job_id: str) -> bool:
        """Return whether the last attempt at a job failed."""
        return job_id in self._failed

    def is_due(self, job_id: str, now: float) -> bool:
        """Return whether an automatic download of a job may be tried."""
        return job_id not in self._failed or now >= self._failed[job_id].next_at

    def was_refused(self, job_id: str) -> bool:
        """Return whether a host refused the link at the last attempt."""
        return job_id in self._failed and self._failed[job_id].refused

    def note(self, job_id: str, failure: DownloadFailed | None, now: float) -> None:
        """Note how an attempt ended, None if it succeeded."""
        before = self._failed.pop(job_id, None)
        if failure:
            times = before.times + 1 if before else 1
            self._failed[job_id] = _Failed(
                times=times,
                next_at=now + RETRY_SECONDS * 2 ** min(times - 1, 10),
                refused=isinstance(failure, LinkRefused),
            )
