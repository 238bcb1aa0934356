"""How long jobs take, estimated from those that have ended: a kernel density estimate.

Kernels are normal in the logarithm of the duration, since a job of twice the usual time is as
likely as one of half of it. One wide kernel is the prior, which alone applies while nothing is
measured. Pure arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log
from statistics import NormalDist, fmean, pstdev, quantiles

PRIOR_MEDIAN_SECONDS = 60.0
PRIOR_SIGMA = 0.8
"""The log-normal prior: two of three jobs take 27 to 134 seconds."""

MIN_SECONDS = 0.5
SINGLE_BANDWIDTH = 0.3
"""The bandwidth for a single measured duration, which has no spread of its own."""
MIN_BANDWIDTH = 0.05
SUPPORT_SIGMAS = 3.2
"""How many standard deviations of a kernel the grid covers."""
GRID_POINTS = 192
_QUARTILE_SIGMAS = 0.67


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
    """The durations of jobs of one kind, in seconds, in any order; may be empty."""

    measured: Sequence[float] = ()

    @property
    def median(self) -> float:
        """The median in seconds, the prior's if nothing is measured."""
        return self._quartiles()[1]

    @property
    def mean(self) -> float:
        """The mean in seconds, the prior's if nothing is measured."""
        if not self.measured:
            return PRIOR_MEDIAN_SECONDS * exp(PRIOR_SIGMA**2 / 2)
        return max(fmean(self.measured), MIN_SECONDS)

    @property
    def interquartile_range(self) -> float:
        """The seconds from the lower to the upper quartile."""
        lower, _, upper = self._quartiles()
        return upper - lower

    def intervals(self) -> list[Interval]:
        """Return a job's life in consecutive intervals from 0 seconds, each longer than the last.

        They end where hardly any job still runs.
        """
        kernels = self._kernels()
        longest = exp(max(kernel.mean + SUPPORT_SIGMAS * kernel.stdev for kernel in kernels))
        ratio = (longest / MIN_SECONDS) ** (1 / (GRID_POINTS - 1))
        times = [MIN_SECONDS * ratio**number for number in range(GRID_POINTS)]
        survivals = [fmean(1 - kernel.cdf(log(time)) for kernel in kernels) for time in times]
        points = [(0.0, 1.0), *zip(times, survivals, strict=True)]
        return [
            Interval(
                start=start,
                seconds=end - start,
                mass=before - after,
                survival=(before + after) / 2,
            )
            for (start, before), (end, after) in pairwise(points)
        ]

    def _quartiles(self) -> list[float]:
        if not self.measured:
            ratios = (exp(-_QUARTILE_SIGMAS * PRIOR_SIGMA), 1, exp(_QUARTILE_SIGMAS * PRIOR_SIGMA))
            return [PRIOR_MEDIAN_SECONDS * ratio for ratio in ratios]
        # `quantiles` needs two values; doubling the sample provides them and keeps its quartiles.
        return quantiles([*self.measured, *self.measured], n=4, method="inclusive")

    def _kernels(self) -> list[NormalDist]:
        """Return the kernels, which are of the logarithm of the duration."""
        logs = sorted(log(max(seconds, MIN_SECONDS)) for seconds in self.measured)
        bandwidth = _bandwidth(logs)
        # Wider between durations that lie far apart, since those between them are as likely.
        neighbours = zip(logs[:1] + logs[:-1], logs, logs[1:] + logs[-1:], strict=True)
        kernels = [
            NormalDist(mean, max(bandwidth, (after - before) / 2))
            for before, mean, after in neighbours
        ]
        return [NormalDist(log(PRIOR_MEDIAN_SECONDS), PRIOR_SIGMA), *kernels]


def _bandwidth(logs: Sequence[float]) -> float:
    """Return the bandwidth by Silverman's rule: the more values, the narrower."""
    if len(logs) < 2:
        return SINGLE_BANDWIDTH
    lower, _, upper = quantiles(logs, n=4)
    # The quartiles of a normal distribution are 1.34 standard deviations apart.
    spread = min(pstdev(logs), (upper - lower) / 1.34)
    return max(MIN_BANDWIDTH, 0.9 * spread * len(logs) ** -0.2)
