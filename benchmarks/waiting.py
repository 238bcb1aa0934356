"""1,000 jobs waited for at once, by two callers each: what is seen, how late, and what it takes.

Run it with `make benchmark`, or `python -m benchmarks.waiting`; it takes five minutes, and ends
with status 1 where a bound does not hold. The simulator answers over HTTP from a process of its
own, the jobs are all bought in the first seconds and take a minute or so, and the ledger knows 30
that took alike times. Two ways to wait are measured, one after the other, each in a fresh process:
the service's own, one poller a job, and beside it a loop a waiter, which asks every 2 s.

What the schedule promises is `Schedule.expected_polls`, learned from the 30. In fact the first look
at a job waits for the purchases of 999 others; so it seems younger than it is, and is asked about
somewhat less often, and later.
"""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean, quantiles
from typing import Any

from seedance_mcp.polling.durations import Durations
from seedance_mcp.polling.schedule import FIRST_SECONDS, Schedule

from .long_runs import BEFORE, JOBS

WAITERS = 2
LAG_SECONDS = 1.5
MEGABYTES = 150.0
CORES = 0.5
PART_OF_PROMISE = 0.85, 1.1
"""The bounds; the last says how much less and more may be asked than was promised."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What came of one way to wait.

    Attributes:
        ends: How many waiters saw their job's end.
        lag: Seconds from a job's end until a waiter knows, on average.
        longest: The same for the one in twenty that hears last.
        megabytes: The largest memory of the process, in MB.
        cores: How many cores it kept busy, from the first purchase to the last end.
        asked: How many status requests a job there were.
    """

    ends: int
    lag: float
    longest: float
    megabytes: float
    cores: float
    asked: float


@contextmanager
def module(name: str, *arguments: str) -> Generator["subprocess.Popen[str]", None, None]:
    """Run another part of this package in a process of its own."""
    command = [sys.executable, "-m", f"{__package__}.{name}", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def measured(way: str) -> Figures:
    """Let all wait in one way, and hold what they saw against what was true."""
    with module("long_runs") as service:
        assert service.stdout  # noqa: S101 - it is a pipe
        place = json.loads(service.stdout.readline())
        with module("waiters", way, place["url"], place["token"]) as process:
            told, _ = process.communicate()
            if process.returncode:
                sys.exit(f"{way} broke, as said above: no figures.")
        seen: dict[str, Any] = json.loads(told)
        truth: dict[str, Any] = json.loads(service.communicate()[0])
    lags = [at - truth["ended_at"][request_id] for request_id, at in seen["ends"]]
    return Figures(
        ends=len(lags),
        lag=fmean(lags),
        longest=quantiles(lags, n=20)[-1],
        megabytes=seen["peak_mb"],
        cores=seen["cpu_seconds"] / seen["wall_seconds"],
        asked=truth["asked"]["status"] / JOBS,
    )


def learned() -> Schedule:
    """Give the schedule that the ledger's jobs come to."""
    runs = Durations([seconds - FIRST_SECONDS for seconds in BEFORE])
    return Schedule(runs=runs, totals=Durations(BEFORE))


def broken(figures: Figures, promise: float) -> list[str]:
    """Say which bounds do not hold."""
    least, most = PART_OF_PROMISE
    holds = {
        f"all {WAITERS * JOBS:,} ends are seen": figures.ends == WAITERS * JOBS,
        f"the mean lag is under {LAG_SECONDS} s": figures.lag < LAG_SECONDS,
        f"it takes under {MEGABYTES:.0f} MB": figures.megabytes < MEGABYTES,
        f"it takes under {CORES} cores": figures.cores < CORES,
        "the requests match the promise": least <= figures.asked / promise <= most,
    }
    return [bound for bound, held in holds.items() if not held]


def main() -> None:
    """Measure and print."""
    promise = learned().expected_polls
    ways = {way: measured(way) for way in ("one_poller_a_job", "one_loop_a_waiter")}
    print(
        f"{f'{JOBS:,} jobs, {WAITERS} waiters each':<32}",
        *(f"{way.replace('_', ' '):>18}" for way in ways),
    )
    rows = {
        "ends seen": [f"{one.ends:,}" for one in ways.values()],
        "mean lag, s": [f"{one.lag:.2f}" for one in ways.values()],
        "95th percentile of it, s": [f"{one.longest:.2f}" for one in ways.values()],
        "largest memory, MB": [f"{one.megabytes:.0f}" for one in ways.values()],
        "cores": [f"{one.cores:.2f}" for one in ways.values()],
        "status requests a job": [f"{one.asked:.1f}" for one in ways.values()],
        "part of those promised": [f"{one.asked / promise:.2f}" for one in ways.values()],
    }
    for name, values in rows.items():
        print(f"{name:<32}", *(f"{value:>18}" for value in values))
    print(f"The schedule promised {promise:.1f} requests a job.")
    if failed := broken(ways["one_poller_a_job"], promise):
        sys.exit(f"It does not hold that {', nor that '.join(failed)}.")


if __name__ == "__main__":
    main()
