"""What a ledger says of itself, whatever database keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import OPEN, Status

from . import _rules as rules
from ._rows import Rows

_MOST_JOBS = 1000


@dataclass(frozen=True, kw_only=True)
class LedgerInspection:
    """What a ledger says of itself.

    Attributes:
        exists: Whether there is one.
        older: Whether its tables are an older version's, which the next start brings up to date;
            its jobs are not read then.
        interrupted: Whether a write was cut off, which the next start undoes; the same holds.
        damage: What SQLite's integrity check found; None if there was no time for all of it.
        counts: How many of the owner's jobs are in each state.
        unknown: The owner's newest jobs whose outcome is unknown, also of dead processes.
        other_token: How many of the owner's open jobs were begun with another token.
        latest_at: When the newest job of any owner was created.
        unreadable: The names of damaged rows.
    """

    exists: bool = True
    older: bool = False
    interrupted: bool = False
    damage: Sequence[str] | None = ()
    counts: Mapping[Status, int] = field(default_factory=dict[Status, int])
    unknown: Sequence[Job] = ()
    other_token: int = 0
    latest_at: datetime | None = None
    unreadable: Sequence[str] = ()


def inspect_rows(rows: Rows, *, owner: str, token: str | None) -> LedgerInspection:
    """Return what the rows of a ledger say.

    Args:
        rows: Its rows.
        owner: The origin of RunComfy whose jobs are meant.
        token: The token that jobs are compared with.
    """
    token_hash = rules.keyed_hash(rows, token) if token else ""
    return LedgerInspection(
        counts={status: rows.count(owner, statuses=[status]) for status in Status},
        unknown=rows.newest(owner, statuses=[Status.UNKNOWN], limit=_MOST_JOBS),
        other_token=sum(
            bool(token_hash) and job.token_hash not in {"", token_hash}
            for job in rows.newest(owner, statuses=OPEN, limit=_MOST_JOBS)
        ),
        latest_at=rows.latest(datetime.max.replace(tzinfo=UTC)),
        unreadable=tuple(rows.unreadable.values()),
    )
