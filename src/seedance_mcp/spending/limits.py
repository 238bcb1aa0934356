"""The guard against runaway agents: limits on what an owner may start, for any kind of ledger."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil

from seedance_mcp.errors import CostLimitReached, PriceUnknown, SpendingLimitReached
from seedance_mcp.jobs.job import Job

from .pricing import MICRODOLLARS_PER_USD, Price, format_usd, known_cost, to_microdollars

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)

MAX_AHEAD = timedelta(hours=1)
"""How far ahead a job may be dated and still count: beyond that, the clock was wrong."""


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What may be started by everyone together, or by one caller alone.

    Attributes:
        jobs_per_hour: The number of jobs within an hour; None for no limit.
        usd_per_day: The total cost of the jobs of 24 hours in USD; None for no limit.
        prices: The known prices by model id, for jobs that were started before they were known.
        per_caller: Whether only the jobs of the job's own owner count.
        has_others: Whether jobs of other callers count too, of which a refusal says nothing.
    """

    jobs_per_hour: int | None = None
    usd_per_day: Decimal | None = None
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])
    per_caller: bool = False
    has_others: bool = False

    @property
    def hourly_setting(self) -> str:
        """The variable that limits the jobs of an hour."""
        return f"SEEDANCE_MAX_JOBS_PER_HOUR{'_PER_CALLER' * self.per_caller}"

    @property
    def daily_setting(self) -> str:
        """The variable that limits the cost of a day."""
        return f"SEEDANCE_MAX_COST_USD_PER_DAY{'_PER_CALLER' * self.per_caller}"


@dataclass(frozen=True, kw_only=True)
class SpendingLimits(Quota):
    """What the server may start and, beside that, what the caller may.

    Attributes:
        ask_above_usd: What a job may cost in USD without a yes of the user; None for any amount.
        caller: What each caller may start; None for no limits but the server's.
    """

    ask_above_usd: Decimal | None = None
    caller: Quota | None = None

    @property
    def need_price(self) -> bool:
        """Whether they cannot be held without a job's price."""
        daily = [quota.usd_per_day for quota in self.quotas()]
        return self.ask_above_usd is not None or any(limit is not None for limit in daily)

    def quotas(self) -> Iterator[Quota]:
        """Yield what is to be held: the caller's own first, of which a refusal can say more."""
        if self.caller:
            yield replace(self.caller, prices=self.prices)
        yield self


def needs_yes(new: Job, limits: SpendingLimits) -> bool:
    """Return whether the user has to agree to a job: it may cost too much to be bought unasked."""
    estimate, most = new.estimated_microdollars, limits.ask_above_usd
    # Not rounded, as a sum of money may be: 0.2 is more than 0.1999999.
    return most is not None and (estimate is None or estimate > most * MICRODOLLARS_PER_USD)


def check_hourly_limit(new: Job, oldest: datetime | None, quota: Quota) -> None:
    """Raise SpendingLimitReached if the limit of jobs within an hour is reached.

    `oldest` is when the first of the hour's last `jobs_per_hour` jobs was started, None if there
    were fewer.
    """
    if oldest is None:
        return
    allowed = oldest + HOUR
    minutes = max(1, round((allowed - new.created_at).total_seconds() / 60))
    if quota.has_others:
        raise SpendingLimitReached(
            f"{quota.hourly_setting} is reached by the callers of this server together; try again"
            f" in about {minutes} min."
        )
    raise SpendingLimitReached(
        f"{quota.hourly_setting} is reached: {quota.jobs_per_hour} jobs were started within"
        f" the hour; the next is allowed at {allowed:%H:%M:%S} UTC, in about {minutes} min."
    )


def check_daily_limit(new: Job, started: Sequence[Job], quota: Quota) -> None:
    """Raise if a job would exceed the day's cost limit, or if its or an earlier cost is unknown.

    `started` are the jobs of the 24 hours before it that were not cancelled, the oldest first.

    Raises:
        CostLimitReached: The limit would be exceeded.
        PriceUnknown: The cost of this job, or of an earlier one, is unknown.
    """
    if quota.usd_per_day is None:
        return
    limit = to_microdollars(quota.usd_per_day)
    estimate = new.estimated_microdollars
    if estimate is None:
        raise PriceUnknown(
            f"{quota.daily_setting} cannot be enforced: RunComfy's catalogue has no usable"
            f" price for {new.model_id}; try again later, or ask the user to unset it."
        )
    costs = [_cost(job, new, quota) for job in started]
    total = sum(costs)
    if total + estimate <= limit:
        return
    at = _when_allowed(started, costs, limit - estimate)
    clip = f"this clip is estimated at {format_usd(estimate)} USD"
    if quota.has_others:
        raise CostLimitReached(
            f"{quota.daily_setting} does not allow this clip beside those of the other callers of"
            f" this server: {clip}; {_in_hours(at, new.created_at)}."
        )
    raise CostLimitReached(
        f"{quota.daily_setting} is {format_usd(limit)}: the jobs of the last 24 h cost"
        f" {format_usd(total)} USD, and {clip};"
        f" {f'there will be room at {at:%Y-%m-%d %H:%M:%S} UTC' if at else _TOO_DEAR}."
    )


_TOO_DEAR = "this clip alone exceeds it"


def _when_allowed(started: Sequence[Job], costs: Sequence[int], allowed: int) -> datetime | None:
    """Return when enough of the earlier jobs are 24 hours old for the others to cost `allowed`."""
    total = sum(costs)
    for job, cost in zip(started, costs, strict=True):
        total -= cost
        if total <= allowed:
            # Rounded up to the next second, so that the clip is allowed at the time given.
            return (job.created_at + DAY + timedelta(microseconds=999_999)).replace(microsecond=0)
    return None


def _in_hours(at: datetime | None, now: datetime) -> str:
    """Return when there is room, no more exactly than a caller needs it."""
    if at is None:
        return _TOO_DEAR
    return f"try again in about {max(1, ceil((at - now) / HOUR))} h"


def _cost(job: Job, new: Job, quota: Quota) -> int:
    cost = known_cost(job, quota.prices)
    if cost is not None:
        return cost
    if quota.has_others and job.owner != new.owner:
        raise PriceUnknown(
            f"{quota.daily_setting} cannot be enforced: the cost of an earlier job is unknown;"
            " try again later."
        )
    remedy = f"call get_result with request_id {job.request_id} to read it"
    raise PriceUnknown(
        f"{quota.daily_setting} cannot be enforced: the cost of the job of"
        f" {job.created_at:%Y-%m-%d %H:%M:%S} UTC is unknown;"
        f" {remedy if job.request_id else 'wait'}, or ask the user to unset it."
    )
