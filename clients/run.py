"""Real clients, each from the first call to the saved clip: `make clients`.

Each starts the real server, whose RunComfy is the simulator, and asks a stand-in for a model what
to do. It must end with one clip saved and paid once.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

import anyio

from conformance.common import exit_on_signals, say

from .registry import CLIENTS, Client
from .scene import INSTALLED, Invocation, Scene, opened_scene

LOGS = INSTALLED / "logs"
AT_ONCE = 2
CLIENT_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a client did.

    Attributes:
        client: The client's name and version.
        turns: How many turns its model took.
        handed: In which forms its model was handed the answers.
        seconds: How long it took.
        paid: How many paid requests reached RunComfy.
        clips: How many clips were saved.
        ended: How its process ended.
    """

    client: str
    turns: int
    handed: str
    seconds: float
    paid: int
    clips: int
    ended: str

    @property
    def good(self) -> bool:
        """Return whether one clip was saved, paid once, and the client ended well."""
        return self.paid == self.clips == 1 and self.ended == "exit code 0"

    def row(self) -> str:
        """Return a row of the table."""
        cells = [self.client, self.turns, self.handed, f"{self.seconds:.0f} s", self.paid]
        verdict = "yes" if self.good else f"FAILED: {self.clips} saved, {self.ended}"
        return f"| {' | '.join(map(str, [*cells, verdict]))} |"


HEAD = "| client | model turns | the model was handed | time | paid | saved |\n" + "|---" * 6 + "|"


def main() -> None:
    """Run the clients, print a table, and exit with 1 if one of them failed."""
    exit_on_signals()
    parser = argparse.ArgumentParser(prog="python -m clients.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CLIENTS)}")
    parser.add_argument("--python-only", action="store_true", help="run what needs no Node")
    options = parser.parse_args()
    if unknown := set(options.names) - CLIENTS.keys():
        parser.error(f"unknown client: {', '.join(sorted(unknown))}")
    names = options.names or list(CLIENTS)
    chosen = [name for name in names if CLIENTS[name].environment or not options.python_only]
    outcomes = anyio.run(run_all, chosen)
    say(HEAD)
    for name in chosen:
        say(outcomes[name].row())
    if failed := [name for name in chosen if not outcomes[name].good]:
        sys.exit(f"Failed: {', '.join(failed)}. Their output is in {LOGS}.")


async def run_all(names: list[str]) -> dict[str, Outcome]:
    """Run the clients, a few at a time, and return their outcomes by name."""
    LOGS.mkdir(parents=True, exist_ok=True)
    outcomes: dict[str, Outcome] = {}
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def run_one(name: str) -> None:
        async with limiter:
            outcomes[name] = await run(name, CLIENTS[name])

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(run_one, name)
    return outcomes


async def run(name: str, client: Client) -> Outcome:
    """Run a client in a scene of its own."""
    async with opened_scene(client.server_env) as scene:
        invocation = client.invocation(scene)
        invocation.write_files(scene.home)
        began = time.monotonic()
        ended = await run_process(name, invocation, scene)
        requests = json.dumps(scene.model.requests, indent=1)
        (LOGS / f"{name}.requests.json").write_text(requests, "utf-8")
        return Outcome(
            client=f"{name} {client.version()}",
            turns=scene.model.turns,
            handed=", ".join(sorted(scene.model.forms, reverse=True)) or "nothing",
            seconds=time.monotonic() - began,
            paid=scene.paid(),
            clips=scene.clips(),
            ended=ended,
        )


async def run_process(name: str, invocation: Invocation, scene: Scene) -> str:
    """Run the process of a client to its end, and return how it ended."""
    with (LOGS / f"{name}.log").open("wb") as log:
        process = await anyio.open_process(
            invocation.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=scene.client_env | dict(invocation.env),
            cwd=scene.home,
            start_new_session=True,
        )
        try:
            with anyio.move_on_after(CLIENT_SECONDS):
                return f"exit code {await process.wait()}"
            return f"no end within {CLIENT_SECONDS:.0f} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
