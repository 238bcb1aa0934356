"""How late the end of a job is found, and for how many requests: our schedule and fixed ones.

Run it with `make benchmark`. Jobs of six kinds are simulated, and polled as `pollers.py` does: by
the schedule that `polling.py` makes of the jobs before, cold and with 3, 30 and 300 of them. What a
job is remembered to have taken is what polls saw of it, late as they are. With 30 jobs of history
the mean lag must be at most that of a poll every 2 seconds, for at most half of its requests.
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
"""How many histories are drawn of each kind, since one of a few jobs may be a lucky one."""
JOBS = 150
"""How many jobs are waited for after each of them."""
STAGES = (0, 3, 30, 300)
"""After how many jobs a schedule is measured; in between, the last one polls."""
FIXED = (2.0, 3.0, 5.0)
MEASURED_STAGE = 30

Pause = Callable[[JobTiming], float]
"""Says how long to wait before the next status request, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """How the wait for a job went.

    Attributes:
        lag: The seconds between its end and its discovery.
        requests: How many status requests it took.
        run: How long it was seen to run, in seconds.
        total: How long it was seen to take in all, in seconds.
    """

    lag: float
    requests: int
    run: float
    total: float


@dataclass(frozen=True)
class Result:
    """What the waits for many jobs came to."""

    waits: Sequence[Wait]

    @property
    def lag(self) -> float:
        """The mean lag in seconds."""
        return mean(wait.lag for wait in self.waits)

    @property
    def late(self) -> float:
        """The 95th percentile of the lag in seconds."""
        return quantiles((wait.lag for wait in self.waits), n=20)[-1]

    @property
    def requests(self) -> float:
        """The mean number of requests a job."""
        return mean(wait.requests for wait in self.waits)


def wait_for(job: Job, pause: Pause) -> Wait:
    """Poll a job until it has ended."""
    now, seen_running, requests = 0.0, None, 0
    while True:
        running = None if seen_running is None else now - seen_running
        now += pause(JobTiming(elapsed=now, running=running))
        requests += 1
        if now >= job.end:
            # Of one that was never seen to run, nobody knows for how long it did.
            run = now - (now if seen_running is None else seen_running)
            return Wait(lag=now - job.end, requests=requests, run=run, total=now)
        if seen_running is None and now >= job.queue:
            seen_running = now


def learned(history: Sequence[Wait]) -> Schedule:
    """Make the schedule as `pace.py` does, of the last jobs that were waited for."""
    last = history[-MOST_SAMPLES:]
    runs = Durations([wait.run for wait in last if wait.run])
    return Schedule(runs, Durations([wait.total for wait in last])) if last else DEFAULT_SCHEDULE


def schedules(draw: Draw, random: Random) -> Iterator[Pause]:
    """Give our schedule after each number of jobs; the last one polls those in between."""
    history: list[Wait] = []
    for following in (*STAGES[1:], 0):
        pause = partial(learned(history).pause, random=random.random)
        yield pause
        while len(history) < following:
            history.append(wait_for(draw(random), pause))


def measure(draw: Draw, random: Random) -> dict[str, Result]:
    """Measure every way to poll for one kind of job, all of them on the same jobs."""
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
    """Tell whether the goal was missed for a kind of job."""
    ours, fixed = results[f"after {MEASURED_STAGE} jobs"], results["every 2 s"]
    return ours.lag > fixed.lag or ours.requests > fixed.requests / 2


def report(kind: str, results: Mapping[str, Result]) -> None:
    """Print the lines of the table for a kind of job."""
    base = results["every 2 s"]
    for name, result in results.items():
        print(
            f"{kind:<14} {name:<15} {result.lag:9.2f} {result.late:9.2f} {result.requests:9.1f}"
            f" {result.lag / base.lag:9.2f} {result.requests / base.requests:9.2f}"
        )


def panel(kind: str, results: Mapping[str, Result]) -> Panel:
    """Give what the plot shows of a kind of job."""
    base = results["every 2 s"]
    at = {name: (result.requests / base.requests, result.lag) for name, result in results.items()}
    fixed = {f"{seconds:.0f} s": at[f"every {seconds:.0f} s"] for seconds in FIXED}
    ours = {f"{stage}": at[f"after {stage} jobs"] for stage in STAGES}
    return Panel(kind, fixed=fixed, ours=ours, goal=(0.5, base.lag))


def main() -> None:
    """Measure, print, and plot where a path is given."""
    print(f"{'jobs':<14} {'polled':<15}  mean lag  95 % lag  requests  lag/2 s   req./2 s")
    measured: dict[str, dict[str, Result]] = {}
    for kind, draw in kinds().items():
        measured[kind] = measure(draw, Random(kind))  # noqa: S311 - a simulation
        report(kind, measured[kind])
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(plot([panel(*each) for each in measured.items()]), "utf-8")
    failed = [kind for kind, results in measured.items() if missed(results)]
    if failed:
        sys.exit(f"The goal was missed with: {', '.join(failed)}.")
    print("With 30 jobs of history: no later than every 2 s, for at most half of the requests.")


if __name__ == "__main__":
    main()
