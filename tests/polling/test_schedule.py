from collections.abc import Sequence
from itertools import pairwise
from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.polling.durations import NEUTRAL_PRIOR, Durations, Prior
from seedance_mcp.polling.schedule import JobTiming, Schedule
from seedance_mcp.retry import retry_delay

AGES = st.floats(0, 1e9)
CHANCES = st.floats(0, 1, exclude_max=True)


def least() -> float:
    return 0.0


def most() -> float:
    return 1.0 - 2**-53


TIMES = st.lists(st.floats(0, 1e6), max_size=60)
AROUND_60 = Random(1).sample([60 * 1.2 ** (number / 10) for number in range(-15, 16)], 31)


def schedule(runs: Sequence[float] = (), prior: Prior = NEUTRAL_PRIOR) -> Schedule:
    return Schedule(runs=Durations(runs, prior), totals=Durations(runs, prior))


def polls(plan: Schedule, *, until: float) -> list[float]:
    """Return the ages at which a run is polled, in seconds."""
    ages, age = [0.0], 0.0
    while age < until:
        age += plan.pause(JobTiming(elapsed=age, running=age), lambda: 0.5)
        ages.append(age)
    return ages


@given(TIMES, AGES, st.none() | AGES, st.none() | AGES, CHANCES)
def test_a_pause_lasts_from_1_to_15_seconds_for_any_durations(
    runs: list[float], age: float, running: float | None, until_start: float | None, chance: float
) -> None:
    seen = JobTiming(elapsed=age, running=running, until_start=until_start)
    assert 1 <= schedule(runs).pause(seen, lambda: chance) <= 15


def test_polls_are_sparse_early_and_late_and_dense_where_the_end_is_likely() -> None:
    pauses = {at: after - at for at, after in pairwise(polls(schedule(AROUND_60), until=400))}
    early = [pause for at, pause in pauses.items() if at < 20]
    likely = [pause for at, pause in pauses.items() if 50 < at < 75]
    late = [pause for at, pause in pauses.items() if at > 200]
    assert min(early) > 5
    assert max(likely) < 2.5
    assert min(late) > 3


@pytest.mark.parametrize("usual", [30, 60, 120, 300])
def test_a_run_like_earlier_ones_takes_few_polls_for_a_short_delay(usual: int) -> None:
    runs = [usual / 60 * seconds for seconds in AROUND_60]
    ages = polls(schedule(runs), until=2 * usual)
    lags = [next(age for age in ages if age >= run) - run for run in runs]
    number = [sum(age < run for age in ages) for run in runs]
    assert fmean(lags) < 1.05
    # Every 2 seconds, it takes half a poll more than the seconds divided by two.
    assert fmean(number) < (usual / 2 + 0.5) / 2


@pytest.mark.parametrize("new", [3, 5, 10])
def test_a_few_jobs_after_the_median_doubled_runs_take_few_polls_for_a_short_delay(
    new: int,
) -> None:
    now = [2 * seconds for seconds in AROUND_60]
    ages = polls(schedule([*now[:new], *AROUND_60]), until=300)
    lags = [next(age for age in ages if age >= run) - run for run in now]
    number = [sum(age < run for age in ages) for run in now]
    assert fmean(lags) < 1.3
    assert fmean(number) < 0.58 * 60


def test_before_any_job_has_ended_polls_are_dense_around_the_usual_seconds_of_the_model() -> None:
    for usual in (47, 150):
        ages = polls(schedule(prior=Prior(median=usual, sigma=0.45)), until=3 * usual)
        longest = {
            part: max(after - at for at, after in pairwise(ages) if low < at / usual < high)
            for part, (low, high) in {"usual": (0.7, 1.3), "late": (2, 3)}.items()
        }
        assert longest["usual"] < 4.5
        assert longest["late"] < 8


def test_the_longer_a_job_is_overdue_the_rarer_are_its_polls() -> None:
    plan = schedule(AROUND_60)
    ages = (120, 240, 480)
    late = [plan.pause(JobTiming(elapsed=age, running=age), lambda: 0.5) for age in ages]
    assert [pause > 0.9 * age / 60 for pause, age in zip(late, ages, strict=True)] == [True] * 3
    assert late == sorted(late)


def test_expected_polls_is_the_mean_number_of_polls() -> None:
    plan = schedule(AROUND_60)
    ages = polls(plan, until=200)
    number = fmean(sum(age < run for age in ages) for run in AROUND_60)
    assert plan.expected_polls == pytest.approx(number, rel=0.15)


def test_a_new_job_is_polled_after_two_seconds() -> None:
    assert schedule().pause(JobTiming(elapsed=0.5), lambda: 0.5) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("until_start", "pause"), [(None, 6.0), (1.0, 6.0), (20.0, 10.0), (500.0, 15.0)]
)
def test_a_queued_job_is_polled_again_halfway_to_its_estimated_start(
    until_start: float | None, pause: float
) -> None:
    seen = JobTiming(elapsed=30, until_start=until_start)
    assert schedule().pause(seen, lambda: 0.5) == pytest.approx(pause)


def test_the_less_the_runs_vary_the_more_often_a_queued_job_is_polled() -> None:
    seen = JobTiming(elapsed=30)
    assert schedule([60.0] * 9).pause(seen, lambda: 0.5) == 2
    assert schedule(AROUND_60).pause(seen, lambda: 0.5) == 6


def test_pauses_are_jittered_by_ten_percent() -> None:
    seen = JobTiming(elapsed=30)
    assert (schedule().pause(seen, least), schedule().pause(seen, most)) == (
        pytest.approx(5.4),
        pytest.approx(6.6),
    )


@pytest.mark.parametrize(("measured", "usual"), [([], None), ([9, 9], None), ([9, 30, 10], 10)])
def test_the_usual_time_is_known_once_three_jobs_have_ended(
    measured: list[float], usual: float | None
) -> None:
    prior = Prior(median=47, sigma=0.45)
    assert schedule(measured, prior).usual_seconds == usual


@given(st.lists(st.floats(1, 1e5), min_size=1, max_size=40))
def test_the_intervals_cover_the_whole_distribution_without_gaps(measured: list[float]) -> None:
    parts = Durations(measured).intervals()
    assert sum(part.mass for part in parts) == pytest.approx(1, abs=0.01)
    assert min(part.mass for part in parts) >= 0
    assert parts[0].start == 0
    for part, after in pairwise(parts):
        assert part.start + part.seconds == pytest.approx(after.start)


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
def test_a_retry_waits_exactly_as_long_as_the_server_asks(attempt: int, asked: float) -> None:
    assert retry_delay(attempt, most, retry_after=asked) == asked


def test_a_negative_retry_after_means_no_delay() -> None:
    assert retry_delay(3, most, retry_after=-2.0) == 0.0
