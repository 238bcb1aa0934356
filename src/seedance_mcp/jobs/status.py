"""What can be observed of a job: the states it can be in, what it made, and what the service says.

The words are the service's, and two are ours: `submitting` and `unknown`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal


class Status(StrEnum):
    """Where a job stands."""

    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    IN_QUEUE = "in_queue"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Tell whether a job in this state never changes again."""
        return self in {Status.COMPLETED, Status.FAILED, Status.CANCELLED}


OPEN = (Status.IN_QUEUE, Status.IN_PROGRESS)
"""The states in which a job's end can be asked for."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """One file that a job made.

    Attributes:
        kind: What it is.
        number: Which of its kind, from 1.
        url: Where it lies.
    """

    kind: Literal["video", "image"]
    number: int
    url: str


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The URLs of what a job made.

    Attributes:
        videos: Video URLs, without repetition, in the service's order.
        images: Image URLs, likewise.
    """

    videos: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is any output."""
        return bool(self.videos or self.images)

    @property
    def each(self) -> list[Output]:
        """Give every output, the videos first."""
        videos = [Output(kind="video", number=n, url=url) for n, url in enumerate(self.videos, 1)]
        images = [Output(kind="image", number=n, url=url) for n, url in enumerate(self.images, 1)]
        return videos + images


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The service took the job and gave it an id."""

    request_id: str


@dataclass(frozen=True, kw_only=True)
class OutcomeLost:
    """The POST left and no usable answer came; `why` says how, in one line."""

    why: str | None = None


@dataclass(frozen=True, kw_only=True)
class Queued:
    """The job waits; `position` is None where the service does not say."""

    position: int | None = None


@dataclass(frozen=True, kw_only=True)
class Running:
    """The job runs, or the service used a word for it that nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The run ended, in the service's words `how`; only the result says what came of it."""

    how: Status


@dataclass(frozen=True, kw_only=True)
class Succeeded:
    """The clip exists. Times are None where the service gives none that can be read.

    When the job was last looked at before that, `looked_at`, is ours; None where it never was.
    """

    outputs: Outputs
    cost_usd: float | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None
    looked_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The job ended without a clip."""

    error: str
    cost_usd: float | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None
    looked_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Cancelled:
    """The job was cancelled before it ran."""


Observation = Accepted | OutcomeLost | Queued | Running | Ended | Succeeded | Failed | Cancelled

FINAL_OBSERVATIONS = (Succeeded, Failed, Cancelled)
"""The observations that end a job."""
