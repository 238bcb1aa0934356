"""The estimated cost of a clip and the daily cost limit, both exact."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.errors import CostLimitReached, PriceUnknown
from seedance_mcp.jobs.job import Job
from seedance_mcp.models.model import load_models
from seedance_mcp.spending.limits import DAY, SpendingLimits, check_daily_limit
from seedance_mcp.spending.pricing import Price, format_usd, known_cost, read_price, to_usd
from tests.support.json_values import json_values
from tests.support.wording import COST_LIMIT_UNUSABLE, allowed_from, cost_limit_exceeded

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
PER_SECOND: dict[str, Any] = {"base_price_usd": 0.04, "price_unit": "second"}
PRICE = Price(model_id=MODEL.model_id, usd=Decimal("0.04"), seconds="duration")
PRICES = {MODEL.model_id: PRICE, "another": Price(model_id="another", usd=Decimal(7))}


def clip(*, duration: Any = 5, age: timedelta = timedelta(), **changes: Any) -> Job:
    """Return a job of the model that was started before noon."""
    arguments = {"prompt": "Mist.", "duration": duration}
    made = Job(id="j", model_id=MODEL.model_id, arguments=arguments, created_at=NOON - age)
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("entry", "amounts"),
    [
        (PER_SECOND, [200_000, 400_000]),
        ({"base_price_usd": 1, "price_unit": "second", "new": [1]}, [5_000_000, 10_000_000]),
        ({"base_price_usd": 0.35, "price_unit": "output"}, [350_000, 350_000]),
        ({"base_price_usd": 0.1 + 0.2, "price_unit": "second"}, [1_500_000, 3_000_000]),
        ({"base_price_usd": 1e-06, "price_unit": "second"}, [5, 10]),
    ],
    ids=str,
)
def test_a_clip_costs_its_seconds_or_one_output(entry: dict[str, Any], amounts: list[int]) -> None:
    price = read_price(entry, MODEL)
    assert price
    assert [price.estimate(clip(duration=length)) for length in (5, 10)] == amounts


NO_PRICES: list[Any] = [
    *(None, "0.04", "free", True, [1], {}, -0.04, 0, 0.0, -0.0, 1e-7, 1e7, 10**400),
    *map(float, ("nan", "inf", "-inf")),
]
NO_UNITS: list[Any] = [None, "", "token", "minute", 1, ["second"]]
NOT_UNDERSTOOD: list[dict[str, Any]] = [
    *({}, {"base_price_usd": 0.04}, {"price_unit": "second"}),
    *(PER_SECOND | {"base_price_usd": usd} for usd in NO_PRICES),
    *(PER_SECOND | {"price_unit": unit} for unit in NO_UNITS),
]


@pytest.mark.parametrize("entry", NOT_UNDERSTOOD, ids=lambda entry: str(entry)[:60])
def test_a_price_in_an_unknown_form_is_unknown(entry: dict[str, Any]) -> None:
    assert read_price(entry, MODEL) is None


def test_a_price_per_second_is_unknown_if_the_models_file_names_no_seconds_argument() -> None:
    nameless = replace(MODEL, pricing={})
    assert read_price(PER_SECOND, nameless) is None
    assert read_price(PER_SECOND | {"price_unit": "output"}, nameless)
    elsewhere = replace(MODEL, pricing={"seconds": "length"})
    price = read_price(PER_SECOND, elsewhere)
    assert price
    assert price.estimate(clip(arguments={"length": 7, "duration": 5})) == 280_000


@pytest.mark.parametrize("duration", [None, 0, -1, "5", True, [5], float("nan"), 10**400])
def test_a_clip_of_implausible_length_has_no_estimate(duration: Any) -> None:
    assert PRICE.estimate(clip(duration=duration)) is None


def test_a_price_does_not_apply_to_another_model_or_a_job_started_elsewhere() -> None:
    assert PRICE.estimate(clip(model_id="another")) is None
    assert PRICE.estimate(clip(model_id=None)) is None


@given(st.dictionaries(st.sampled_from([*PER_SECOND]), json_values()), json_values())
def test_an_estimate_is_a_valid_amount_or_none_for_any_json(
    entry: dict[str, Any], duration: Any
) -> None:
    price = read_price(PER_SECOND | entry, MODEL)
    amount = price and price.estimate(clip(duration=duration))
    assert amount is None or (type(amount) is int and 0 <= amount < 2**63)


@given(st.integers(1, 10**12), st.integers(1, 1000))
def test_an_estimate_is_exact_to_the_microdollar(micro: int, seconds: int) -> None:
    price = read_price(PER_SECOND | {"base_price_usd": micro / 10**6}, MODEL)
    assert price
    assert price.estimate(clip(duration=seconds)) == micro * seconds


@given(st.integers(0, 10**13))
def test_dollars_are_formatted_exactly_and_without_trailing_zeros(amount: int) -> None:
    assert Decimal(format_usd(amount)) * 10**6 == amount
    assert not re.search(r"[^0-9.]|\.$|\.\d*0$", format_usd(amount))
    assert Decimal(str(to_usd(amount))) * 10**6 == amount


def test_a_job_counts_with_its_cost_else_its_estimate_else_an_estimate_by_the_current_price() -> (
    None
):
    job = clip()
    assert known_cost(replace(job, estimated_microdollars=7, cost_usd=0.1 * 3), PRICES) == 300_000
    assert known_cost(replace(job, estimated_microdollars=7), PRICES) == 7
    assert known_cost(job, PRICES) == 200_000
    assert known_cost(job, {}) is None
    assert known_cost(clip(cost_usd=1e300), PRICES)


def test_a_cost_of_zero_counts_with_the_estimate_until_a_higher_cost_is_known() -> None:
    free = clip(estimated_microdollars=100_000, cost_usd=0.0)
    assert known_cost(free, PRICES) == 100_000
    assert known_cost(replace(free, cost_usd=0.02), PRICES) == 20_000
    assert known_cost(clip(cost_usd=0.0), PRICES) == 200_000
    assert known_cost(clip(cost_usd=0.0), {}) == 0


def refusal(new: Job, begun: Sequence[Job], usd: str) -> str | None:
    """Return the error with which a job is refused for its cost, or None."""
    limits = SpendingLimits(jobs_per_hour=1, usd_per_day=Decimal(usd))
    try:
        check_daily_limit(new, begun, limits)
    except CostLimitReached as error:
        return error.line
    return None


def test_ten_jobs_at_a_tenth_of_a_dollar_exactly_fill_a_limit_of_one_dollar() -> None:
    tenth = clip(estimated_microdollars=100_000)
    # As floats, nine of them add up to 0.8999999999999999 and three to 0.30000000000000004.
    assert refusal(tenth, [replace(tenth, cost_usd=0.1)] * 9, "1.0") is None
    assert refusal(tenth, [tenth] * 2, "0.3") is None
    assert refusal(tenth, [tenth] * 9, "0.999999") == (
        cost_limit_exceeded("0.999999", "0.9", "0.1", allowed_from("2026-05-02 12:00:00"))
    )


def test_a_clip_that_alone_exceeds_the_limit_is_refused_with_that_reason() -> None:
    assert refusal(clip(estimated_microdollars=400_000), [clip(cost_usd=0.2)], "0.3") == (
        cost_limit_exceeded("0.3", "0.2", "0.4", "this clip alone exceeds it")
    )


@pytest.mark.parametrize(
    ("new", "begun", "line"),
    [
        (
            clip(),
            [],
            (
                f"RunComfy's catalogue has no usable price for {MODEL.model_id}; try"
                " again later, or ask the user to unset it."
            ),
        ),
        (
            clip(estimated_microdollars=1),
            [clip(model_id="another", request_id="r-1")],
            (
                "the cost of the job of 2026-05-01 12:00:00 UTC is unknown; call get_result with"
                " request_id r-1 to read it, or ask the user to unset it."
            ),
        ),
        (
            clip(estimated_microdollars=1),
            [clip(model_id="another")],
            (
                "the cost of the job of 2026-05-01 12:00:00 UTC is unknown; wait, or ask the user"
                " to unset it."
            ),
        ),
    ],
    ids=["its own price", "an earlier cost", "an earlier cost for ever"],
)
def test_an_unknown_price_refuses_every_job(new: Job, begun: list[Job], line: str) -> None:
    limits = SpendingLimits(jobs_per_hour=1, usd_per_day=Decimal(9), prices={MODEL.model_id: PRICE})
    with pytest.raises(PriceUnknown) as refused:
        check_daily_limit(new, begun, limits)
    assert refused.value.line == (f"{COST_LIMIT_UNUSABLE} {line} Nothing was charged.")


AMOUNTS = st.integers(0, 3_000_000)
AGES = st.integers(0, 24 * 3600 * 10**6 - 1).map(lambda micro: timedelta(microseconds=micro))


@given(st.lists(st.tuples(AMOUNTS, AGES), max_size=8), AMOUNTS, st.integers(1, 9_000_000))
def test_a_job_is_allowed_within_the_limit_and_otherwise_told_when_it_will_be(
    earlier: list[tuple[int, timedelta]], estimate: int, most: int
) -> None:
    new = clip(estimated_microdollars=estimate)
    begun = [clip(age=age, estimated_microdollars=a) for a, age in earlier]
    begun.sort(key=lambda job: job.created_at)

    def fits(at: datetime) -> bool:
        left = [a for a, age in earlier if NOON - age > at - DAY]
        return sum(left) + estimate <= most

    line = refusal(new, begun, format_usd(most))
    assert (line is None) == fits(NOON)
    if line and (said := re.search(allowed_from("(.+)"), line)):
        at = datetime.fromisoformat(said[1]).replace(tzinfo=UTC)
        assert fits(at)
        assert not fits(at - timedelta(seconds=1))
    elif line:
        assert estimate > most
