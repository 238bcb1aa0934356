"""All that a ledger has, to be written into another one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import fsum

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status

from ._rows import Event


@dataclass(frozen=True, kw_only=True)
class JobCopy:
    """A job as a row has it.

    Attributes:
        changed_at: When the row was last written.
        events: Its transitions, the first one first.
        poster: The small JPEG that stands for its clip in a list, None if there is none.
    """

    job: Job
    changed_at: datetime
    events: Sequence[Event]
    poster: bytes | None = None

    @property
    def name(self) -> str:
        """Its request_id, or our id where RunComfy's is unknown."""
        return self.job.request_id or self.job.id


@dataclass(frozen=True, kw_only=True)
class LedgerCopy:
    """The jobs of every owner.

    Attributes:
        jobs: In the order in which they were begun here.
        secret: The key of the tokens' hash.
        unreadable: The names of damaged rows, which are not among the jobs.
    """

    jobs: Sequence[JobCopy]
    secret: bytes
    unreadable: Sequence[str] = ()

    @property
    def counts(self) -> dict[Status, int]:
        """How many jobs are in each state that has any."""
        counts = Counter(each.job.status for each in self.jobs)
        return {status: counts[status] for status in Status if counts[status]}

    @property
    def events(self) -> int:
        """How many transitions all jobs have."""
        return sum(len(each.events) for each in self.jobs)

    @property
    def usd(self) -> float:
        """What the jobs cost whose cost is known."""
        return fsum(each.job.cost_usd or 0.0 for each in self.jobs)
