"""When to ask again: the rhythm of polls, and the pauses between retries. Pure arithmetic.

A poll that finds a job unfinished was asked in vain, and an end that is found late was waited for.
For a given number of polls the mean delay is least where they are as dense as the square root of
the hazard, which is the rate at which the jobs that have come this far end. So polls are sparse
early, and dense where the end is likely; how dense in all is chosen once for each kind of job.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import accumulate
from math import sqrt
from statistics import fmean

from seedance_mcp.clock import Random
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status

from .durations import Durations, Stretch

SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 15.0
JITTER = 0.1
"""The bounds of a pause, and the part of it that chance decides."""

FIRST_SECONDS = 2.0
"""When a new job is looked at first: by then it runs, or it is known to queue."""

QUEUE_SECONDS = 6.0
"""How long at the most a pause in the queue is, unless its movement allows for more."""

LAG_SECONDS = 0.7
"""The mean delay to reach between an end and its discovery."""
SECONDS_A_POLL, MORE_POLLS = 4.2, 0.7
"""What a job may be given for that: a poll for so many seconds of its life, and a part of one more.

For jobs of every length this comes to just under half of what a poll every 2 seconds takes, as
`benchmarks/schedule.py` shows.
"""
FIRST_POLLS = 1.0
"""The poll that finds a run begun comes on top of what its density adds up to."""

USUAL_FROM = 3
"""How many jobs must have ended before their time is called usual."""
UNSURE_PART = 5.0
"""Before that a pause lasts no longer than this part of the job's age."""


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What is known of a job when the next poll is to be chosen.

    Attributes:
        elapsed: How old the job is, in seconds.
        running: How long ago it was first seen to run, in seconds; None while it queues.
        until_start: The seconds until it runs, as its movement in the queue tells; None where it
            does not.
    """

    elapsed: float
    running: float | None = None
    until_start: float | None = None


@dataclass(frozen=True)
class Schedule:
    """When to ask about jobs of one kind.

    Attributes:
        runs: How long such jobs took from when they were first seen to run.
        totals: How long they took in all.
    """

    runs: Durations
    totals: Durations

    @property
    def usual_seconds(self) -> float | None:
        """Give how long such a job usually takes in all, None while too few have ended."""
        return self.totals.usual if len(self.totals.measured) >= USUAL_FROM else None

    @property
    def expected_polls(self) -> float:
        """Give how many polls a run takes on average, if it takes what others took.

        They count from the one that finds it begun to the one that finds it ended, which is half a
        poll later than the density says.
        """
        if not self.runs.measured:
            return FIRST_POLLS + _cost(self._stretches, self._density)[1] + 0.5
        return FIRST_POLLS + fmean(self._polls_by(run) for run in self.runs.measured) + 0.5

    def pause(self, seen: Sighting, random: Random) -> float:
        """Say how long to wait before the next status request.

        Args:
            seen: What is known of the job.
            random: Where the jitter comes from, so that many jobs do not beat together.

        Returns:
            Seconds, from 1 to 15.
        """
        pause = self._queued(seen) if seen.running is None else self._run(seen, seen.running)
        jittered = pause * (1 - JITTER + 2 * JITTER * random())
        return min(max(jittered, SHORTEST_SECONDS), LONGEST_SECONDS)

    def _queued(self, seen: Sighting) -> float:
        if seen.elapsed < FIRST_SECONDS:
            return FIRST_SECONDS - seen.elapsed
        return max(self._bounded(self._queue_pause, seen), (seen.until_start or 0.0) / 2)

    def _run(self, seen: Sighting, age: float) -> float:
        """Find when the density of polls has added up to one more."""
        one_more = self._polls_by(age) + 1
        then = _line(one_more, self._polls, self._ends, slope=LONGEST_SECONDS)
        return self._bounded(then - age, seen)

    def _polls_by(self, age: float) -> float:
        """Give how many polls have come, by density, when a run is so old."""
        return _line(age, self._ends, self._polls, slope=1 / LONGEST_SECONDS)

    def _bounded(self, pause: float, seen: Sighting) -> float:
        """Shorten a pause of a young job while nothing tells how long such jobs take."""
        if len(self.runs.measured) >= USUAL_FROM:
            return pause
        return min(pause, max(seen.elapsed / UNSURE_PART, FIRST_SECONDS))

    @cached_property
    def _stretches(self) -> list[Stretch]:
        return self.runs.stretches()

    @cached_property
    def _ends(self) -> list[float]:
        """Give when each stretch ends."""
        return [stretch.begin + stretch.seconds for stretch in self._stretches]

    @cached_property
    def _polls(self) -> list[float]:
        """Give how many polls have come by the end of each stretch."""
        steps = (part.seconds * _rate(part, self._density) for part in self._stretches)
        return list(accumulate(steps))

    @cached_property
    def _density(self) -> float:
        """Choose the least density that reaches the delay, unless it takes too many polls."""
        most = self._most_polls()
        low, high = 1e-3, 1e3
        for _ in range(30):
            middle = sqrt(low * high)
            lag, polls = _cost(self._stretches, middle)
            low, high = (low, middle) if lag < LAG_SECONDS or polls > most else (middle, high)
        return low

    def _most_polls(self) -> float:
        """Say how many polls a run may take, of all that such a job is given."""
        queued = max(self.totals.mean - self.runs.mean, 0.0)
        given = self.totals.mean / SECONDS_A_POLL + MORE_POLLS - FIRST_POLLS
        left = given - max(queued - FIRST_SECONDS, 0.0) / self._queue_pause
        # The curve knows of runs that were not measured, and so its mean is another.
        smooth = sum(part.seconds * part.present for part in self._stretches)
        return max(left * smooth / self.runs.mean, 1.0)

    @property
    def _queue_pause(self) -> float:
        # The start need not be known better than the end can be foretold.
        return min(max(self.runs.spread / 2, FIRST_SECONDS), QUEUE_SECONDS)


def _rate(part: Stretch, density: float) -> float:
    """Give the polls a second within a stretch."""
    hazard = part.ended / part.seconds / part.present if part.present > 0 else 0.0
    return min(max(density * sqrt(hazard), 1 / LONGEST_SECONDS), 1 / SHORTEST_SECONDS)


def _cost(stretches: Sequence[Stretch], density: float) -> tuple[float, float]:
    """Give what polling at a density costs on average: the delay in seconds, and the polls."""
    rates = [(part, _rate(part, density)) for part in stretches]
    lag = sum(part.ended / rate / 2 for part, rate in rates)
    return lag, sum(part.present * part.seconds * rate for part, rate in rates)


def _line(at: float, from_: Sequence[float], to: Sequence[float], *, slope: float) -> float:
    """Read a line through (0, 0) and rising points, which goes on with a slope after the last."""
    number = bisect_right(from_, at)
    x, y = (from_[number - 1], to[number - 1]) if number else (0.0, 0.0)
    if number < len(from_):
        slope = (to[number] - y) / (from_[number] - x)
    return y + (at - x) * slope


NOTHING_LEARNED = Schedule(Durations(), Durations())
"""The schedule of jobs of which none has ended yet."""


def sighting(job: Job, now: datetime, *, until_start: float | None = None) -> Sighting:
    """Tell what is known of a job when the next poll is to be chosen.

    Args:
        job: The job.
        now: What time it is.
        until_start: The seconds until it runs, None where that is not known.
    """
    running = None
    if job.status is not Status.IN_QUEUE:
        running = max(0.0, (now - (job.started_at or now)).total_seconds())
    return Sighting(elapsed=job.elapsed_seconds(now), running=running, until_start=until_start)
