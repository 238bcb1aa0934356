"""The rows of the ledger: what every database does for the rules in `_rules`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some jobs, newest first, and how many there are in all.

    `unreadable` names the damaged rows that should be among them.
    """

    jobs: list[Job]
    total: int
    unreadable: tuple[str, ...] = ()


class Rows(Protocol):
    """Row operations on one open transaction, on behalf of one process.

    Lists are newest first, but for `started`. Without `statuses`, jobs in every state are meant.
    Neither `nth_newest` nor `started` counts jobs that were started elsewhere, whose model is
    unknown. In the place of a damaged row, `identical`, `started` and `over_before` have a job that
    says what can still be read; other lists leave it out.

    Attributes:
        unreadable: The damaged rows so far, each by our id, with its request_id, or our id if it
            has none.
    """

    process: str
    unreadable: dict[str, str]

    # The key of the tokens' hash.
    def secret(self) -> bytes: ...
    def by_id(self, job_id: str) -> Job | None: ...
    def by_request_id(self, request_id: str | None, owner: str) -> Job | None: ...
    # Those with a job's fingerprint, at most 1000.
    def identical(self, job: Job) -> list[Job]: ...
    def newest(self, owner: str, *, statuses: Collection[Status], limit: int) -> list[Job]: ...
    def count(self, owner: str, *, statuses: Collection[Status]) -> int: ...
    # When the last jobs up to a time were created, by our id.
    def latest(self, until: datetime, *, limit: int) -> Mapping[str, datetime]: ...
    # When the nth newest job was created, None if there are fewer.
    def nth_newest(self, n: int, *, since: datetime, until: datetime) -> datetime | None: ...
    # Without the cancelled ones.
    def started(self, *, since: datetime, until: datetime) -> list[Job]: ...
    # Every one, with the process that sends its POST.
    def submitting(self) -> list[tuple[Job, str]]: ...
    # All that ended before a time, and perhaps others.
    def over_before(self, time: datetime) -> list[Job]: ...
    # A new row is this process's. Writing and deleting keep the job's events.
    def write(self, job: Job, *, at: datetime) -> None: ...
    def set_field(self, job: Job, field: Literal["acknowledged_by", "saved_to"]) -> None: ...
    def delete(self, job: Job) -> None: ...
