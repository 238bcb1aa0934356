"""Measure 1,000 jobs at once with two callers waiting for each: delays, requests, CPU and memory.

Run it with `python -m benchmarks.waiting`. It takes eight minutes, and exits with 1 if a bound does
not hold. The simulator answers over HTTP from a process of its own. All jobs are bought in the
first seconds and take about a minute, and the ledger has 30 earlier jobs with the same
distribution. Two ways of waiting are measured one after the other, each in a fresh process: the
service's own, with one poller for each job, and one loop for each caller that polls every 2 s. The
first one is measured again beside two processes that keep the processor busy; no bound holds there.

The predicted number of requests is `Schedule.expected_polls`, learned from the 30 jobs. In fact the
first poll of a job waits for the purchases of 999 others, so the job seems younger than it is and
is polled somewhat less often, and later.
"""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import fmean, quantiles
from typing import Any

from seedance_mcp.polling.durations import Durations
from seedance_mcp.polling.schedule import FIRST_SECONDS, Schedule

from .figures import Figure
from .long_runs import BEFORE, JOBS

WAITERS = 2
BUSY_PROCESSES = 2
LAG_SECONDS = 1.5
MEGABYTES = 150.0
CORES = 0.5
SHARE_OF_PREDICTION = 0.85, 1.1
"""The bounds; the last one is for the requests, relative to the prediction."""
MOST_DELAY, MOST_REQUESTS, MOST_CPU, MOST_MEMORY = 1.0, 0.6, 1.0, 1.25
"""The aims of `make bench`, relative to the loops."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures for one way of waiting.

    Attributes:
        ends: The number of callers that saw the end of their job.
        lag: The mean seconds from a job's end until a caller knows.
        late: The 95th percentile of that.
        megabytes: The largest memory of the process, in MB.
        cpu_seconds: CPU seconds in all.
        cores: CPU seconds for each second from the first purchase to the last end.
        polls: The mean number of status requests for a job.
    """

    ends: int
    lag: float
    late: float
    megabytes: float
    cpu_seconds: float
    cores: float
    polls: float


@contextmanager
def module(name: str, *arguments: str) -> Generator["subprocess.Popen[str]", None, None]:
    """Run a module of this package in a process of its own."""
    command = [sys.executable, "-m", f"{__package__}.{name}", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def busy(processes: int) -> Generator[None, None, None]:
    """Run processes that do nothing but keep the processor busy."""
    with ExitStack() as stack:
        for _ in range(processes):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: 0"]))
            stack.callback(process.kill)
        yield


def measured(way: str, *, beside: int = 0) -> Figures:
    """Measure one way of waiting, and compare what the callers saw with what really happened.

    `beside` is how many other processes keep the processor busy.
    """
    with busy(beside), module("long_runs") as service:
        assert service.stdout  # noqa: S101 - it is a pipe
        place = json.loads(service.stdout.readline())
        with module("waiters", way, place["url"], place["token"]) as process:
            told, _ = process.communicate()
            if process.returncode:
                sys.exit(f"{way} failed; its traceback is above.")
        seen: dict[str, Any] = json.loads(told)
        truth: dict[str, Any] = json.loads(service.communicate()[0])
    lags = [at - truth["ended_at"][request_id] for request_id, at in seen["ends"]]
    return Figures(
        ends=len(lags),
        lag=fmean(lags),
        late=quantiles(lags, n=20)[-1],
        megabytes=seen["peak_mb"],
        cpu_seconds=seen["cpu_seconds"],
        cores=seen["cpu_seconds"] / seen["wall_seconds"],
        polls=truth["asked"]["status"] / JOBS,
    )


def learned() -> Schedule:
    """Return the schedule learned from the earlier jobs."""
    runs = Durations([seconds - FIRST_SECONDS for seconds in BEFORE])
    return Schedule(runs=runs, totals=Durations(BEFORE))


def broken(figures: Figures, prediction: float) -> list[str]:
    """Return the bounds that do not hold."""
    least, most = SHARE_OF_PREDICTION
    holds = {
        f"all {WAITERS * JOBS:,} ends are seen": figures.ends == WAITERS * JOBS,
        f"the mean lag is under {LAG_SECONDS} s": figures.lag < LAG_SECONDS,
        f"it takes under {MEGABYTES:.0f} MB": figures.megabytes < MEGABYTES,
        f"it takes under {CORES} cores": figures.cores < CORES,
        "the requests match the prediction": least <= figures.polls / prediction <= most,
    }
    return [bound for bound, held in holds.items() if not held]


def figures() -> list[Figure]:
    """Measure what `make bench` shows: one poller for each job, relative to a loop a waiter.

    The bounds of `main` hold only on a machine that is fast enough; these hold on any.
    """
    ours, loops = measured("one_poller_a_job"), measured("one_loop_a_waiter")
    crowd = f"{JOBS:,} jobs, {WAITERS} waiters each"
    pairs = {
        "delay": (ours.lag, loops.lag, MOST_DELAY, "s"),
        "requests": (ours.polls, loops.polls, MOST_REQUESTS, "a job"),
        "processor": (ours.cpu_seconds, loops.cpu_seconds, MOST_CPU, "s"),
        "memory": (ours.megabytes, loops.megabytes, MOST_MEMORY, "MB"),
    }
    seen = Figure(
        name=f"{crowd}: ends seen", value=ours.ends, aim=WAITERS * JOBS, unit="", least=True
    )
    return [seen] + [
        Figure(
            name=f"{crowd}: {what}, to loops of 2 s",
            value=mine / theirs,
            aim=aim,
            unit="x",
            details=f"{mine:.3g} and {theirs:.3g} {unit}",
        )
        for what, (mine, theirs, aim, unit) in pairs.items()
    ]


def main() -> None:
    """Measure and print."""
    prediction = learned().expected_polls
    ways = {way: measured(way) for way in ("one_poller_a_job", "one_loop_a_waiter")}
    ways["beside_busy_ones"] = measured("one_poller_a_job", beside=BUSY_PROCESSES)
    print(
        f"{f'{JOBS:,} jobs, {WAITERS} waiters each':<32}",
        *(f"{way.replace('_', ' '):>18}" for way in ways),
    )
    rows = {
        "ends seen": [f"{one.ends:,}" for one in ways.values()],
        "mean delay, s": [f"{one.lag:.2f}" for one in ways.values()],
        "95th percentile of it, s": [f"{one.late:.2f}" for one in ways.values()],
        "largest memory, MB": [f"{one.megabytes:.0f}" for one in ways.values()],
        "cores": [f"{one.cores:.2f}" for one in ways.values()],
        "status requests a job": [f"{one.polls:.1f}" for one in ways.values()],
        "share of the prediction": [f"{one.polls / prediction:.2f}" for one in ways.values()],
    }
    for name, values in rows.items():
        print(f"{name:<32}", *(f"{value:>18}" for value in values))
    print(f"The schedule predicted {prediction:.1f} requests a job.")
    if failed := broken(ways["one_poller_a_job"], prediction):
        sys.exit(f"These bounds do not hold: {'; '.join(failed)}.")


if __name__ == "__main__":
    main()
