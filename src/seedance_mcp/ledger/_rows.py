"""What a database must be able to do with the rows of jobs, so that it can be a ledger."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status

StoredField = Literal["acknowledged_by", "saved_to", "estimated_microdollars"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """A transition of a job.

    Attributes:
        at: When it was written, None if that is damaged.
        was: The state before, None for the first.
    """

    at: datetime | None
    was: str | None
    became: str


class Rows(Protocol):
    """Row operations on one open transaction, on behalf of one process.

    Lists are newest first, but for `started`. Without `statuses`, jobs in every state are meant.
    Neither `nth_newest` nor `started` counts jobs that were started elsewhere, whose model is
    unknown. In the place of a damaged row, `by_approval`, `identical`, `started` and
    `over_before` have a job that says what can still be read; other lists leave it out.

    Attributes:
        process: Which process lives while it sends a POST.
        window: Who acknowledges, and whose acknowledgements count: this process alone, or every
            one of those that calls of one client may reach.
        unreadable: By our id, the names of the damaged rows so far: the request_id, or our id.
    """

    process: str
    window: str
    unreadable: dict[str, str]

    # The key of the tokens' hash.
    def secret(self) -> bytes: ...
    def by_id(self, job_id: str) -> Job | None: ...
    def by_request_id(self, request_id: str | None, owner: str) -> Job | None: ...
    # What a yes of the user has bought, also in a damaged row.
    def by_approval(self, approval: str, *, damaged_at: datetime) -> Job | None: ...
    # Those with a job's fingerprint, at most 1000.
    def identical(self, job: Job) -> list[Job]: ...
    def newest(self, owner: str, *, statuses: Collection[Status], limit: int) -> list[Job]: ...
    # Our ids with what the arguments say, some after others: much less to read than jobs.
    def prompts(
        self, owner: str, *, statuses: Collection[Status], skip: int, limit: int
    ) -> list[tuple[str, str]]: ...
    def count(self, owner: str, *, statuses: Collection[Status]) -> int: ...
    # How many jobs of all owners are in each state that any is in.
    def states(self) -> dict[str, int]: ...
    # When the last other job up to a time was created, None if there is none.
    def latest(self, until: datetime, *, other_than: str = "") -> datetime | None: ...
    # When the nth newest job of one owner, or of all, was created; None if there are fewer.
    def nth_newest(
        self, n: int, *, since: datetime, until: datetime, owner: str | None = None
    ) -> datetime | None: ...
    # One owner's, or all, without the cancelled ones.
    def started(
        self, *, since: datetime, until: datetime, owner: str | None = None
    ) -> list[Job]: ...
    # The same: jobs that say as much as a cost is made of, each with how many such jobs there are.
    def costs(
        self, owner: str | None, *, since: datetime, until: datetime
    ) -> list[tuple[Job, int]]: ...
    # Oldest first.
    def events(self, job: Job) -> list[Event]: ...
    # Every one of other processes, with the process that sends its POST.
    def submitting(self) -> list[tuple[Job, str]]: ...
    # All that ended before a time, and perhaps others.
    def over_before(self, time: datetime) -> list[Job]: ...
    # By our ids, of one owner's jobs or of all; none that is larger, nor anything but bytes.
    def posters(
        self, ids: Collection[str], *, owner: str | None, most_bytes: int
    ) -> dict[str, bytes]: ...
    # None takes it away.
    def set_poster(self, job: Job, jpeg: bytes | None) -> None: ...
    # All but those of so many newest jobs.
    def delete_posters(self, *, beyond: int) -> None: ...
    # A new row is this process's. Writing keeps the job's events; they are
    # deleted with it, and so is its poster.
    def write(self, job: Job, *, at: datetime) -> None: ...
    def set_field(self, job: Job, field: StoredField) -> None: ...
    def delete(self, job: Job) -> None: ...
