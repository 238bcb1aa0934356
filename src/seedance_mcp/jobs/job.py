"""The record of a job, and `advance`, its only state transition.

    submitting ─┬─> in_queue <──> in_progress ──> completed | failed | cancelled
                ├─> unknown       RunComfy may or may not have accepted it
                └─> (deleted)     RunComfy certainly did not accept it

`advance` is pure: no I/O and no clock. A final state never changes; only its cost, its links and
what RunComfy says of a clip in its place may change later.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self, assert_never

from .status import (
    Accepted,
    Cancelled,
    Ended,
    Failed,
    Observation,
    OutcomeLost,
    Outputs,
    Queued,
    Running,
    Status,
    Succeeded,
)
from .wish import Wish

REQUEST_ID_PATTERN = "^[A-Za-z0-9_-]{1,128}$"
"""The form of a request id that RunComfy's own clients accept (client)."""


@dataclass(frozen=True, kw_only=True)
class Job(Wish):
    """A job as the ledger stores it; every time is aware, in UTC.

    Attributes:
        id: Our own id, which exists before RunComfy's.
        request_id: RunComfy's id, None until the POST is answered.
        token_hash: The keyed hash of the token that began it, "" if unknown.
        created_at: When the job was recorded, or when RunComfy says that it was created.
        queue_position: The number of jobs ahead of it, None if not queued or unknown.
        started_at: When it was first seen running, None if it never was.
        finished_at: When it ended, None before.
        cost_usd: Its cost in USD, None while unknown.
        estimated_microdollars: Its estimated cost when it was started, in millionths of a USD;
            None if no price was known.
        error: Why it failed, with RunComfy's words quoted, or why its outcome is unknown; one line.
        saved_to: The paths of its downloaded outputs, in the order of `Outputs.each`; "" for one
            that is not downloaded, and the last ones may be missing.
        acknowledged_by: The processes to which a later call brought its request_id.
        approval: The nonce of the user's yes that it was bought with, None if that was not needed.
        timely: Whether `finished_at` is right to within seconds: RunComfy gave it, or the job was
            polled shortly before its end.
    """

    id: str
    request_id: str | None = None
    token_hash: str = ""
    created_at: datetime
    status: Status = Status.SUBMITTING
    queue_position: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    outputs: Outputs = field(default_factory=Outputs)
    cost_usd: float | None = None
    estimated_microdollars: int | None = None
    error: str | None = None
    saved_to: tuple[str, ...] = ()
    acknowledged_by: tuple[str, ...] = ()
    approval: str | None = None
    timely: bool = True

    @property
    def saved(self) -> list[str]:
        """The path of every output, "" for one that is not downloaded."""
        return [*self.saved_to, *[""] * len(self.outputs.each)][: len(self.outputs.each)]

    def with_outputs(self, outputs: Outputs) -> Self:
        """Return the job with other outputs, among which videos may have come before its images."""
        old = len(self.outputs.videos)
        videos, images = self.saved_to[:old], self.saved_to[old:]
        gap = ("",) * (len(outputs.videos) - old) if images else ()
        return replace(self, outputs=outputs, saved_to=videos + gap + images)

    def elapsed_seconds(self, now: datetime) -> float:
        """Return the seconds from creation to the end, or to `now` before it."""
        return max(0.0, ((self.finished_at or now) - self.created_at).total_seconds())

    @property
    def run_seconds(self) -> float | None:
        """The seconds from when it was first seen running to its end, None if either is unknown."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(0.0, (self.finished_at - self.started_at).total_seconds())


TIMELY = timedelta(seconds=20)
"""How long before its end a job must have been polled for the end to count as known."""

UNKNOWN_IS_OWED_FOR = timedelta(minutes=30)
OWED_FOR = timedelta(hours=24)
"""How long after it was begun an identical call gets a job back, unknown or any other."""

OWN_ACKNOWLEDGEMENTS_FOR = timedelta(minutes=15)
"""How long after a job was begun an acknowledgement counts for its process alone.

Another window that lists jobs and looks at one must not disarm the window that waits for it.
"""

EVERYONE = "*"
"""The process whose acknowledgement counts for all at once."""


def _is_acknowledged(job: Job, process: str, now: datetime) -> bool:
    """Return whether a later call has brought the job's request_id, as a process may count it."""
    if now - job.created_at >= OWN_ACKNOWLEDGEMENTS_FOR and job.acknowledged_by:
        return True
    return process in job.acknowledged_by or EVERYONE in job.acknowledged_by


def is_owed(job: Job, new: Job, process: str) -> bool:
    """Return whether a call in a process that would start `new` gets the identical `job` instead.

    | state of the job               | owed until                                              |
    |--------------------------------|---------------------------------------------------------|
    | unknown                        | it is 30 minutes old                                    |
    | submitting                     | acknowledged, or known to be accepted or not            |
    | in_queue, in_progress          | acknowledged, or 24 hours old                           |
    | completed                      | acknowledged, or 24 hours old                           |
    | failed                         | acknowledged, or an answer has said that it failed      |
    | cancelled                      | never                                                   |
    """
    # A job that the clock dates into the future counts as begun now.
    age = max(new.created_at - job.created_at, timedelta(0))
    match job.status:
        case Status.CANCELLED:
            return False
        case Status.UNKNOWN:
            return age < UNKNOWN_IS_OWED_FOR
        case Status.IN_QUEUE | Status.IN_PROGRESS | Status.COMPLETED if age >= OWED_FOR:
            return False
        case _:
            return not _is_acknowledged(job, process, new.created_at)


