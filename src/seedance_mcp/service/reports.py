"""What the service is asked for, what it reports about jobs, and who it reports changes to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Protocol

from seedance_mcp.clock import EVER
from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.store import Page
from seedance_mcp.models.model import JSONObject, Model
from seedance_mcp.spending.pricing import TotalCost

from .consent import Ask, UserAnswer, ask_no_one

LEAST_CLIPS, MOST_CLIPS = 2, 50
"""How many clips are joined to one."""


class Counted(Protocol):
    """How far something is; as a text, it says that in a few words."""

    @property
    def size(self) -> int:
        """Bytes or frames so far."""
        ...

    @property
    def total(self) -> int | None:
        """How many in all, None while unknown."""
        ...


@dataclass(frozen=True, kw_only=True)
class DownloadProgress:
    """How far the download of a job's files is.

    Attributes:
        size: Bytes received so far, of all files.
        total: Bytes in all, None while unknown.
        elsewhere: Whether another server on this machine downloads them.
    """

    size: int = 0
    total: int | None = None
    elsewhere: bool = False

    def __str__(self) -> str:
        """Return the progress in a few words."""
        if self.elsewhere:
            return "another server on this machine is downloading it"
        whole = f" of {self.total:,}" if self.total is not None else ""
        return f"{self.size:,}{whole} bytes"


@dataclass(frozen=True, kw_only=True)
class JoinedClip:
    """A file that clips were joined to.

    Attributes:
        path: Where it is, an absolute path.
        seconds: Its length.
    """

    path: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class JoinProgress:
    """How far a join is.

    Attributes:
        doing: What is done now, in a few words.
        size: Frames written so far.
        total: Frames in all, None while no frame is written.
    """

    doing: str = "checking the clips"
    size: int = 0
    total: int | None = None

    def __str__(self) -> str:
        """Return the progress in a few words."""
        if self.total is None:
            return self.doing
        return f"{self.doing}, {self.size:,} of {self.total:,} frames"


@dataclass(frozen=True, kw_only=True)
class Order:
    """A clip that a call asks for.

    Attributes:
        model: What is to make it.
        arguments: The model's arguments, checked and completed.
        reuse_since: Since when an identical call may have begun the clip; None buys another.
        dry_run: Whether to check everything, and buy nothing.
        answer_by: When the caller gives up, on the event loop's clock; no slow host is waited for
            that long.
        ask: Asks the user, where they have to agree.
        answer: What the user has said, if an earlier call has asked them; None if none has.
        wants_poster: Whether a poster is made of the image that the clip begins with.
    """

    model: Model
    arguments: JSONObject
    reuse_since: datetime | None = EVER
    dry_run: bool = False
    answer_by: float = inf
    ask: Ask = ask_no_one
    answer: UserAnswer | None = None
    wants_poster: bool = False


@dataclass(frozen=True, kw_only=True)
class JobReport:
    """A job as last seen, and what a caller should know about it.

    Attributes:
        stale_reason: Why it may have changed since, in one line; None if it is fresh.
        out_of_reach: Whether RunComfy does not know it, or not for this token.
        usual_seconds: How long such a job usually takes in all; None while unknown.
        reused: Whether an identical earlier call began it.
        dry_run: Whether the call bought nothing, and the job is what it would buy or be given.
        warnings: Remarks about the arguments, one line each.
        cancel_failure: Why a cancel failed, in one line, "" if RunComfy refused it; None unless one
            was tried.
        download_error: Why its files could not be downloaded, in one line; None if nothing failed.
        download_progress: How far the download of its files is; None unless one is under way.
        spent: What the jobs of the last 24 hours cost; None if the ledger cannot be read.
        can_save: Whether its files can be saved for this caller.
    """

    job: Job
    stale_reason: str | None = None
    out_of_reach: bool = False
    usual_seconds: float | None = None
    reused: bool = False
    dry_run: bool = False
    warnings: tuple[str, ...] = ()
    cancel_failure: str | None = None
    download_error: str | None = None
    download_progress: DownloadProgress | None = None
    spent: TotalCost | None = None
    can_save: bool = True


@dataclass(frozen=True, kw_only=True)
class JobListing:
    """The newest jobs.

    Attributes:
        stale: How many of them may have changed since, as RunComfy did not answer.
        other_token: How many open ones were begun with another token.
        spent: What the jobs of the last 24 hours cost; for this machine's user, those of every
            owner in the ledger.
    """

    page: Page
    stale: int
    other_token: int
    spent: TotalCost


WatchJob = Callable[[JobReport], Awaitable[None]]
"""Called with every report of a job while a call waits for it."""

WatchDownload = Callable[[DownloadProgress], Awaitable[None]]
"""Called with the progress of a download while a call waits for it."""

WatchJoin = Callable[[JoinProgress], Awaitable[None]]
"""Called with the progress of a join while a call waits for it."""

OnJobChange = Callable[[Job], None]
"""Called with a job whenever it has changed; it neither waits nor fails."""


async def ignore(_: object) -> None:
    """Watch nothing."""
