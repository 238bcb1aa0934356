"""How long jobs take, estimated from those that have ended: a kernel density estimate.

Kernels are normal in the logarithm of the duration, since a job of twice the usual time is as
likely as one of half of it. A job counts by the probability that the median has not shifted since
it ran (`_regimes.py`). One wide kernel is for the next shift; before any job is measured, the prior
alone applies. Pure arithmetic.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from math import erfc, exp, hypot, log, sqrt
from statistics import NormalDist

from ._regimes import SHIFT_SIGMA, Regime, present_regime

MIN_SECONDS = 0.5
MOST_MEASURED = 60
"""How many of the newest durations are used."""
SUPPORT_SIGMAS = 4.5
"""How many standard deviations of a kernel the grid covers."""
GRID_POINTS = 160
KNOWN_SIGMA = 0.45
"""The sigma of jobs of a model whose usual seconds are known, over days and load."""


@dataclass(frozen=True, kw_only=True)
class Prior:
    """The log-normal distribution that is expected before any job is measured.

    Attributes:
        median: Its median in seconds.
        sigma: The standard deviation of its logarithm.
    """

    median: float = 60.0
    sigma: float = 0.8
    """Of a model without usual seconds: two of three jobs take 27 to 134 seconds."""

    @property
    def logarithm(self) -> NormalDist:
        """The distribution of the logarithm of the seconds."""
        return NormalDist(log(max(self.median, MIN_SECONDS)), self.sigma)


NEUTRAL_PRIOR = Prior()


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An interval of a job's life.

    Attributes:
        start: The job's age at its start, in seconds.
        seconds: Its length.
        mass: The probability that the job ends in it.
        survival: The probability that the job still runs in the middle of it.
    """

    start: float
    seconds: float
    mass: float
    survival: float

    @property
    def hazard(self) -> float:
        """The rate a second at which jobs that are still running end."""
        return self.mass / self.seconds / self.survival if self.survival > 0 else 0.0


@dataclass(frozen=True)
class Durations:
    """The durations of jobs of one kind in seconds, the newest first; may be empty."""

    measured: Sequence[float] = ()
    prior: Prior = NEUTRAL_PRIOR

    @property
    def median(self) -> float:
        """The median in seconds, of which newer durations count more."""
        return self._quantile(0.5)

    @cached_property
    def mean(self) -> float:
        """The mean in seconds, of which newer durations count more."""
        if not self.measured:
            return self.prior.median * exp(self.prior.sigma**2 / 2)
        return max(sum(weight * seconds for seconds, weight in self.weighted), MIN_SECONDS)

    @property
    def interquartile_range(self) -> float:
        """The seconds from the lower to the upper quartile."""
        return self._quantile(0.75) - self._quantile(0.25)

    @cached_property
    def weighted(self) -> list[tuple[float, float]]:
        """The newest durations, each with its weight; the weights add up to 1."""
        weights = self._regime.job_weights(len(self._logs))
        whole = sum(weights)
        return [
            (seconds, weight / whole)
            for seconds, weight in zip(self.measured[:MOST_MEASURED], weights, strict=True)
        ]

    def intervals(self) -> list[Interval]:
        """Return a job's life in consecutive intervals from 0 seconds, each longer than the last.

        They end where hardly any job still runs.
        """
        kernels = list(self._kernels())
        longest = max(kernel.mean + SUPPORT_SIGMAS * kernel.stdev for kernel, _ in kernels)
        step = (longest - log(MIN_SECONDS)) / (GRID_POINTS - 1)
        logs = [log(MIN_SECONDS) + step * number for number in range(GRID_POINTS)]
        points = [(0.0, 1.0), *zip(map(exp, logs), _survivals(kernels, logs), strict=True)]
        return [
            Interval(
                start=start,
                seconds=end - start,
                # Rounding may let the probability rise by a trifle.
                mass=max(before - after, 0.0),
                survival=(before + after) / 2,
            )
            for (start, before), (end, after) in pairwise(points)
        ]

    @cached_property
    def _logs(self) -> list[float]:
        return [log(max(seconds, MIN_SECONDS)) for seconds in self.measured[:MOST_MEASURED]]

    @cached_property
    def _regime(self) -> Regime:
        return present_regime(self._logs, self.prior.logarithm)

    def _quantile(self, share: float) -> float:
        if not self.measured:
            return exp(self.prior.logarithm.inv_cdf(share))
        ordered = sorted(self.weighted)
        sums = accumulate(weight for _, weight in ordered)
        return next(
            (seconds for (seconds, _), sum_ in zip(ordered, sums, strict=True) if sum_ >= share),
            ordered[-1][0],
        )

    def _kernels(self) -> Iterator[tuple[NormalDist, float]]:
        """Yield the kernels, which are of the logarithm of the duration, and their weights."""
        number, spread = len(self._logs), self._regime.spread
        if not number:
            yield self.prior.logarithm, 1.0
            return
        # The next job may begin a regime, or not be like any before.
        wide = max(self._regime.sizes[0], 1 / (number + 1))
        yield NormalDist(self._regime.centre, hypot(SHIFT_SIGMA, spread)), wide
        variances = self._variances()
        for (_, weight), mean, variance in zip(self.weighted, self._logs, variances, strict=True):
            yield NormalDist(mean, spread * sqrt(variance)), weight * (1 - wide)

    def _variances(self) -> list[float]:
        """Return the variance of each kernel, relative to that of the jobs in a regime.

        In a larger regime kernels are narrower, by Silverman's rule, and wider in one of a few
        jobs, since its median is uncertain. A job may be in regimes of several sizes.
        """
        variances, weight, whole = [1.0] * len(self._logs), 0.0, 0.0
        for size in range(len(self._logs), 0, -1):
            part = self._regime.sizes.get(size, 0.0) / size
            weight += part
            whole += part * max(2 / size, 0.81 * size**-0.4)
            variances[size - 1] = whole / weight if weight else 1.0
        return variances


def _survivals(kernels: Sequence[tuple[NormalDist, float]], logs: Sequence[float]) -> list[float]:
    """Return the probability that a job still runs at each logarithm of its age."""
    shapes = [(kernel.mean, 1 / (kernel.stdev * sqrt(2)), weight / 2) for kernel, weight in kernels]
    return [sum([half * erfc((at - mean) * scale) for mean, scale, half in shapes]) for at in logs]