def advance(job: Job, seen: Observation, now: datetime) -> Job:
    """Return a job as it is after an observation.

    | state                   | observation                  | next state                          |
    |-------------------------|------------------------------|-------------------------------------|
    | `submitting`, `unknown` | Accepted                     | `in_queue`, with its request_id     |
    | `submitting`            | OutcomeLost                  | `unknown`, with an id if it has one |
    | any that is not final   | Queued                       | `in_queue`                          |
    | any that is not final   | Running, Ended               | `in_progress`                       |
    | any that is not final   | Succeeded, Failed, Cancelled | `completed`, `failed`, `cancelled`  |
    | final                   | any                          | the same; late cost, links, words   |
    """
    if job.status.final:
        return _with_late_news(job, seen)
    job = replace(job, error=None)  # why its outcome was unknown
    match seen:
        case Accepted() | OutcomeLost() if job.request_id:
            return job  # the answer to a submit does not undo what polls have seen since
        case Accepted(request_id=request_id):
            return replace(job, request_id=request_id, status=Status.IN_QUEUE)
        case OutcomeLost(why=why, request_id=request_id):
            return replace(job, status=Status.UNKNOWN, error=why, request_id=request_id)
        case Queued(position=position):
            return replace(job, status=Status.IN_QUEUE, queue_position=position)
        case Running() | Ended():
            # An ended run may have failed; only the result says so (docs).
            start = job.started_at or now
            return replace(job, status=Status.IN_PROGRESS, queue_position=None, started_at=start)
        case Succeeded():
            return _ended(job, Status.COMPLETED, seen, now)
        case Failed():
            return _ended(job, Status.FAILED, seen, now)
        case Cancelled(why=why):
            ended = replace(job, status=Status.CANCELLED, error=why)
            return replace(ended, queue_position=None, finished_at=now)
        case _:
            assert_never(seen)


def merge(job: Job, other: Job) -> Job:
    """Return one record of a job that was begun here and of the same job as adopted.

    The other is there if something asked about the request_id before this one had it.
    """
    return replace(
        other,
        id=job.id,
        token_hash=job.token_hash,
        model_id=job.model_id,
        arguments=job.arguments,
        files=job.files,
        created_at=job.created_at,
        # A job does not end before it began, whatever the id was of before.
        finished_at=other.finished_at and max(other.finished_at, job.created_at),
        estimated_microdollars=job.estimated_microdollars,
        acknowledged_by=job.acknowledged_by + other.acknowledged_by,
        approval=job.approval,
    )


def _ended(job: Job, status: Status, seen: Succeeded | Failed, now: datetime) -> Job:
    # The form of RunComfy's times is unknown, so they count only if they are consistent with ours.
    adopted = job.model_id is None and seen.created_at is not None
    created_at = min(job.created_at, seen.created_at or now) if adopted else job.created_at
    finished_at = seen.finished_at or now
    dated = seen.finished_at is not None and created_at <= finished_at <= now
    return replace(
        job,
        status=status,
        queue_position=None,
        created_at=created_at,
        finished_at=finished_at if dated else now,
        timely=dated or now - (seen.looked_at or job.created_at) <= TIMELY,
        outputs=seen.outputs if isinstance(seen, Succeeded) else job.outputs,
        cost_usd=seen.cost_usd,
        error=seen.error,
    )


def _with_late_news(job: Job, seen: Observation) -> Job:
    """Return an ended job with a late or higher cost and RunComfy's current links to its files."""
    # RunComfy may not know the cost when a job ends (client), and then say 0.
    if isinstance(seen, Succeeded | Failed) and seen.cost_usd is not None:
        job = replace(job, cost_usd=max(seen.cost_usd, job.cost_usd or 0.0))
    if not isinstance(seen, Succeeded):
        return job
    # A clip may turn up although RunComfy had called its job failed or cancelled.
    job = job if job.status is Status.FAILED else replace(job, error=seen.error)
    # Links are signed and expire: keeping the first ones would put a paid clip out of reach. Once
    # files are saved, a different number of links may be in another order than their paths.
    old, new, count = job.outputs, seen.outputs, len(job.outputs.videos)
    more = (len(new.videos), len(new.images)) > (count, len(old.images))

    def newer(old: tuple[str, ...], new: tuple[str, ...], saved: list[str]) -> tuple[str, ...]:
        return new if len(new) == len(old) or (more and not any(saved)) else old

    if len(new.videos) < count:
        return job
    videos = newer(old.videos, new.videos, job.saved[:count])
    images = newer(old.images, new.images, job.saved[count:])
    return job.with_outputs(Outputs(videos=videos, images=images))
