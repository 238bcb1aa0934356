"""Many callers over HTTP, each with several waits, and calls in between that do not wait.

`python -m benchmarks.callers` runs 200 callers with 5 waits each for 60 s against RunComfy's
simulator, with the ledger in SQLite and in PostgreSQL, and one or two servers. Every caller has an
access token. A server of the same SDK over the same transport, whose tool does nothing, is called
in turn with it: what a call takes longer is the server's own. It exits with 1 if an aim is missed.
"""

import asyncio
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from tests.support.client import ARGUMENTS
from tests.support.postgres import PostgresServer, why_not
from tests.support.server_process import COMMAND, environment

from .figures import Figure, as_table
from .processes import simulated
from .quick_http import QuickCaller

MOST_MORE_MS = 50.0
BUYING_AT_ONCE = 20
RAMP_SECONDS = 20.0
PAUSE_SECONDS = 6.0
"""How often a caller makes a call that does not wait, on average."""

EMPTY = """
import sys
import uvicorn
from mcp.server import MCPServer

server = MCPServer("empty", log_level="ERROR")


@server.tool()
async def nothing() -> str:
    '''Do nothing.'''
    return "nothing"


app = server.streamable_http_app(stateless_http=True)
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", timeout_keep_alive=150)
"""


@dataclass
class Seen:
    """How long calls took in milliseconds, and what went wrong."""

    ours: list[float] = field(default_factory=list[float])
    empty: list[float] = field(default_factory=list[float])
    waited: list[float] = field(default_factory=list[float])
    errors: list[str] = field(default_factory=list[str])


@dataclass
class Turns:
    """How many callers buy at once, and that all have bought."""

    buying: asyncio.Semaphore
    bought: asyncio.Barrier


@dataclass(kw_only=True)
class Caller:
    """One caller and what it saw.

    Attributes:
        url: The server that it calls.
        empty: The one that does nothing.
    """

    url: str
    empty: str
    token: str
    seen: Seen

    async def run(self, waits: int, seconds: float, turns: Turns) -> None:
        """Buy a job for each wait, then wait for all of them and call in between.

        The waits begin once all callers have bought their jobs, within `RAMP_SECONDS`, and calls
        are measured from then on until the first of them ends.
        """
        async with turns.buying, QuickCaller(self.url, self.token) as http:
            jobs = [await self._buy(http, number) for number in range(waits)]
        await turns.bought.wait()
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for job in jobs:
                tasks.create_task(self._wait(job, seconds))
            tasks.create_task(self._ask(jobs, began + RAMP_SECONDS, began + seconds))

    async def _buy(self, http: QuickCaller, number: int) -> str:
        made = await http.call(
            "generate_video", **ARGUMENTS | {"prompt": f"Mist, {number}."}, wait_seconds=0
        )
        return str(made["structuredContent"]["request_id"])

    async def _wait(self, job: str, seconds: float) -> None:
        await asyncio.sleep(RAMP_SECONDS * random.random())
        async with QuickCaller(self.url, self.token) as http:
            arguments = {"request_id": job, "wait_seconds": round(seconds)}
            self.seen.waited.append(await self._timed(http, "check_status", arguments))

    async def _ask(self, jobs: Sequence[str], begins_at: float, ends_at: float) -> None:
        await asyncio.sleep(begins_at - time.monotonic())
        async with QuickCaller(self.url, self.token) as http, QuickCaller(self.empty, "") as empty:
            while time.monotonic() < ends_at:
                await asyncio.sleep(2 * PAUSE_SECONDS * random.random())
                arguments = {"request_id": random.choice(jobs), "wait_seconds": 0}
                self.seen.ours.append(await self._timed(http, "check_status", arguments))
                self.seen.empty.append(await self._timed(empty, "nothing", {}))

    async def _timed(
        self, http: QuickCaller, tool: str, arguments: Mapping[str, str | int]
    ) -> float:
        began = time.perf_counter()
        try:
            await http.call(tool, **arguments)
        except (RuntimeError, OSError, asyncio.IncompleteReadError) as error:
            self.seen.errors.append(f"{type(error).__name__}: {error}"[:200])
        return 1000 * (time.perf_counter() - began)


