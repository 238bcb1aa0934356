"""The measured process: it buys 1,000 jobs at once, and two callers wait for each.

`python -m benchmarks.waiters WAY URL TOKEN` prints JSON on stdout: when each caller saw the end of
its job, and the CPU time and memory used. The service is the server's own, with ledger and
connections, called as the tools call it. MCP is left out, since it costs the same in both ways.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.clock import Clock, utc_now
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Accepted, Outputs, Running, Succeeded
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.mcp_server._progress import reported
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.models.model import JSONObject, Model, load_models
from seedance_mcp.polling.schedule import FIRST_SECONDS
from seedance_mcp.service.principals import MACHINE_USER
from seedance_mcp.service.reports import JobReport, Order
from seedance_mcp.service.service import Service
from seedance_mcp.settings import Settings
from seedance_mcp.spending.limits import SpendingLimits

from .long_runs import BEFORE, JOBS

WAIT_SECONDS = 900
"""The budget of a call, longer than any job takes."""
LOOP_SECONDS = 2.0
"""The pause between the polls of a loop."""
MANY = 100_000
"""A limit of jobs per hour that is never reached."""

CLOCK = Clock(random=lambda: 0.5)
"""For progress and the earlier jobs; the service has its own."""

Saw = Callable[[Job], None]
"""Called with the job in the answer to a caller."""
Way = Callable[[Service, Order, Saw, TaskGroup], Coroutine[Any, Any, None]]
"""Buys a job and lets two callers wait for its end."""


@dataclass(kw_only=True)
class Seen:
    """The measurements of one run.

    Attributes:
        ends: For each caller the request_id of its job, and when it saw the end, in seconds of
            the clock that all processes of a machine share.
        wall_seconds: The time from the first purchase to the last end.
        cpu_seconds: The CPU time of the process meanwhile.
        peak_mb: Its largest memory, including its start.
    """

    ends: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0


async def one_poller_a_job(service: Service, order: Order, saw: Saw, tasks: TaskGroup) -> None:
    """Wait in the call that buys the job, and in a second call once the job has a request_id."""
    checked: set[str] = set()

    async def check(request_id: str) -> None:
        async with reported(_ignore, CLOCK) as progress:
            report = await service.status(request_id, wait_seconds=WAIT_SECONDS, watch=progress)
        saw(report.job)

    async with reported(_ignore, CLOCK) as progress:

        async def watch(report: JobReport) -> None:
            request_id = report.job.request_id
            if request_id and request_id not in checked:
                checked.add(request_id)
                tasks.start_soon(check, request_id)
            await progress(report)

        report = await service.buy(order, wait_seconds=WAIT_SECONDS, watch=watch)
    saw(report.job)


async def one_loop_a_waiter(service: Service, order: Order, saw: Saw, tasks: TaskGroup) -> None:
    """Buy a job, and poll it in two independent loops."""

    async def loop(job: Job) -> None:
        async with reported(_ignore, CLOCK) as progress:
            while not job.status.final:
                await anyio.sleep(LOOP_SECONDS)
                request_id = job.request_id or ""
                job = (await service.status(request_id, wait_seconds=0, watch=progress)).job
        saw(job)

    async with reported(_ignore, CLOCK) as progress:
        report = await service.buy(order, wait_seconds=0, watch=progress)
    for _ in range(2):
        tasks.start_soon(loop, report.job)


WAYS: dict[str, Way] = {way.__name__: way for way in (one_poller_a_job, one_loop_a_waiter)}


async def measured(way: Way, settings: Settings, model: Model) -> Seen:
    """Buy all jobs, wait for them and measure."""
    server = build_server(settings)
    seen = Seen()
    async with server.lifespan(server) as lazy_service:
        service = await lazy_service.of(MACHINE_USER)

        def saw(job: Job) -> None:
            if job.status.final:
                seen.ends.append((job.request_id or "", time.monotonic()))

        wall, cpu = time.monotonic(), time.process_time()
        async with anyio.create_task_group() as tasks:
            for number in range(JOBS):
                order = Order(model=model, arguments=_arguments(model, number))
                tasks.start_soon(way, service, order, saw, tasks)
        seen.wall_seconds = time.monotonic() - wall
        seen.cpu_seconds = time.process_time() - cpu
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    seen.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return seen


async def _learned(settings: Settings, model: Model) -> None:
    """Record earlier jobs of the same kind, each seen running at its first poll."""
    store = SqliteStore(
        settings.state_dir, CLOCK, origin=settings.base_url, history=timedelta(days=1)
    )
    for number, seconds in enumerate(BEFORE):
        ended = utc_now() - timedelta(hours=2)
        begun = ended - timedelta(seconds=seconds)
        job = Job(
            id=f"earlier-{number}",
            model_id=model.model_id,
            arguments=_arguments(model, -1 - number),
            owner=settings.base_url,
            created_at=begun,
        )
        job = await store.begin(job, reuse_since=None, limits=SpendingLimits(jobs_per_hour=MANY))
        job = await store.observe(job, Accepted(request_id=job.id), begun)
        job = await store.observe(job, Running(), begun + timedelta(seconds=FIRST_SECONDS))
        outputs = Outputs(videos=("https://a.example/clip.mp4",))
        await store.observe(job, Succeeded(outputs=outputs, looked_at=ended), ended)
    store.close()


def _arguments(model: Model, number: int) -> JSONObject:
    """Return arguments that no other job has, with the defaults, as the tools pass them."""
    defaults = {name: model.properties[name]["default"] for name in model.settings}
    image = "https://images.example/lake.jpg"
    return {**defaults, "prompt": f"Mist, {number}.", "first_frame_image_url": image}


async def _ignore(progress: float, total: float | None = None, message: str | None = None) -> None:
    """Ignore a progress notification."""


async def main(way: str, url: str, token: str) -> None:
    """Measure one way of waiting, and print the result."""
    model = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
    with tempfile.TemporaryDirectory(prefix="seedance-benchmark-") as folder:
        chosen: dict[str, Any] = {
            "token": token,
            "base_url": url,
            "state_dir": Path(folder),
            "max_jobs_per_hour": MANY,
            "check_images": False,
        }
        settings = Settings(**chosen)
        await _learned(settings, model)
        print(json.dumps(asdict(await measured(WAYS[way], settings, model))))


if __name__ == "__main__":
    _, way, url, token = sys.argv
    anyio.run(main, way, url, token)
