"""When to poll a job again. Pure arithmetic.

A poll before a job's end is wasted, and an end that is seen late was waited for. For a given
number of polls the mean delay is least if their rate is proportional to the square root of the
hazard, the rate at which jobs of that age end. So polls are sparse early and dense where the end is
likely; the factor is chosen once for each kind of job.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import accumulate
from math import sqrt

from seedance_mcp.clock import Random
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status

from .durations import Durations, Interval

SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 15.0
"""The bounds of a pause between polls; after the median of a run, the shortest one grows."""
JITTER = 0.1
"""The fraction by which a pause is randomly shorter or longer."""

FIRST_SECONDS = 2.0
"""The age of a job at its first poll: by then it runs, or it is queued for longer."""

QUEUE_SECONDS = 6.0
"""The longest pause in the queue, unless the queue moves slowly."""

TARGET_LAG_SECONDS = 0.7
"""The mean delay to aim for between a job's end and the poll that sees it."""
SECONDS_PER_POLL, EXTRA_POLLS = 4.0, 0.2
"""The most polls a job may take: one for so many seconds of its life, and part of another.

For jobs of every length this is just under half of what a poll every 2 seconds takes; see
`benchmarks/schedule.py`.
"""
FACTOR_ERROR = 1e-3
"""The relative error of the factor, which is far below that of a few measured durations."""
FIRST_POLLS = 1.0
"""The poll that first sees a job running, which is not part of the rate."""

MIN_SAMPLE = 3
"""How many jobs must have ended before their durations are relied on."""
UNSURE_AGE_DIVISOR = 5.0
"""With fewer of them, a pause is at most the job's age divided by this."""


@dataclass(frozen=True, kw_only=True)
class JobTiming:
    """What is known of a job's timing when the next poll is planned.

    Attributes:
        elapsed: The job's age in seconds.
        running: The seconds since it was first seen running, None while it is queued.
        until_start: The seconds until it runs, estimated from its movement in the queue, or None.
    """

    elapsed: float
    running: float | None = None
    until_start: float | None = None


