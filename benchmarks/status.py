"""What `check_status` adds to the request to RunComfy, where it does not wait.

A client calls the real server over stdio. In turn with it, the same status is requested from the
same simulator with httpx alone, whose asynchronous client the server uses too, over a connection
that is kept, and a server of the same SDK is called whose tool does nothing: that much of the
difference is the SDK's own.

Whatever else the machine does only adds to it, so of several rounds the best one counts.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import httpx

from tests.support.client import ARGUMENTS
from tests.support.server_process import environment

from .figures import Figure, as_table
from .pipe import EMPTY_SERVER, OURS, started
from .processes import simulated

ROUNDS = 24
CALLS = 40
WARM_UP = 20
MOST_MORE_MS = 3.0


def milliseconds(act: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - began)


def measured(url: str, token: str, env: Mapping[str, str]) -> list[list[float]]:
    """Return the medians of a call, a request, and a call that does nothing, for each round."""
    with ExitStack() as stack:
        ours = stack.enter_context(started(OURS, env))
        empty = stack.enter_context(started(EMPTY_SERVER, env))
        loop = stack.enter_context(asyncio.Runner()).get_loop()
        http = httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, trust_env=False)
        stack.callback(lambda: loop.run_until_complete(http.aclose()))
        ours.initialize()
        empty.initialize()
        made = ours.call("generate_video", **ARGUMENTS, wait_seconds=0)["structuredContent"]
        job = str(made["request_id"])
        status = f"{url}/v1/requests/{job}/status"
        acts: list[Callable[[], object]] = [
            lambda: ours.call("check_status", request_id=job, wait_seconds=0),
            lambda: loop.run_until_complete(http.get(status)).raise_for_status(),
            lambda: empty.call("nothing"),
        ]
        for act in acts * WARM_UP:
            act()
        return [a_round(acts) for _ in range(ROUNDS)]


def a_round(acts: Sequence[Callable[[], object]]) -> list[float]:
    """Do each thing in turn, and return the medians of how long they take."""
    times = [[milliseconds(act) for act in acts] for _ in range(CALLS)]
    return [median(column) for column in zip(*times, strict=True)]


def figures() -> list[Figure]:
    """Measure in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder, simulated(run_seconds=3600) as (url, token):
        env = environment(Path(folder), RUNCOMFY_API_TOKEN=token, RUNCOMFY_API_BASE_URL=url)
        rounds = measured(url, token, env)
    called, requested, nothing = min(rounds, key=lambda each: each[0] - each[1])
    more = Figure(
        name="check_status over stdio, more than its GET",
        value=called - requested,
        aim=MOST_MORE_MS,
        unit="ms",
        details=f"{called:.1f} and {requested:.1f} ms; an empty tool takes {nothing:.1f} ms",
    )
    return [more]


def main() -> None:
    """Print the figures, and exit with 1 if the call takes too long."""
    found = figures()
    print(as_table(found))
    sys.exit(not all(figure.met for figure in found))


if __name__ == "__main__":
    main()
