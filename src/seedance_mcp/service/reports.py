"""What goes into the service and comes out of it, besides jobs."""

from dataclasses import dataclass
from typing import Protocol

from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.store import Page
from seedance_mcp.spending.limits import SpendingLimits


@dataclass(frozen=True, kw_only=True)
class DownloadProgress:
    """How far the saving of what a job made has come.

    Attributes:
        size: Bytes that have come, of all files.
        total: Bytes that there are, None while that is not known.
        elsewhere: Whether another server of this machine saves it.
    """

    size: int = 0
    total: int | None = None
    elsewhere: bool = False

    def __str__(self) -> str:
        """Say how much is there, in a few words."""
        if self.elsewhere:
            return "another server of this machine is saving it"
        whole = f" of {self.total:,}" if self.total is not None else ""
        return f"{self.size:,}{whole} bytes"


@dataclass(frozen=True, kw_only=True)
class JobReport:
    """What a call learned of a job.

    Attributes:
        job: The job as it is known now.
        reused: Whether an identical earlier call began it.
        stale_reason: Why the job may have moved on since, in one line; None where it is fresh.
        warnings: What the caller should know of the arguments, a line each.
        download_error: Why its files could not be downloaded, in one line; None if nothing failed.
        download_progress: How far the download of its files is; None unless one is under way.
    """

    job: Job
    reused: bool = False
    stale_reason: str | None = None
    warnings: tuple[str, ...] = ()
    download_error: str | None = None
    download_progress: DownloadProgress | None = None


@dataclass(frozen=True, kw_only=True)
class JobListing:
    """The newest jobs of an owner.

    Attributes:
        page: The jobs and how many there are in all.
        stale: How many of them may have moved on since, as the service did not answer.
    """

    page: Page
    stale: int


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the configuration allows.

    Attributes:
        allowance: What may be begun, as far as it is set and not learned.
        auto_download: Whether every clip is saved as soon as its completion is seen.
    """

    allowance: SpendingLimits
    auto_download: bool


class Listener(Protocol):
    """Who is told of every change of a job."""

    def __call__(self, job: Job) -> None:
        """Hear what the job is now; this must neither wait nor fail."""
        ...