@dataclass(frozen=True)
class Schedule:
    """When to poll jobs of one kind.

    `runs` are their durations from when they were first seen running, `totals` those in all.
    """

    runs: Durations
    totals: Durations

    @property
    def usual_seconds(self) -> float | None:
        """The median duration of such a job in all, None while too few have ended."""
        return self.totals.median if len(self.totals.measured) >= MIN_SAMPLE else None

    @property
    def expected_polls(self) -> float:
        """The mean number of polls of a run, from the one that sees it begun to its end."""
        # The poll that sees the end comes on average half a poll after it.
        if not self.runs.measured:
            return FIRST_POLLS + self._lag_and_polls(self._factor)[1] + 0.5
        polls = sum(weight * self._polls_by(run) for run, weight in self.runs.weighted)
        return FIRST_POLLS + polls + 0.5

    def pause(self, timing: JobTiming, random: Random) -> float:
        """Return the seconds to wait before the next poll, from 1 to 15.

        The jitter from `random` spreads the polls of many jobs.
        """
        if timing.running is None:
            pause = self._pause_queued(timing)
        else:
            pause = self._pause_running(timing, timing.running)
        jittered = pause * (1 - JITTER + 2 * JITTER * random())
        return min(max(jittered, SHORTEST_SECONDS), LONGEST_SECONDS)

    def _pause_queued(self, timing: JobTiming) -> float:
        if timing.elapsed < FIRST_SECONDS:
            return FIRST_SECONDS - timing.elapsed
        pause = self._limit_unsure(self._queue_pause, timing)
        return max(pause, (timing.until_start or 0.0) / 2)

    def _pause_running(self, timing: JobTiming, age: float) -> float:
        """Return the seconds in which the poll rate adds up to one more poll."""
        next_poll = self._polls_by(age) + 1
        next_age = _interpolate(
            next_poll, self._cumulative_polls, self._interval_ends, slope=LONGEST_SECONDS
        )
        return self._limit_unsure(next_age - age, timing)

    def _polls_by(self, age: float) -> float:
        """Return the integral of the poll rate up to an age of the run, in seconds."""
        return _interpolate(
            age, self._interval_ends, self._cumulative_polls, slope=1 / LONGEST_SECONDS
        )

    def _limit_unsure(self, pause: float, timing: JobTiming) -> float:
        """Shorten the pause of a young job while too few durations are known."""
        if len(self.runs.measured) >= MIN_SAMPLE:
            return pause
        return min(pause, max(timing.elapsed / UNSURE_AGE_DIVISOR, FIRST_SECONDS))

    @cached_property
    def _intervals(self) -> list[Interval]:
        return self.runs.intervals()

    @cached_property
    def _interval_ends(self) -> list[float]:
        return [interval.start + interval.seconds for interval in self._intervals]

    @cached_property
    def _cumulative_polls(self) -> list[float]:
        """The number of polls by the end of each interval."""
        rates = zip(self._intervals, self._poll_rates(self._factor), strict=True)
        return list(accumulate(part.seconds * rate for part, rate in rates))

    @cached_property
    def _factor(self) -> float:
        """The least factor on √hazard that reaches the target lag, within the limit of polls."""
        most = self._max_polls()
        low, high = 1e-3, 1e3
        # A bisection in the logarithm.
        while high / low > 1 + FACTOR_ERROR:
            middle = sqrt(low * high)
            lag, polls = self._lag_and_polls(middle)
            enough = lag < TARGET_LAG_SECONDS or polls > most
            low, high = (low, middle) if enough else (middle, high)
        return low

    def _lag_and_polls(self, factor: float) -> tuple[float, float]:
        """Return the mean delay in seconds and the mean number of polls at a factor."""
        rates = self._poll_rates(factor)
        lag = sum([mass / rate for mass, rate in zip(self._masses, rates, strict=True)]) / 2
        return lag, sum([wait * rate for wait, rate in zip(self._waits, rates, strict=True)])

    def _poll_rates(self, factor: float) -> list[float]:
        """Return the polls a second in each interval."""
        least = 1 / LONGEST_SECONDS
        rates = [factor * root for root in self._roots]
        # Faster than `max`, and the search for the factor comes here 14 times.
        return [
            least if rate < least else min(rate, most)
            for rate, most in zip(rates, self._most_rates, strict=True)
        ]

    @cached_property
    def _most_rates(self) -> list[float]:
        """The most polls a second in each interval.

        A job that takes far longer than usual may end at any time, and must not take more polls
        than others.
        """
        median = max(self.runs.median, SHORTEST_SECONDS)
        return [median / max(median, part.start) / SHORTEST_SECONDS for part in self._intervals]

    @cached_property
    def _roots(self) -> list[float]:
        return [sqrt(part.hazard) for part in self._intervals]

    @cached_property
    def _masses(self) -> list[float]:
        return [part.mass for part in self._intervals]

    @cached_property
    def _waits(self) -> list[float]:
        """The mean seconds that are waited in each interval."""
        return [part.survival * part.seconds for part in self._intervals]

    def _max_polls(self) -> float:
        """Return how many polls a run may take: what a job may take, less its time in the queue."""
        queued = max(self.totals.mean - self.runs.mean, 0.0)
        allowed = self.totals.mean / SECONDS_PER_POLL + EXTRA_POLLS - FIRST_POLLS
        left = allowed - max(queued - FIRST_SECONDS, 0.0) / self._queue_pause
        # Scaled, because the smoothed distribution has another mean than the measured durations.
        return max(left * sum(self._waits) / self.runs.mean, 1.0)

    @property
    def _queue_pause(self) -> float:
        # The start need not be known more precisely than the end can be predicted.
        return min(max(self.runs.interquartile_range / 2, FIRST_SECONDS), QUEUE_SECONDS)


def _interpolate(at: float, xs: Sequence[float], ys: Sequence[float], *, slope: float) -> float:
    """Interpolate linearly from (0, 0) through rising points, and with `slope` after the last."""
    number = bisect_right(xs, at)
    x, y = (xs[number - 1], ys[number - 1]) if number else (0.0, 0.0)
    if number < len(xs):
        slope = (ys[number] - y) / (xs[number] - x)
    return y + (at - x) * slope


DEFAULT_SCHEDULE = Schedule(Durations(), Durations())
"""The schedule of a kind of job of which none has ended yet."""


def job_timing(job: Job, now: datetime, *, until_start: float | None = None) -> JobTiming:
    """Return a job's timing at a time in UTC."""
    running = None
    if job.status is not Status.IN_QUEUE:
        running = max(0.0, (now - (job.started_at or now)).total_seconds())
    return JobTiming(elapsed=job.elapsed_seconds(now), running=running, until_start=until_start)
