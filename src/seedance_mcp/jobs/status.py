"""The states of a job, its outputs, and what can be observed of it.

The state names are RunComfy's, except our `submitting` and `unknown`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal


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
        """Whether a job in this state never changes again."""
        return self in {Status.COMPLETED, Status.FAILED, Status.CANCELLED}


MAX_USD = 1e6
"""The largest price or cost that is believed."""

OPEN = (Status.IN_QUEUE, Status.IN_PROGRESS)
"""The states of a job that RunComfy has accepted and that has not ended."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """One file that a job made; `number` counts the files of its kind from 1."""

    kind: Literal["video", "image"]
    number: int
    url: str


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The distinct URLs of the files that a job made, in RunComfy's order."""

    videos: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether there is any output."""
        return bool(self.videos or self.images)

    @property
    def each(self) -> list[Output]:
        """Every output, videos first."""
        videos = [Output(kind="video", number=n, url=url) for n, url in enumerate(self.videos, 1)]
        images = [Output(kind="image", number=n, url=url) for n, url in enumerate(self.images, 1)]
        return videos + images


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """RunComfy accepted the job."""

    request_id: str


@dataclass(frozen=True, kw_only=True)
class OutcomeLost:
    """The paid POST left and no usable answer came.

    Attributes:
        why: The reason, in one line.
        request_id: The id that an answer named which was an error.
    """

    why: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Queued:
    """The job waits behind `position` others; None if unknown."""

    position: int | None = None


@dataclass(frozen=True, kw_only=True)
class Running:
    """The job runs, or RunComfy used an unknown word for its state (client)."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The run ended with the status `how`; only the result says whether it succeeded (docs).

    `listed` is what a result says that has no video yet.
    """

    how: Status
    listed: "Succeeded | None" = None


@dataclass(frozen=True, kw_only=True)
class _Result:
    """What a result says, whether the job succeeded or not.

    Attributes:
        cost_usd: The cost in USD, None while unknown.
        created_at: RunComfy's time, None if missing or unreadable; so is `finished_at`.
        looked_at: Our time of the last poll before this one, None if there was none.
        model_id: The model, None if the result does not say.
        echoed_input: The arguments that the result repeats, empty if it repeats none.
    """

    cost_usd: float | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None
    looked_at: datetime | None = None
    model_id: str | None = None
    # It may be megabytes.
    echoed_input: Mapping[str, Any] = field(
        default_factory=dict[str, Any], repr=False, compare=False
    )


@dataclass(frozen=True, kw_only=True)
class Succeeded(_Result):
    """The run succeeded; its clip exists, or `error` says what came in its place."""

    outputs: Outputs
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Failed(_Result):
    """The job ended without a clip."""

    error: str = "RunComfy gave no reason"


@dataclass(frozen=True, kw_only=True)
class Cancelled:
    """The job was cancelled before it ran, or was never accepted, which `why` says."""

    why: str | None = None


Observation = Accepted | OutcomeLost | Queued | Running | Ended | Succeeded | Failed | Cancelled

FINAL_OBSERVATIONS = (Succeeded, Failed, Cancelled)
"""The observations that end a job."""
