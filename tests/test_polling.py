from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.polling import poll_delay, retry_delay

AGES = st.floats(0, 1e9)
CHANCES = st.floats(0, 1, exclude_max=True)


def least() -> float:
    return 0.0


def most() -> float:
    return 1.0 - 2**-53


@pytest.mark.parametrize(
    ("elapsed_seconds", "longest"),
    [(0, 1.0), (9.9, 1.0), (10, 1.0), (25, 2.5), (49, 4.9), (50, 5.0), (51, 5.0), (86400, 5.0)],
)
def test_a_poll_waits_a_tenth_of_the_jobs_age_from_one_to_five_seconds(
    elapsed_seconds: float, longest: float
) -> None:
    assert poll_delay(elapsed_seconds, most) == pytest.approx(longest)
    assert poll_delay(elapsed_seconds, least) == pytest.approx(0.8 * longest)
    assert poll_delay(elapsed_seconds, lambda: 0.5) == pytest.approx(0.9 * longest)


@given(AGES, CHANCES)
def test_a_poll_never_waits_less_than_its_promise_or_more(age: float, chance: float) -> None:
    assert 0.8 <= poll_delay(age, lambda: chance) <= 5.0


@given(st.lists(AGES, min_size=2, max_size=20), CHANCES)
def test_an_older_job_is_never_asked_about_sooner(ages: list[float], chance: float) -> None:
    delays = [poll_delay(age, lambda: chance) for age in sorted(ages)]
    assert all(earlier <= later for earlier, later in pairwise(delays))


def test_a_job_from_the_future_is_asked_about_like_a_new_one() -> None:
    assert poll_delay(-60, least) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (40, 8.0)]
)
def test_a_retry_waits_twice_as_long_each_time_up_to_eight_seconds(
    attempt: int, longest: float
) -> None:
    assert retry_delay(attempt, most) == pytest.approx(longest)
    assert retry_delay(attempt, least) == pytest.approx(longest / 2)


@given(st.integers(1, 60), CHANCES)
def test_a_retry_waits_between_half_its_backoff_and_all_of_it(attempt: int, chance: float) -> None:
    longest = min(0.5 * 2 ** (attempt - 1), 8.0)
    assert longest / 2 <= retry_delay(attempt, lambda: chance) <= longest


@pytest.mark.parametrize("asked", [0.0, 0.3, 7.0, 8.0, 3600.0])
@pytest.mark.parametrize("attempt", [1, 4])
def test_a_retry_waits_exactly_as_long_as_the_service_asks(attempt: int, asked: float) -> None:
    assert retry_delay(attempt, most, retry_after=asked) == asked


def test_a_service_that_asks_for_less_than_nothing_gets_no_pause() -> None:
    assert retry_delay(3, most, retry_after=-2.0) == 0.0
