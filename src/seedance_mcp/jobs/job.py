"""The record of a job, and its one step from what it was to what was observed of it.

    submitting ─┬─> in_queue <──> in_progress ──> completed | failed | cancelled
                ├─> unknown       the POST's outcome cannot be known
                └─> (deleted)     it certainly was not accepted

`advance` is the only way a job changes. It does no I/O and knows no clock, and a final state
never changes; what is learned later of a job in one are its cost and newer links.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

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

REQUEST_ID_PATTERN = "^[A-Za-z0-9_-]{1,128}$"
"""What a request id may be (client: the ids that RunComfy's own clients accept)."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as the ledger holds it; every time is aware, in UTC.

    Attributes:
        id: Our own id, which exists before the service has given one.
        request_id: The service's id, None until the POST is answered.
        model_id: The model that makes the clip, None for a job begun elsewhere.
        arguments: The model's arguments, defaults filled in; empty for a job begun elsewhere.
        owner: Whose it is: the keyed hash of the token, never the token.
        created_at: When the job was written down, or when the service says it was created.
        status: Where it stands.
        queue_position: Jobs ahead of it, None unless it is queued and the service says.
        started_at: When it was first seen to run, None where it never was.
        finished_at: When it ended, None before.
        outputs: What it made.
        cost_usd: What it cost in USD, None while the service does not say.
        estimated_microdollars: What the catalogue's price made of it when it was begun, in
            millionths of a USD; None where none was known.
        error: Why it failed, in the service's words, cut to one line.
        saved_to: Where its outputs were saved, in the order of `Outputs.each`; "" for one that was
            not, and the last ones may be missing.
        delivered: Whether an answer that names the request_id was given.
        timely: Whether its end is known to within some seconds; that of a job which nobody looked
            at, and which the service does not date, is not.
    """

    id: str
    request_id: str | None = None
    model_id: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    owner: str = ""
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
    delivered: bool = False
    timely: bool = True

    @property
    def saved(self) -> list[str]:
        """Give where each output was saved, "" for one that was not."""
        return [*self.saved_to, *[""] * len(self.outputs.each)][: len(self.outputs.each)]

    @property
    def digest(self) -> dict[str, Any]:
        """Give the arguments as they are kept: of an image within, only its hash."""
        return {name: _digested(value) for name, value in self.arguments.items()}

    @property
    def fingerprint(self) -> str:
        """Tell identical requests: the same owner, model and arguments after defaults."""
        what = json.dumps([self.owner, self.model_id, self.digest], sort_keys=True)
        return hashlib.sha256(what.encode()).hexdigest()

    def elapsed_seconds(self, now: datetime) -> float:
        """Give the seconds from creation to the end, or to `now` while it runs."""
        return max(0.0, ((self.finished_at or now) - self.created_at).total_seconds())

    @property
    def run_seconds(self) -> float | None:
        """Give the seconds from when it was seen to run to its end, None unless both are known."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(0.0, (self.finished_at - self.started_at).total_seconds())


TIMELY = timedelta(seconds=20)
"""How long before its end was seen a job must have been looked at, for the end to be known."""

UNKNOWN_IS_OWED_FOR = timedelta(minutes=30)
ENDED_IS_OWED_FOR = timedelta(hours=24)
"""How long an identical call gets back a job whose outcome is unknown, or that ended unseen."""


def is_owed(job: Job, new: Job) -> bool:
    """Tell whether a call that would begin `new` is owed an earlier job instead.

    It is where the two are identical, and the earlier one was never named in an answer, or is
    young and its outcome unknown. One that has ended is owed for a day: its caller paid for it and
    was never told. One that was cancelled is owed to nobody.
    """
    if job.fingerprint != new.fingerprint or job.status is Status.CANCELLED:
        return False
    age = new.created_at - job.created_at
    if job.status is Status.UNKNOWN:
        return age < UNKNOWN_IS_OWED_FOR
    return not job.delivered and not (job.status.final and age >= ENDED_IS_OWED_FOR)


def advance(job: Job, seen: Observation, now: datetime) -> Job:
    """Take the step from a job to what was observed of it.

    Args:
        job: The job so far.
        seen: What the service was seen to say.
        now: When.

    Returns:
        The job as it is now; the same one where nothing changed or its state is final.
    """
    if job.status.final:
        return _with_newer_links(_with_late_cost(job, seen), seen)
    match seen:
        case Accepted() | OutcomeLost() if job.request_id:
            return job
        case Accepted(request_id=request_id):
            return replace(job, request_id=request_id, status=Status.IN_QUEUE, error=None)
        case OutcomeLost(why=why):
            return replace(job, status=Status.UNKNOWN, error=why)
        case Queued(position=position):
            return replace(job, status=Status.IN_QUEUE, queue_position=position)
        case Running() | Ended():
            # A run that ended is not known to have made anything until its result is read.
            return replace(
                job,
                status=Status.IN_PROGRESS,
                queue_position=None,
                started_at=job.started_at or now,
            )
        case Succeeded():
            return _ended(job, Status.COMPLETED, seen, now)
        case Failed(error=error):
            return replace(_ended(job, Status.FAILED, seen, now), error=error)
        case Cancelled():
            return replace(job, status=Status.CANCELLED, queue_position=None, finished_at=now)
        case _:
            assert_never(seen)


# A data: URI of an image runs to megabytes; no prompt and no URL is as long as this.
_KEPT_WHOLE = 10_000


def _digested(value: Any) -> Any:
    """Give what is kept of an argument; of what is kept, the same again."""
    if isinstance(value, str) and (value.startswith("data:image/") or len(value) > _KEPT_WHOLE):
        kind = value[:40].partition(",")[0]
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()} of {kind}"
    return value


def _ended(job: Job, status: Status, seen: Succeeded | Failed, now: datetime) -> Job:
    # The form of the service's times is unknown, so they are believed only where they fit ours.
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
    )


def _with_late_cost(job: Job, seen: Observation) -> Job:
    """Add a cost that the service did not know yet when the job ended (client)."""
    if job.cost_usd is None and isinstance(seen, Succeeded | Failed) and seen.cost_usd is not None:
        return replace(job, cost_usd=seen.cost_usd)
    return job


def _with_newer_links(job: Job, seen: Observation) -> Job:
    """Take the links that the service names now for what a job made.

    Links are signed and expire, and a service that signs anew names the same files. So that is no
    change of state, and keeping the first ones would leave a paid clip out of reach. Another number
    of outputs is not believed: what is stored and where it was saved would not fit together.
    """
    if job.status is not Status.COMPLETED or not isinstance(seen, Succeeded):
        return job
    old, new = job.outputs, seen.outputs
    same = (len(old.videos), len(old.images)) == (len(new.videos), len(new.images))
    return replace(job, outputs=new) if same else job
