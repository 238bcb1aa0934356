"""What a clip costs according to RunComfy's catalogue; money is counted in whole microdollars.

A microdollar is a millionth of a US dollar (client: the balance has it too). Integers add up and
compare exactly; dollars as floats do not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import MAX_USD
from seedance_mcp.models.model import Model

MICRODOLLARS_PER_USD = 1_000_000

# A price of zero means that none is set, not that clips are free.
_MIN_PRICE_USD = 1e-6
_MIN_CLIP_SECONDS, _MAX_CLIP_SECONDS = 0.001, 1e6


@dataclass(frozen=True, kw_only=True)
class Price:
    """The catalogue's price of a model.

    Attributes:
        usd: The price of a second, or of a whole clip, in USD.
        seconds: The argument that holds a clip's seconds; None if the price is for a whole clip.
    """

    model_id: str
    usd: Decimal
    seconds: str | None = None

    def estimate(self, job: Job) -> int | None:
        """Return what a job costs in microdollars, or None if this price does not apply to it."""
        return self._estimate(job.arguments) if job.model_id == self.model_id else None

    def estimate_default(self, model: Model) -> int | None:
        """Return what a clip costs in microdollars with the defaults of this price's model."""
        return self._estimate({name: model.properties[name]["default"] for name in model.settings})

    def _estimate(self, arguments: Mapping[str, Any]) -> int | None:
        if self.seconds is None:
            return to_microdollars(self.usd)
        seconds = arguments.get(self.seconds)
        length = _number(seconds, least=_MIN_CLIP_SECONDS, most=_MAX_CLIP_SECONDS)
        return None if length is None else to_microdollars(self.usd * length)


def read_price(entry: Mapping[str, Any], model: Model) -> Price | None:
    """Return a model's price from its entry in the catalogue (client).

    None if it is missing or implausible, or if its unit is unknown or not of this model.
    """
    usd = _number(entry.get("base_price_usd"), least=_MIN_PRICE_USD, most=MAX_USD)
    unit, seconds = entry.get("price_unit"), model.pricing.get("seconds")
    if usd is not None and unit == "output":
        return Price(model_id=model.model_id, usd=usd)
    if usd is not None and unit == "second" and seconds:
        return Price(model_id=model.model_id, usd=usd, seconds=seconds)
    return None


def known_cost(job: Job, prices: Mapping[str, Price]) -> int | None:
    """Return a job's cost in microdollars, else its estimate, else None.

    `prices`, by model id, estimate a job that was started before its model's price was known.
    """
    # A cost of 0 may only mean that RunComfy has not settled it yet.
    if job.cost_usd:
        return to_microdollars(job.cost_usd)
    estimate = job.estimated_microdollars
    if estimate is None and (price := prices.get(job.model_id or "")):
        estimate = price.estimate(job)
    return 0 if estimate is None and job.cost_usd == 0 else estimate


@dataclass(frozen=True, kw_only=True)
class TotalCost:
    """What some jobs cost.

    Attributes:
        microdollars: The known costs, and the estimates where no cost is known yet.
        jobs: How many jobs these are, cancelled ones not counted.
        estimated: How many of them count with an estimate.
        unknown: How many of them have neither, and so are not in the sum.
    """

    microdollars: int
    jobs: int
    estimated: int
    unknown: int


def is_estimate(job: Job, cost: int | None) -> bool:
    """Return whether a job's `known_cost` is an estimate."""
    return bool(cost) and not job.cost_usd


def total_cost(jobs: Iterable[tuple[Job, int]]) -> TotalCost:
    """Return what jobs cost together, each given with how many such jobs there are."""
    costs = [(job, count, known_cost(job, {})) for job, count in jobs]
    return TotalCost(
        microdollars=sum(count * (cost or 0) for _, count, cost in costs),
        jobs=sum(count for _, count, _ in costs),
        estimated=sum(count for job, count, cost in costs if is_estimate(job, cost)),
        unknown=sum(count for _, count, cost in costs if cost is None),
    )


def to_microdollars(usd: Decimal | float) -> int:
    """Return dollars as microdollars, rounded; a float counts as the decimal it prints as."""
    return int((Decimal(str(usd)) * MICRODOLLARS_PER_USD).to_integral_value(ROUND_HALF_UP))


def to_usd(microdollars: int) -> float:
    """Return microdollars as the float that prints as the exact dollars."""
    return microdollars / MICRODOLLARS_PER_USD


def format_usd(microdollars: int) -> str:
    """Return microdollars as decimal dollars, exact and without trailing zeros."""
    return f"{Decimal(microdollars) / MICRODOLLARS_PER_USD:f}"


def _number(value: Any, *, least: float, most: float) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        return None
    return Decimal(str(value))