@contextmanager
def serving(env: Mapping[str, str], log: Path) -> Generator[tuple[str, int], None, None]:
    """Run our server, and yield its URL and its process id."""
    command = [*COMMAND, "serve", "--transport", "http", "--port", "0"]
    with log.open("wb") as stderr, subprocess.Popen(command, env=env, stderr=stderr) as process:
        try:
            while b"Serving on " not in (said := log.read_bytes()):
                if process.poll() is not None:
                    raise RuntimeError(said.decode())
                time.sleep(0.01)
            line = next(line for line in said.splitlines() if line.startswith(b"Serving on "))
            yield line.split()[-1].decode(), process.pid
        finally:
            process.terminate()


@contextmanager
def empty_server(env: Mapping[str, str]) -> Generator[str, None, None]:
    """Run the server that does nothing, and yield its URL."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-c", EMPTY, str(port)]
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as process:
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.01)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.kill()


def measured(ledger: str, servers: int, options: Namespace) -> tuple[Seen, float]:
    """Run the callers, and return what they saw and the servers' CPU time in seconds."""
    tokens = [f"sdmcp_{number:032d}" for number in range(options.callers)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, token = stack.enter_context(simulated(run_seconds=3600))
        hashes = (hashlib.sha256(one.encode()).hexdigest() for one in tokens)
        file = folder / "tokens"
        file.write_text("".join(f"c{number}:{one}\n" for number, one in enumerate(hashes)))
        file.chmod(0o600)
        variables = {
            "RUNCOMFY_API_TOKEN": token,
            "RUNCOMFY_API_BASE_URL": url,
            "SEEDANCE_ACCESS_TOKENS": str(file),
            "SEEDANCE_MAX_JOBS_PER_HOUR": "100000",
            "SEEDANCE_STATE_KEY": "a-key-of-a-benchmark-with-32-bytes!",
        }
        if ledger == "PostgreSQL":
            database = PostgresServer(folder)
            stack.callback(database.remove)
            database.start()
            variables["SEEDANCE_DATABASE_URL"] = stack.enter_context(database.database())
        env = environment(folder, **variables)
        started = [
            stack.enter_context(serving(env, folder / f"log-{number}")) for number in range(servers)
        ]
        empty = stack.enter_context(empty_server(env))
        urls = [each for each, _ in started]
        seen = asyncio.run(called(urls, empty, tokens, options))
        return seen, sum(cpu_seconds(pid) for _, pid in started)


async def called(
    urls: Sequence[str], empty: str, tokens: Sequence[str], options: Namespace
) -> Seen:
    """Let every caller call, spread over the servers."""
    seen = Seen()
    turns = Turns(asyncio.Semaphore(BUYING_AT_ONCE), asyncio.Barrier(len(tokens)))
    async with asyncio.TaskGroup() as tasks:
        for number, token in enumerate(tokens):
            caller = Caller(url=urls[number % len(urls)], empty=empty, token=token, seen=seen)
            tasks.create_task(caller.run(options.waits, options.seconds, turns))
    return seen


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def figures(options: Namespace) -> list[Figure]:
    """Measure each ledger, with one server and with two."""
    found: list[Figure] = []
    ledgers = ["SQLite"] if options.sqlite_only or why_not() else ["SQLite", "PostgreSQL"]
    for ledger in ledgers:
        for servers in (1, 2):
            print(f"measuring: {ledger}, {servers} server(s)", file=sys.stderr, flush=True)
            seen, cpu = measured(ledger, servers, options)
            ours, empty = (quantiles(times, n=20)[-1] for times in (seen.ours, seen.empty))
            name = f"{options.callers} callers, {ledger}, {servers} server(s)"
            said = f"p95 {ours:.0f} and {empty:.0f} ms of {len(seen.ours)} calls; CPU {cpu:.0f} s"
            more = Figure(
                name=f"{name}: more than an empty tool",
                value=ours - empty,
                aim=MOST_MORE_MS,
                unit="ms",
                details=said,
            )
            wrong = Figure(
                name=f"{name}: errors",
                value=len(seen.errors),
                aim=0,
                unit="calls",
                details=f"{len(seen.waited)} waits; {'; '.join(seen.errors[:2])}",
            )
            found += [more, wrong]
            print(as_table([more, wrong]), file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Print the figures, and exit with 1 if one misses its aim."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=200)
    parser.add_argument("--waits", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--sqlite-only", action="store_true")
    found = figures(parser.parse_args())
    print(as_table(found))
    sys.exit(not all(figure.met for figure in found))


if __name__ == "__main__":
    main()
