"""What a clip will cost, as far as the catalogue says; money is counted in whole microdollars.

A microdollar is a millionth of a US dollar (client: the balance has it too). Whole numbers add up
and compare exactly, which dollars as floats do not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from seedance_mcp.jobs.job import Job
from seedance_mcp.models.model import Model

_MICRO = 1_000_000
_LEAST_USD, _MOST_USD = 1e-6, 1e6
"""What a price may be. One of nothing is nobody's offer: it stands for a price that is not set."""
_MOST_SECONDS = 1e6


@dataclass(frozen=True, kw_only=True)
class Price:
    """The catalogue's price of a model.

    Attributes:
        model_id: The model.
        usd: The price of a second, or of a whole clip, in USD.
        seconds: The argument that holds a clip's seconds, None where the price is a clip's.
    """

    model_id: str
    usd: Decimal
    seconds: str | None = None

    def estimate(self, job: Job) -> int | None:
        """Estimate what a job costs, in microdollars; None where this price does not tell."""
        if job.model_id != self.model_id:
            return None
        if self.seconds is None:
            return microdollars(self.usd)
        length = _number(job.arguments.get(self.seconds), least=0.001, most=_MOST_SECONDS)
        return None if length is None else microdollars(self.usd * length)


def read_price(entry: Mapping[str, Any], model: Model) -> Price | None:
    """Read a model's price from its entry in the catalogue (client).

    Returns:
        The price, None where there is none, where it is no plausible number, and where its unit
        is not known or cannot be counted with this model.
    """
    usd = _number(entry.get("base_price_usd"), least=_LEAST_USD, most=_MOST_USD)
    unit, seconds = entry.get("price_unit"), model.pricing.get("seconds")
    if usd is not None and unit == "output":
        return Price(model_id=model.model_id, usd=usd)
    if usd is not None and unit == "second" and seconds:
        return Price(model_id=model.model_id, usd=usd, seconds=seconds)
    return None


def spent(job: Job, price: Price | None) -> int | None:
    """Say what a job counts for, in microdollars: its cost, else what it is estimated at.

    Args:
        job: A job that was begun.
        price: What one is estimated with that was begun before any price was known.

    Returns:
        None where neither can be told.
    """
    if job.cost_usd is not None:
        return microdollars(job.cost_usd)
    if job.estimated_microdollars is not None:
        return job.estimated_microdollars
    return price.estimate(job) if price else None


def microdollars(usd: Decimal | float) -> int:
    """Count dollars in microdollars, to the nearest; a float is taken as it is written."""
    return int((Decimal(str(usd)) * _MICRO).to_integral_value(ROUND_HALF_UP))


def dollars(amount: int) -> float:
    """Give microdollars as the float that is written as the same dollars."""
    return amount / _MICRO


def written(amount: int) -> str:
    """Write microdollars as dollars, all of their digits and no other."""
    return f"{Decimal(amount) / _MICRO:f}"


def _number(value: Any, *, least: float, most: float) -> Decimal | None:
    """Read a number within bounds as it is written; anything else is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        return None
    return Decimal(str(value))
