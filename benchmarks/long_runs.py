"""The simulator with many jobs at once, in a process of its own so that it is not measured.

`python -m benchmarks.long_runs` serves until its stdin ends. Then it prints JSON on stdout: when
each job ended, in seconds of the clock that all processes of a machine share, and how many requests
each route received.
"""

import json
import sys
from collections import Counter
from math import exp, log
from random import Random
from statistics import NormalDist

import anyio
import anyio.to_thread

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running

JOBS = 1_000
MEDIAN_SECONDS = 60.0
SPREAD = 0.2

LOGARITHMS = NormalDist(log(MEDIAN_SECONDS), SPREAD)

RUNS = [exp(logarithm) for logarithm in LOGARITHMS.samples(JOBS, seed=1)]
"""How long each job runs, in seconds; the same in every run."""
BEFORE = [exp(logarithm) for logarithm in Random(1).sample(LOGARITHMS.quantiles(31), 30)]
"""How long 30 earlier jobs ran, in seconds, with the same distribution, in no order."""


async def main() -> None:
    """Serve, and print what really happened at the end."""
    behaviour = Behaviour(workers=JOBS, run_seconds=RUNS, images="never", balance_usd=1e6)
    async with running(behaviour) as simulator:
        print(json.dumps({"url": simulator.url, "token": simulator.token}), flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)
        jobs = zip(simulator.accepted, RUNS, strict=False)
        truth = {
            "ended_at": {job.request_id: job.accepted_at + run for job, run in jobs},
            "asked": Counter(request.route for request in simulator.requests),
        }
        print(json.dumps(truth), flush=True)


if __name__ == "__main__":
    anyio.run(main)
