"""How many of the newest jobs are alike: online Bayesian detection of shifts of the median.

Jobs of one kind that run on the same day hardly differ, but from one day to the next their median
may double. So before each job the median may shift, with a small probability. The jobs since the
last shift are a regime. For every number of jobs, Bayes' rule says how probable it is that the
regime has just so many: those whose median predicts a new job well become more probable. A single
job that fits none may also be an outlier. All numbers are logarithms of seconds. Pure arithmetic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, hypot, pi, sqrt
from statistics import NormalDist, median

SHIFT_CHANCE = 1 / 30
"""The probability that the median shifts before a job."""
SHIFT_SIGMA = 0.5
"""The standard deviation of a shift: two of three change the median by a factor under 1.65."""
OUTLIER_CHANCE, OUTLIER_SCALE = 0.005, 0.8
"""The probability of an outlier, and its mean absolute deviation from the median."""

USUAL_SPREAD, SPREAD_SAMPLE = 0.25, 3
"""The standard deviation of jobs in a regime before any is known; it counts as so many jobs."""
MIN_SPREAD = 0.05

NEGLIGIBLE = 1e-4
"""A less probable number of jobs is not followed any further."""


@dataclass(frozen=True, kw_only=True)
class Regime:
    """What is known of the present regime.

    Attributes:
        sizes: By number of jobs, the probability that the regime has just so many; their sum is 1.
            A regime of none begins with the next job.
        centre: The expected median.
        spread: The standard deviation of the jobs in a regime.
    """

    sizes: Mapping[int, float]
    centre: float
    spread: float

    def job_weights(self, number: int) -> list[float]:
        """Return the weight of each of the newest jobs, the newest first.

        The regimes share out their probability evenly among their jobs; what the weights lack from
        1 is the probability of a shift before the next job.
        """
        weights = [0.0] * (number + 1)
        for size in range(number, 0, -1):
            weights[size - 1] = weights[size] + self.sizes.get(size, 0.0) / size
        return weights[:number]


def present_regime(logs: Sequence[float], prior: NormalDist) -> Regime:
    """Return what is known after some jobs, the newest first; `prior` is of the first median."""
    spread = _spread(logs)
    # By size of the regime: its probability, and the sum of its jobs.
    sizes: dict[int, tuple[float, float]] = {0: (1.0, 0.0)}
    centre, sigma = prior.mean, prior.stdev
    for log in reversed(logs):
        outlier = exp(-abs(log - centre) / OUTLIER_SCALE) / (2 * OUTLIER_SCALE) * OUTLIER_CHANCE
        fitting: dict[int, tuple[float, float]] = {}
        for size, (chance, total) in sizes.items():
            if size:
                density = _density(log - total / size, spread * sqrt(1 + 1 / size))
            else:
                density = _density(log - centre, hypot(sigma, spread))
            fit = density * (1 - OUTLIER_CHANCE) + outlier
            fitting[size + 1] = chance * fit, total + log
        whole = sum(chance for chance, _ in fitting.values())
        likely = {
            size: (chance / whole, total)
            for size, (chance, total) in fitting.items()
            if chance > NEGLIGIBLE * whole
        }
        centre = sum(chance * total / size for size, (chance, total) in likely.items())
        centre /= sum(chance for chance, _ in likely.values())
        stays = {size: ((1 - SHIFT_CHANCE) * part, total) for size, (part, total) in likely.items()}
        sizes, sigma = {0: (SHIFT_CHANCE, 0.0)} | stays, SHIFT_SIGMA
    whole = sum(chance for chance, _ in sizes.values())
    chances = {size: chance / whole for size, (chance, _) in sizes.items()}
    return Regime(sizes=chances, centre=centre, spread=spread)


def _spread(logs: Sequence[float]) -> float:
    """Return the standard deviation from the differences of successive jobs.

    Their median hardly changes with a shift or an outlier.
    """
    differences = [abs(log - before) for log, before in pairwise(logs)]
    # Of a normal distribution, it is 0.954 standard deviations.
    measured = median(differences) / 0.954 if differences else 0.0
    number = len(differences)
    spread = (number * measured + SPREAD_SAMPLE * USUAL_SPREAD) / (number + SPREAD_SAMPLE)
    return max(MIN_SPREAD, spread)


def _density(distance: float, sigma: float) -> float:
    """Return the density of a normal distribution at a distance from its mean."""
    return exp(-((distance / sigma) ** 2) / 2) / (sigma * sqrt(2 * pi))
