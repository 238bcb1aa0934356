"""The guard against runaway agents: limits on what an owner may start, for any kind of ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from seedance_mcp.errors import CostLimitReached, PriceUnknown, SpendingLimitReached
from seedance_mcp.jobs.job import Job

from .pricing import MICRODOLLARS_PER_USD, Price, format_usd, known_cost, to_microdollars

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)

MAX_AHEAD = timedelta(hours=1)
"""How far ahead a job may be dated and still count: beyond that, the clock was wrong."""


@dataclass(frozen=True, kw_only=True)
class SpendingLimits:
    """What an owner may start.

    Attributes:
        usd_per_day: The total cost of the jobs of 24 hours in USD; None for no limit.
        ask_above_usd: What a job may cost in USD without a yes of the user; None for any amount.
        prices: The known prices by model id, for jobs that were started before they were known.
    """

    jobs_per_hour: int
    usd_per_day: Decimal | None = None
    ask_above_usd: Decimal | None = None
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])

    @property
    def need_price(self) -> bool:
        """Whether they cannot be held without a job's price."""
        return self.usd_per_day is not None or self.ask_above_usd is not None


def needs_yes(new: Job, limits: SpendingLimits) -> bool:
    """Return whether the user has to agree to a job: it may cost too much to be bought unasked."""
    estimate, most = new.estimated_microdollars, limits.ask_above_usd
    # Not rounded, as a sum of money may be: 0.2 is more than 0.1999999.
    return most is not None and (estimate is None or estimate > most * MICRODOLLARS_PER_USD)


def check_hourly_limit(new: Job, oldest: datetime | None, limits: SpendingLimits) -> None:
    """Raise SpendingLimitReached if the limit of jobs within an hour is reached.

    `oldest` is when the first of the hour's last `jobs_per_hour` jobs was started, None if there
    were fewer.
    """
    if oldest is None:
        return
    allowed = oldest + HOUR
    minutes = max(1, round((allowed - new.created_at).total_seconds() / 60))
    raise SpendingLimitReached(
        f"SEEDANCE_MAX_JOBS_PER_HOUR is reached: {limits.jobs_per_hour} jobs were started within"
        f" the hour; the next is allowed at {allowed:%H:%M:%S} UTC, in about {minutes} min."
    )


def check_daily_limit(new: Job, started: Sequence[Job], limits: SpendingLimits) -> None:
    """Raise if a job would exceed the day's cost limit, or if its or an earlier cost is unknown.

    `started` are the jobs of the 24 hours before it that were not cancelled, the oldest first.

    Raises:
        CostLimitReached: The limit would be exceeded.
        PriceUnknown: The cost of this job, or of an earlier one, is unknown.
    """
    if limits.usd_per_day is None:
        return
    limit = to_microdollars(limits.usd_per_day)
    estimate = new.estimated_microdollars
    if estimate is None:
        raise PriceUnknown(
            "SEEDANCE_MAX_COST_USD_PER_DAY cannot be enforced: RunComfy's catalogue has no usable"
            f" price for {new.model_id}; try again later, or ask the user to unset it."
        )
    costs = [_cost(job, limits.prices) for job in started]
    total = sum(costs)
    if total + estimate <= limit:
        return
    raise CostLimitReached(
        f"SEEDANCE_MAX_COST_USD_PER_DAY is {format_usd(limit)}: the jobs of the last 24 h cost"
        f" {format_usd(total)} USD, and this clip is estimated at {format_usd(estimate)} USD;"
        f" {_when_allowed(started, costs, limit - estimate)}."
    )


def _when_allowed(started: Sequence[Job], costs: Sequence[int], allowed: int) -> str:
    """Return when enough of the earlier jobs are 24 hours old for the others to cost `allowed`."""
    total = sum(costs)
    for job, cost in zip(started, costs, strict=True):
        total -= cost
        if total <= allowed:
            # Rounded up to the next second, so that the clip is allowed at the time given.
            at = job.created_at + DAY + timedelta(microseconds=999_999)
            return f"there will be room at {at:%Y-%m-%d %H:%M:%S} UTC"
    return "this clip alone exceeds it"


def _cost(job: Job, prices: Mapping[str, Price]) -> int:
    cost = known_cost(job, prices)
    if cost is None:
        remedy = f"call get_result with request_id {job.request_id} to read it"
        raise PriceUnknown(
            "SEEDANCE_MAX_COST_USD_PER_DAY cannot be enforced: the cost of the job of"
            f" {job.created_at:%Y-%m-%d %H:%M:%S} UTC is unknown;"
            f" {remedy if job.request_id else 'wait'}, or ask the user to unset it."
        )
    return cost
