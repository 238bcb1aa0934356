"""How long jobs take, learned from those that ended: a smooth curve through a few measured times.

Each measured time counts as a bell on a logarithmic scale, since a job of twice the usual time is
as likely as one of half of it. One more bell, a wide one, stands for what is not known; where
nothing was measured it is all there is. Pure arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import erfc, exp, log, sqrt
from statistics import fmean, pstdev, quantiles

PRIOR_MEDIAN_SECONDS = 60.0
PRIOR_WIDTH = 0.8
"""What is believed before anything is measured: two of three jobs take 27 to 134 seconds."""

SHORTEST_SECONDS = 0.5
WIDTH_OF_ONE = 0.3
LEAST_WIDTH = 0.05
REACH = 3.2
"""How many of its widths a bell reaches."""
POINTS = 192


@dataclass(frozen=True, kw_only=True)
class Bell:
    """One bell of a curve: where its middle is and how wide it is, both as logarithms."""

    middle: float
    width: float

    def share_beyond(self, seconds: float) -> float:
        """Give the share of its jobs that take longer."""
        return erfc((log(seconds) - self.middle) / self.width / sqrt(2)) / 2


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A stretch of a job's life.

    Attributes:
        begin: When it begins, in seconds.
        seconds: How long it is.
        ended: The share of jobs that end in it.
        present: The share of jobs that are still under way in the middle of it.
    """

    begin: float
    seconds: float
    ended: float
    present: float


@dataclass(frozen=True)
class Durations:
    """The times that jobs of one kind took.

    Attributes:
        measured: In seconds, in any order; may be empty.
    """

    measured: Sequence[float] = ()

    @property
    def usual(self) -> float:
        """Give the median in seconds, the prior's where nothing was measured."""
        return self._quartiles()[1]

    @property
    def mean(self) -> float:
        """Give the mean in seconds, the prior's where nothing was measured."""
        if not self.measured:
            return PRIOR_MEDIAN_SECONDS * exp(PRIOR_WIDTH**2 / 2)
        return max(fmean(self.measured), SHORTEST_SECONDS)

    @property
    def spread(self) -> float:
        """Give the seconds between the fastest quarter and the slowest quarter."""
        fast, _, slow = self._quartiles()
        return slow - fast

    def stretches(self) -> list[Stretch]:
        """Divide a job's life into stretches, short early and long late, until hardly one goes on.

        Returns:
            The stretches in order, from 0 seconds, without gaps.
        """
        bells = self._bells()
        longest = exp(max(bell.middle + REACH * bell.width for bell in bells))
        step = (longest / SHORTEST_SECONDS) ** (1 / (POINTS - 1))
        times = [SHORTEST_SECONDS * step**number for number in range(POINTS)]
        shares = [sum(bell.share_beyond(time) for bell in bells) / len(bells) for time in times]
        return [
            Stretch(begin=begin, seconds=end - begin, ended=more - less, present=(more + less) / 2)
            for (begin, more), (end, less) in pairwise(
                [(0.0, 1.0), *zip(times, shares, strict=True)]
            )
        ]

    def _quartiles(self) -> list[float]:
        if not self.measured:
            fast, slow = exp(-0.67 * PRIOR_WIDTH), exp(0.67 * PRIOR_WIDTH)
            return [PRIOR_MEDIAN_SECONDS * part for part in (fast, 1, slow)]
        # Of a single time there are no quartiles; of the same one twice there are.
        return quantiles([*self.measured, *self.measured], n=4, method="inclusive")

    def _bells(self) -> list[Bell]:
        prior = Bell(middle=log(PRIOR_MEDIAN_SECONDS), width=PRIOR_WIDTH)
        logs = sorted(log(max(seconds, SHORTEST_SECONDS)) for seconds in self.measured)
        least = _width(logs)
        # Where times lie far apart, those between them are as likely.
        around = zip(logs[:1] + logs[:-1], logs, logs[1:] + logs[-1:], strict=True)
        bells = (
            Bell(middle=at, width=max(least, (after - before) / 2)) for before, at, after in around
        )
        return [prior, *bells]


def _width(logs: Sequence[float]) -> float:
    """Choose the bells' width by Silverman's rule: the more there are, the narrower."""
    if len(logs) < 2:
        return WIDTH_OF_ONE
    fast, _, slow = quantiles(logs, n=4)
    spread = min(pstdev(logs), (slow - fast) / 1.34)
    return max(LEAST_WIDTH, 0.9 * spread * len(logs) ** -0.2)
