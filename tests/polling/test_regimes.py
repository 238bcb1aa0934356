from itertools import pairwise
from math import exp, log
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.polling._regimes import present_regime
from seedance_mcp.polling.durations import Durations

PRIOR = NormalDist(log(60), 0.8)
LOGS = st.lists(st.floats(-1, 25), max_size=15)


def jobs(number: int, median: float, *, seed: int = 1) -> list[float]:
    """Return the logarithms of the seconds of similar jobs."""
    return NormalDist(log(median), 0.2).samples(number, seed=seed)


@given(LOGS)
def test_the_sizes_of_a_regime_are_probabilities_and_no_older_job_counts_more(
    logs: list[float],
) -> None:
    regime = present_regime(logs, PRIOR)
    assert sum(regime.sizes.values()) == pytest.approx(1)
    assert min(regime.sizes.values()) >= 0
    assert regime.sizes.keys() <= set(range(len(logs) + 1))
    weights = regime.job_weights(len(logs))
    assert sum(weights) == pytest.approx(1 - regime.sizes[0])
    assert all(newer >= older for newer, older in pairwise(weights))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_the_weights_of_the_newest_durations_add_up_to_one(measured: list[float]) -> None:
    durations = Durations(measured)
    assert sum(weight for _, weight in durations.weighted) == pytest.approx(1)
    assert [seconds for seconds, _ in durations.weighted] == measured
    assert min(measured) <= durations.median <= max(measured)


def test_jobs_that_are_alike_count_much_the_same() -> None:
    weights = present_regime(jobs(30, 60), PRIOR).job_weights(30)
    assert weights[0] < 6 * weights[-1]
    assert sum(weights[15:]) > 0.3


@pytest.mark.parametrize(("median", "new"), [(120, 3), (30, 3), (240, 3)])
def test_a_few_jobs_show_that_the_median_has_shifted(median: float, new: int) -> None:
    logs = [*jobs(new, median, seed=2), *jobs(30, 60)]
    regime = present_regime(logs, PRIOR)
    assert sum(regime.job_weights(len(logs))[new:]) < 0.2
    assert exp(regime.centre) == pytest.approx(median, rel=0.25)
    assert Durations([exp(each) for each in logs]).median == pytest.approx(median, rel=0.25)


@pytest.mark.parametrize("outlier", [10, 600])
def test_a_single_outlier_does_not_shift_the_median(outlier: float) -> None:
    durations = [exp(each) for each in jobs(33, 60)]
    durations.insert(3, outlier)
    assert Durations(durations).median == pytest.approx(60, rel=0.1)


def test_only_the_newest_sixty_durations_count() -> None:
    assert Durations([10.0] * 60 + [99.0]).weighted == Durations([10.0] * 60).weighted
