"""Measure how late the end of a job is found, and with how many requests.

Run it with `make benchmark`. Jobs of six kinds are simulated and polled at fixed pauses, and on the
schedule that `polling/schedule.py` learns from 0, 3, 30 and 300 earlier jobs, as the server does.
The durations to learn from are those that the polls saw, delays included. After 30 jobs, the mean
delay must be at most that of polling every 2 seconds, with at most half of the requests.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from statistics import mean, quantiles

from benchmarks.job_times import Draw, Job, kinds
from benchmarks.plot import Panel, plot
from seedance_mcp.polling.durations import Durations
from seedance_mcp.polling.schedule import DEFAULT_SCHEDULE, JobTiming, Schedule
from seedance_mcp.service._schedules import MOST_SAMPLES

HISTORIES = 60
"""Histories for each kind of job: a single history of a few jobs may be a lucky one."""
JOBS = 150
"""Jobs that are waited for after each history."""
STAGES = (0, 3, 30, 300)
"""The numbers of earlier jobs after which the schedule is measured."""
FIXED = (2.0, 3.0, 5.0)
MEASURED_STAGE = 30

Pause = Callable[[JobTiming], float]
"""Returns the seconds to wait before the next poll."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """The wait for one job.

    Attributes:
        lag: The delay between its end and the poll that saw it, in seconds.
        requests: The number of polls.
        run: For how long it was seen running, in seconds.
        total: From its creation to the poll that saw its end, in seconds.
    """

    lag: float
    requests: int
    run: float
    total: float


@dataclass(frozen=True)
class Result:
    """The statistics of the waits for many jobs."""

    waits: Sequence[Wait]

    @property
    def lag(self) -> float:
        """The mean delay in seconds."""
        return mean(wait.lag for wait in self.waits)

    @property
    def late(self) -> float:
        """The 95th percentile of the delay in seconds."""
        return quantiles((wait.lag for wait in self.waits), n=20)[-1]

    @property
    def requests(self) -> float:
        """The mean number of polls for a job."""
        return mean(wait.requests for wait in self.waits)


def wait_for(job: Job, pause: Pause) -> Wait:
    """Poll a job until it has ended."""
    now, seen_running, requests = 0.0, None, 0
    while True:
        running = None if seen_running is None else now - seen_running
        now += pause(JobTiming(elapsed=now, running=running))
        requests += 1
        if now >= job.end:
            # A job that was never seen running has no known run time: 0 seconds are left out.
            run = now - (now if seen_running is None else seen_running)
            return Wait(lag=now - job.end, requests=requests, run=run, total=now)
        if seen_running is None and now >= job.queue:
            seen_running = now


def learned(history: Sequence[Wait]) -> Schedule:
    """Return the schedule learned from the last jobs, as the server learns it."""
    last = history[-MOST_SAMPLES:]
    runs = Durations([wait.run for wait in last if wait.run])
    return Schedule(runs, Durations([wait.total for wait in last])) if last else DEFAULT_SCHEDULE


def schedules(draw: Draw, random: Random) -> Iterator[Pause]:
    """Yield our schedule after each number of jobs; each one polls the jobs up to the next."""
    history: list[Wait] = []
    for following in (*STAGES[1:], 0):
        pause = partial(learned(history).pause, random=random.random)
        yield pause
        while len(history) < following:
            history.append(wait_for(draw(random), pause))


def measure(draw: Draw, random: Random) -> dict[str, Result]:
    """Measure every way of polling on the same jobs of one kind."""
    waits: dict[str, list[Wait]] = {}
    for _ in range(HISTORIES):
        ways: dict[str, Pause] = {f"every {s:.0f} s": partial(_fixed, s) for s in FIXED}
        learning = zip(STAGES, schedules(draw, random), strict=True)
        ways |= {f"after {stage} jobs": pause for stage, pause in learning}
        jobs = [draw(random) for _ in range(JOBS)]
        for name, pause in ways.items():
            waits.setdefault(name, []).extend(wait_for(job, pause) for job in jobs)
    return {name: Result(those) for name, those in waits.items()}


def _fixed(seconds: float, _: JobTiming) -> float:
    return seconds


def missed(results: Mapping[str, Result]) -> bool:
    """Return whether the goal was missed for a kind of job."""
    ours, fixed = results[f"after {MEASURED_STAGE} jobs"], results["every 2 s"]
    return ours.lag > fixed.lag or ours.requests > fixed.requests / 2


def report(kind: str, results: Mapping[str, Result]) -> None:
    """Print the rows of the table for a kind of job."""
    base = results["every 2 s"]
    for name, result in results.items():
        print(
            f"{kind:<14} {name:<15} {result.lag:9.2f} {result.late:9.2f} {result.requests:9.1f}"
            f" {result.lag / base.lag:9.2f} {result.requests / base.requests:9.2f}"
        )


def panel(kind: str, results: Mapping[str, Result]) -> Panel:
    """Return the panel of the plot for a kind of job."""
    base = results["every 2 s"]
    at = {name: (result.requests / base.requests, result.lag) for name, result in results.items()}
    fixed = {f"{seconds:.0f} s": at[f"every {seconds:.0f} s"] for seconds in FIXED}
    ours = {f"{stage}": at[f"after {stage} jobs"] for stage in STAGES}
    return Panel(kind, fixed=fixed, ours=ours, goal=(0.5, base.lag))


def main() -> None:
    """Measure and print; with a path as argument, write the plot to it."""
    print(f"{'jobs':<14} {'polled':<15}  mean lag  95 % lag  requests  lag/2 s   req./2 s")
    measured: dict[str, dict[str, Result]] = {}
    for kind, draw in kinds().items():
        measured[kind] = measure(draw, Random(kind))
        report(kind, measured[kind])
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(plot([panel(*each) for each in measured.items()]), "utf-8")
    failed = [kind for kind, results in measured.items() if missed(results)]
    if failed:
        sys.exit(f"The goal was missed for: {', '.join(failed)}.")
    print("After 30 jobs: no later than polling every 2 s, with at most half of the requests.")


if __name__ == "__main__":
    main()
