"""The guard against runaway agents: what an owner may begin, whatever the ledger is kept in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from seedance_mcp.errors import CostLimitReached, PriceUnknown, SpendingLimitReached
from seedance_mcp.jobs.job import Job

from .pricing import Price, microdollars, spent, written

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class SpendingLimits:
    """What an owner may begin.

    Attributes:
        jobs_per_hour: How many jobs within an hour.
        usd_per_day: What the jobs of 24 hours may come to, in USD; None for any sum.
        price: The model's price, for jobs that were begun before it was known; None while it is
            not known.
    """

    jobs_per_hour: int
    usd_per_day: Decimal | None = None
    price: Price | None = None


def check_hour(new: Job, oldest: datetime | None, limits: SpendingLimits) -> None:
    """Refuse a job where so many were begun within the hour.

    Args:
        new: The job.
        oldest: When the first of as many as are allowed was begun; None where fewer were.
        limits: What the owner may begin.

    Raises:
        SpendingLimitReached: There is no room for it.
    """
    if oldest is None:
        return
    allowed = oldest + HOUR
    minutes = max(1, round((allowed - new.created_at).total_seconds() / 60))
    raise SpendingLimitReached(
        f"SEEDANCE_MAX_JOBS_PER_HOUR is reached: {limits.jobs_per_hour} jobs were begun within"
        f" the hour; the next is allowed at {allowed:%H:%M:%S} UTC, in about {minutes} min."
    )


def check_day(new: Job, begun: Sequence[Job], limits: SpendingLimits) -> None:
    """Refuse a job that would take the day's sum over the limit, or cannot be held against it.

    Args:
        new: The job.
        begun: What was begun within the 24 hours before it and not cancelled, the oldest first.
        limits: What the owner may begin.

    Raises:
        CostLimitReached: There is no room for it.
        PriceUnknown: What it costs is not known, or what an earlier one did.
    """
    if limits.usd_per_day is None:
        return
    most = microdollars(limits.usd_per_day)
    estimate = new.estimated_microdollars
    if estimate is None:
        raise PriceUnknown(
            "SEEDANCE_MAX_COST_USD_PER_DAY cannot be held: RunComfy's catalogue gave no price for"
            f" {new.model_id} that can be used; try again later, or have the user unset it."
        )
    amounts = [_known(job, limits.price) for job in begun]
    total = sum(amounts)
    if total + estimate <= most:
        return
    allowed = "this clip alone is over it"
    for job, amount in zip(begun, amounts, strict=True):
        total -= amount
        if total + estimate <= most:
            # Rounded up, so that at the time named there is room.
            at = job.created_at + DAY + timedelta(microseconds=999_999)
            allowed = f"enough of that is 24 h old at {at:%Y-%m-%d %H:%M:%S} UTC"
            break
    raise CostLimitReached(
        f"SEEDANCE_MAX_COST_USD_PER_DAY is {written(most)}: the jobs of the last 24 h come to"
        f" {written(sum(amounts))} USD, and this clip is estimated at {written(estimate)} USD;"
        f" {allowed}."
    )


def _known(job: Job, price: Price | None) -> int:
    amount = spent(job, price)
    if amount is None:
        way = f"get_result with request_id {job.request_id} asks for it" if job.request_id else ""
        raise PriceUnknown(
            "SEEDANCE_MAX_COST_USD_PER_DAY cannot be held: what a job of"
            f" {job.created_at:%Y-%m-%d %H:%M:%S} UTC costs is not known; {way or 'wait'}, or"
            " have the user unset it."
        )
    return amount
