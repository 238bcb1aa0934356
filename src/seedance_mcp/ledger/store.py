"""The ledger's port: what the service needs of wherever jobs are kept.

A job is in the ledger before its POST leaves. `begin` decides in one step whether a call buys a
new job or gets back one that an identical call is owed; `observe` is the only way a job changes.
Every method is one step that cannot be torn, and raises `LedgerError` where it could not be taken.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Observation, Status
from seedance_mcp.spending.limits import SpendingLimits


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some jobs out of many.

    Attributes:
        jobs: The newest first.
        total: How many there are in all.
    """

    jobs: list[Job]
    total: int


class Store(Protocol):
    """A ledger that several processes may share."""

    async def owner(self, token: str) -> str:
        """Give the owner that a token stands for: a keyed hash that does not tell the token."""
        ...

    async def begin(
        self, job: Job, *, force_new: bool, delivered_ids: Collection[str], limits: SpendingLimits
    ) -> Job:
        """Write a job down, or find the one that an identical call is owed.

        Args:
            job: The new job, in the state `submitting`.
            force_new: Whether to write it down whatever is owed.
            delivered_ids: Our ids of jobs that this process delivered, whether or not the ledger
                has it yet.
            limits: What its owner may begin, held over all processes.

        Returns:
            The same job where it is new, else the one found.

        Raises:
            SpendingLimitReached: The owner may not begin another one now.
        """
        ...

    async def find_reusable(self, job: Job, *, delivered_ids: Collection[str]) -> Job | None:
        """Give the job that a call which would begin this one is owed, None for nothing.

        Args:
            job: The job that the call would begin.
            delivered_ids: As for `begin`.
        """
        ...

    async def discard(self, job: Job) -> None:
        """Forget a job that certainly was not accepted."""
        ...

    async def observe(self, job: Job, observation: Observation, now: datetime) -> Job:
        """Take the step that an observation calls for, and give the job as it is now.

        A job begun elsewhere enters the ledger with its first observation.
        """
        ...

    async def mark_delivered(self, job: Job) -> None:
        """Note that an answer naming the job's request_id was given."""
        ...

    async def set_saved_to(self, job: Job) -> None:
        """Note where a job's files were saved."""
        ...

    async def get(self, job: Job) -> Job | None:
        """Give the job as it is now, None where it is not there, or not any more."""
        ...

    async def find(self, request_id: str, owner: str) -> Job | None:
        """Give an owner's job by the service's id, None where the ledger has none."""
        ...

    async def recent(self, owner: str, *, statuses: Collection[Status] = (), limit: int) -> Page:
        """Give an owner's newest jobs, all or, where states are named, those in one of them."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...
