"""Simulated jobs of several kinds, drawn from a seeded random generator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from random import Random

SPREAD = 0.2
"""The sigma of the lognormal run times: two of three jobs are within 20 % of the median."""

WIDE_SPREAD, WIDE_MEDIAN = 0.45, 47.0
"""The sigma and the median in seconds of jobs over many days; the model's file knows the median."""

LONG_SHARE, LONG_SHAPE = 0.03, 1.5
"""With the heavy tail, this share of jobs is stretched by a Pareto-distributed factor."""

QUEUED_SHARE, QUEUE_MEDIAN, QUEUE_SPREAD = 0.4, 90.0, 0.3
"""With the bimodal queue, this share of jobs is queued for a lognormal time in seconds."""

WIDE = f"spread {WIDE_SPREAD}"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A simulated job: the seconds for which it is queued and then runs."""

    queue: float
    run: float

    @property
    def end(self) -> float:
        """The seconds from its creation to its end."""
        return self.queue + self.run


Draw = Callable[[Random], Job]
"""Draws a job."""


def kinds() -> Mapping[str, Draw]:
    """Return the kinds of jobs by name."""
    medians = {f"median {seconds} s": lognormal(seconds) for seconds in (30, 60, 120, 300)}
    return {
        **medians,
        "heavy tail": _heavy_tail,
        "bimodal queue": _bimodal_queue,
        WIDE: lognormal(WIDE_MEDIAN, WIDE_SPREAD),
    }


def lognormal(median: float, spread: float = SPREAD) -> Draw:
    """Return how to draw jobs that are not queued and run for a lognormal time in seconds."""
    return lambda random: Job(queue=0.0, run=random.lognormvariate(log(median), spread))


def _heavy_tail(random: Random) -> Job:
    run = random.lognormvariate(log(60), SPREAD)
    stretched = random.random() < LONG_SHARE
    return Job(queue=0.0, run=run * (0.5 + random.paretovariate(LONG_SHAPE) if stretched else 1.0))


def _bimodal_queue(random: Random) -> Job:
    queues = random.random() < QUEUED_SHARE
    queue = random.lognormvariate(log(QUEUE_MEDIAN), QUEUE_SPREAD) if queues else 0.0
    return Job(queue=queue, run=random.lognormvariate(log(45), SPREAD))
