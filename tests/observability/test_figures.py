"""The figures for Prometheus, as a scraper of a real server sees them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import anyio
import httpx
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client
from prometheus_client.parser import text_string_to_metric_families

from seedance_mcp.errors import LedgerError
from seedance_mcp.mcp_server.transports._figures_page import MAX_AGE_SECONDS, FiguresPage
from seedance_mcp.observability.figures import Figures, LedgerFigures
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.server_process import Servers, account
from tests.support.timeouts import NEVER_SECONDS, TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

SERVE = ["serve", "--transport", "http", "--port", "0", "--metrics-port", "0"]


def samples(page: str) -> dict[str, float]:
    """Return the counts of a page by name and labels: no buckets, and nothing that time changes."""
    return {
        " ".join([name.removeprefix("seedance_mcp_"), *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        for name in [sample.name]
        if not name.endswith(("_bucket", "_created", "_sum")) and not name.startswith("process_")
    }


async def test_a_scraper_sees_calls_jobs_requests_and_what_was_spent(
    servers: Servers, tmp_path: Path
) -> None:
    behaviour = Behaviour(images="never", queue_seconds=0, run_seconds=0.01)
    async with running(behaviour) as simulator:
        simulator.faults.append(Fault.answer("cancel", 418))
        env = account(simulator, tmp_path)
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with servers.start(SERVE, env, stderr=PIPE) as process:
                assert process.stderr
                said = BufferedByteReceiveStream(process.stderr)
                lines = [(await said.receive_until(b"\n", 200)).decode() for _ in range(2)]
                figures, url = (line.split(" on ")[1] for line in lines)
                async with Client(url) as client:
                    await client.call_tool("generate_video", ARGUMENTS)
                    await client.call_tool("cancel_job", {"request_id": "r-1"})
                async with httpx.AsyncClient() as http:
                    answer = await http.get(figures)
                    elsewhere = await http.get(figures.removesuffix("/metrics"))
                    posted = await http.post(figures)
                process.terminate()
                assert await process.wait() == 0
    assert (answer.status_code, elsewhere.status_code, posted.status_code) == (200, 404, 405)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert samples(answer.text) == {
        "build_info 0.1.0": 1,
        "call_duration_seconds_count ok generate_video": 1,
        "call_duration_seconds_count error cancel_job": 1,
        "waits": 0,
        "upstream_request_duration_seconds_count GET 200": 3,
        "upstream_request_duration_seconds_count POST 200": 1,
        "upstream_request_duration_seconds_count POST 418": 1,
        "purchases_total accepted": 1,
        "spent_usd_total": 0.2,
        "discovery_lag_seconds_count": 1,
        "ledger_up": 1,
        "jobs submitting": 0,
        "jobs unknown": 0,
        "jobs in_queue": 0,
        "jobs in_progress": 0,
        "jobs completed": 1,
        "jobs failed": 0,
        "jobs cancelled": 0,
        "spent_last_day_usd": 0.2,
        "unpriced_last_day_jobs": 0,
    }
    assert "process_resident_memory_bytes" in answer.text
    assert simulator.token not in answer.text


@pytest.mark.virtual_time
async def test_a_ledger_that_cannot_be_read_takes_no_other_figure_away() -> None:
    reads: Iterator[LedgerFigures | Exception | float] = iter(
        [
            LedgerFigures(jobs={"failed": 1}, spent_usd=0.25, unpriced=3),
            LedgerError("It is gone."),
            NEVER_SECONDS,
            LedgerFigures(jobs={"failed": 2}, spent_usd=0.5, unpriced=0),
        ]
    )

    async def read() -> LedgerFigures:
        match next(reads):
            case LedgerFigures() as figures:
                return figures
            case Exception() as error:
                raise error
            case seconds:
                await anyio.sleep(seconds)
                raise AssertionError

    seen: list[tuple[float, ...]] = []
    transport = httpx.ASGITransport(FiguresPage(Figures(), read))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
        for _ in range(4):
            for _ in range(2):  # the second one does not read
                page = samples((await http.get("/metrics")).text)
                named = ("ledger_up", "jobs failed", "spent_last_day_usd", "waits")
                seen.append(tuple(page[name] for name in named))
            await anyio.sleep(MAX_AGE_SECONDS)
    each = [(1, 1, 0.25, 0), (0, 1, 0.25, 0), (0, 1, 0.25, 0), (1, 2, 0.5, 0)]
    assert seen == [figures for figures in each for _ in range(2)]


@pytest.mark.parametrize(("status", "label"), [(200, "200"), (None, "none"), (799, "other")])
def test_a_status_that_does_not_exist_is_no_figure_of_its_own(
    status: int | None, label: str
) -> None:
    figures = Figures()
    figures.request_ended("GET", status, 0.5)
    page, _ = figures.page(None, "")
    assert f"upstream_request_duration_seconds_count GET {label}" in samples(page.decode())


def test_without_its_package_the_start_says_what_to_install() -> None:
    code = (
        "import sys\n"
        "sys.modules['prometheus_client'] = None\n"
        "from seedance_mcp.errors import ConfigurationError\n"
        "from seedance_mcp.observability.figures import Figures\n"
        "try: Figures()\n"
        "except ConfigurationError as error: print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.stdout == (
        "--metrics-port needs prometheus-client, which is not installed:"
        " pip install 'seedance-mcp[observability]'.\n"
    )
