"""Without a usable ledger nothing is bought, and clips that are paid for stay reachable."""

import sqlite3
import stat
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from mcp import Client

from seedance_mcp.clock import Clock
from seedance_mcp.ledger.sqlite._processes import LiveProcesses
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import Simulator
from tests.support.broken_ledgers import BROKEN
from tests.support.client import structured, text
from tests.support.restarting_server import generate, list_jobs, open_server, run_simulator
from tests.support.virtual_time import virtual_now

STOPPING = (
    "The server is shutting down; repeat the call once it is running again. Nothing was charged."
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


@pytest.mark.parametrize(("breaks", "says"), BROKEN)
async def test_a_broken_ledger_buys_nothing_and_hides_no_clip(
    breaks: Callable[[Path], None], says: str, tmp_path: Path
) -> None:
    async with run_simulator() as simulator:
        async with open_server(simulator, tmp_path / "good") as client:
            request_id = structured(await generate(client))["request_id"]
        (tmp_path / "bad").mkdir()
        breaks(tmp_path / "bad" / "ledger.db")
        before = (tmp_path / "bad" / "ledger.db").read_bytes()
        async with open_server(simulator, tmp_path / "bad") as client:
            made = await generate(client)
            assert (made.is_error, says in text(made)) == (True, True)
            assert text(made).endswith(" Nothing was charged.")
            assert (await client.call_tool("list_jobs", {})).is_error
            result = await client.call_tool("get_result", {"request_id": request_id})
            assert (result.is_error, len(structured(result)["videos"])) == (False, 1)
        assert len(simulator.accepted) == 1
        assert (tmp_path / "bad" / "ledger.db").read_bytes() == before


@asynccontextmanager
async def locked(
    folder: Path, how: str = "EXCLUSIVE", *, after: float, seconds: float
) -> AsyncGenerator[None, None]:
    """Lock the ledger as another program would, after a while and for a while."""

    async def lock() -> None:
        await anyio.sleep(after)
        with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as other:
            other.execute(f"BEGIN {how}")
            other.execute("SELECT count(*) FROM jobs").fetchone()
            await anyio.sleep(seconds)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lock)
        yield


@asynccontextmanager
async def locked_before_the_answer(
    simulator: Simulator, folder: Path, *, seconds: float
) -> AsyncGenerator[None, None]:
    """Run a server whose call is cancelled, and lock its ledger before RunComfy answers.

    Yield once the server has ended, while the lock lasts.
    """
    async with open_server(simulator, folder) as client:
        await list_jobs(client)
    simulator.faults.append(Fault.delay("submit", 1.2))
    async with locked(folder, after=1.1, seconds=seconds):
        async with open_server(simulator, folder) as client:
            with anyio.move_on_after(1):
                await generate(client)
            await anyio.sleep(0.3)
        yield


@pytest.mark.parametrize("how", ["EXCLUSIVE", "DEFERRED"])
@pytest.mark.parametrize("wait_seconds", [0, 20])
async def test_an_id_that_cannot_be_recorded_still_reaches_the_caller(
    wait_seconds: int, how: str, tmp_path: Path
) -> None:
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, tmp_path) as client,
    ):
        await list_jobs(client)
        simulator.faults.append(Fault.delay("submit", 3))
        made: dict[str, Any] = {}
        # The answer comes after 8 s at the earliest, and must come before the lock ends.
        locked_seconds = max(wait_seconds, 8) + 2
        async with locked(tmp_path, how, after=1, seconds=locked_seconds):
            made |= structured(await generate(client, wait_seconds=wait_seconds))
            assert anyio.current_time() < min(22, 1 + locked_seconds)
        request_id = simulator.accepted[0].request_id
        assert made["request_id"] == request_id
        await anyio.sleep(5)
        assert [job["request_id"] for job in await list_jobs(client)] == [request_id]


async def test_an_id_that_turns_out_to_be_another_jobs_is_not_polled_for_it(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    async with (
        run_simulator(run_seconds=600) as simulator,
        open_server(simulator, tmp_path) as client,
        anyio.create_task_group() as tasks,
    ):
        first = structured(await generate(client, prompt="The first.", wait_seconds=0))
        body = b'{"request_id": "%s"}' % first["request_id"].encode()
        simulator.faults.append(Fault.answer("submit", 200, body=body))

        async def lock_before_the_answer_is_recorded() -> None:
            while sum(seen.route == "submit" for seen in simulator.requests) < 2:
                await anyio.lowlevel.checkpoint()
            async with locked(tmp_path, after=0, seconds=9):
                pass

        tasks.start_soon(lock_before_the_answer_is_recorded)
        made = structured(await generate(client, wait_seconds=40))
        assert (made["request_id"], made["status"]) == (None, "unknown")
        assert {(job["request_id"], job["status"]) for job in await list_jobs(client)} == {
            (first["request_id"], "in_progress"),
            (None, "unknown"),
        }
        assert "broke" not in caplog.text


async def test_the_id_of_a_paid_request_is_logged_before_it_is_written_down(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("INFO", logger="seedance_mcp")
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, tmp_path) as client,
    ):
        await list_jobs(client)
        simulator.faults.append(Fault.delay("submit", 3))
        async with locked(tmp_path, after=1, seconds=4):
            with anyio.move_on_after(4):
                await generate(client)
            (bought,) = simulator.accepted
            assert any(bought.request_id in record.getMessage() for record in caplog.records)


async def test_the_id_of_a_cancelled_call_is_recorded_once_the_ledger_is_free(
    tmp_path: Path,
) -> None:
    async with run_simulator(run_seconds=30) as simulator:
        async with open_server(simulator, tmp_path) as client:
            await list_jobs(client)
            simulator.faults.append(Fault.delay("submit", 3))
            async with locked(tmp_path, after=1, seconds=20):
                with anyio.move_on_after(2):
                    await generate(client)
            await anyio.sleep(5)
        (bought,) = simulator.accepted
        async with open_server(simulator, tmp_path) as client:
            again = structured(await generate(client, wait_seconds=0))
            assert (again["request_id"], again["reused"]) == (bought.request_id, True)
            assert [job["request_id"] for job in await list_jobs(client)] == [bought.request_id]


async def test_an_id_that_comes_during_shutdown_is_recorded_after_a_short_lock(
    tmp_path: Path,
) -> None:
    async with run_simulator(run_seconds=30) as simulator:
        async with locked_before_the_answer(simulator, tmp_path, seconds=0.4):
            assert anyio.current_time() == pytest.approx(1.5, abs=0.1)
        async with open_server(simulator, tmp_path) as client:
            assert [job["request_id"] for job in await list_jobs(client)] == [
                simulator.accepted[0].request_id
            ]


async def test_nothing_is_bought_once_the_server_shuts_down(tmp_path: Path) -> None:
    async with run_simulator(run_seconds=30) as simulator:
        account: dict[str, Any] = {"token": simulator.token, "base_url": simulator.url}
        settings = Settings(**account, state_dir=tmp_path, check_images=False)
        server = build_server(settings, clock=Clock(now=virtual_now, random=lambda: 0.5))
        told: list[str] = []
        async with Client(server, mode="legacy") as client:
            assert await list_jobs(client) == []
            # The call waits for the ledger beyond the server's last second.
            async with (
                locked(tmp_path, "IMMEDIATE", after=0, seconds=3),
                anyio.create_task_group() as tasks,
            ):

                async def call() -> None:
                    told.append(text(await generate(client)))

                await anyio.sleep(1)
                tasks.start_soon(call)
                await anyio.sleep(0.1)
                await server.finish_calls()
        assert (told, simulator.accepted) == ([STOPPING], [])
        async with open_server(simulator, tmp_path) as client:
            assert await list_jobs(client) == []


async def test_a_server_ends_in_time_although_an_id_cannot_be_recorded(
    tmp_path: Path,
) -> None:
    async with run_simulator(run_seconds=30) as simulator:
        async with locked_before_the_answer(simulator, tmp_path, seconds=60):
            # A client kills a server that takes longer than a second or two.
            assert anyio.current_time() < 1.3 + 1
        async with open_server(simulator, tmp_path) as client:
            assert [job["status"] for job in await list_jobs(client)] == ["unknown"]


async def test_a_rejected_request_that_cannot_be_removed_yet_delays_no_other_call(
    tmp_path: Path,
) -> None:
    async with (
        run_simulator(balance_usd=0) as simulator,
        open_server(simulator, tmp_path) as client,
    ):
        await list_jobs(client)
        simulator.faults.append(Fault.delay("submit", 3))
        async with locked(tmp_path, after=1, seconds=20):
            refused = await generate(client, wait_seconds=0)
            assert text(refused).endswith("Nothing was charged.")
        simulator.behaviour.balance_usd = 100
        await anyio.sleep(5)
        with anyio.fail_after(5):
            made = structured(await generate(client, wait_seconds=0))
        assert [job.request_id for job in simulator.accepted] == [made["request_id"]]
        assert [job["request_id"] for job in await list_jobs(client)] == [made["request_id"]]


async def test_a_call_that_waits_for_another_server_does_not_claim_that_nothing_was_charged(
    tmp_path: Path,
) -> None:
    answers: list[dict[str, Any]] = []
    async with (
        run_simulator(run_seconds=30) as simulator,
        open_server(simulator, tmp_path) as one,
        open_server(simulator, tmp_path) as other,
    ):
        await list_jobs(one)
        await list_jobs(other)
        simulator.faults.append(Fault.delay("submit", 2, after=True))

        async def call(client: Client) -> None:
            answers.append(structured(await generate(client, wait_seconds=0)))

        async with (
            locked(tmp_path, after=1.5, seconds=9),
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(call, one)
            await anyio.sleep(1)
            tasks.start_soon(call, other)
        (bought,) = simulator.accepted
        assert [(told["request_id"], told["reused"]) for told in answers] == [
            (bought.request_id, False),
            (bought.request_id, True),
        ]


@pytest.mark.parametrize("wait_seconds", [0, 10])
async def test_a_call_waits_only_for_a_time_for_the_request_of_a_process_that_hangs(
    wait_seconds: int, tmp_path: Path
) -> None:
    async with run_simulator() as simulator, open_server(simulator, tmp_path) as client:
        with anyio.move_on_after(0.5):
            simulator.faults.append(Fault.drop("submit"))
            await generate(client)
        with (
            closing(LiveProcesses(tmp_path / "processes", 7)) as hung,
            closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger,
        ):
            ledger.execute("UPDATE jobs SET status = 'submitting', process = ?", (hung.process,))
            ledger.commit()
            with anyio.fail_after((wait_seconds or 45) + 1):
                told = structured(await generate(client, wait_seconds=wait_seconds))
        assert (told["status"], told["reused"]) == ("submitting", True)
        assert simulator.accepted == []


async def test_a_job_from_elsewhere_that_came_while_the_ledger_was_locked_is_listed(
    tmp_path: Path,
) -> None:
    async with run_simulator(run_seconds=100) as simulator:
        async with open_server(simulator, tmp_path / "there") as client:
            request_id = structured(await generate(client, wait_seconds=0))["request_id"]
        async with open_server(simulator, tmp_path / "here") as client:
            await list_jobs(client)
            simulator.faults.append(Fault.delay("status", 3))
            async with locked(tmp_path / "here", after=0, seconds=10):
                await anyio.sleep(0.1)
                asked = {"request_id": request_id, "wait_seconds": 40}
                await client.call_tool("check_status", asked)
            assert [job["request_id"] for job in await list_jobs(client)] == [request_id]


async def test_a_ledger_that_stays_locked_delays_answers_from_runcomfy_once(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=600) as simulator,
        open_server(simulator, tmp_path) as client,
    ):
        request_id = structured(await generate(client, wait_seconds=0))["request_id"]
        answers: list[tuple[str, float]] = []
        async with locked(tmp_path, after=0, seconds=20):
            await anyio.sleep(0.1)
            for _ in range(2):
                started = anyio.current_time()
                asked = {"request_id": request_id, "wait_seconds": 0}
                told = structured(await client.call_tool("check_status", asked))
                answers.append((told["status"], anyio.current_time() - started))
        # The call waits for a lock that may end any moment, the next one no more.
        (first, slow), (second, quick) = answers
        assert (first, second) == ("in_progress", "in_progress")
        assert 5 < slow < 7
        assert quick < 3
        started = anyio.current_time()
        assert [job["request_id"] for job in await list_jobs(client)] == [request_id]
        assert anyio.current_time() - started < 1


async def test_an_acknowledgement_that_a_locked_ledger_refused_is_written_by_the_next_call(
    tmp_path: Path,
) -> None:
    async with (
        run_simulator(run_seconds=600) as simulator,
        open_server(simulator, tmp_path) as client,
    ):
        request_id = structured(await generate(client, wait_seconds=0))["request_id"]
        asked = {"request_id": request_id, "wait_seconds": 0}
        async with locked(tmp_path, after=0, seconds=60):
            await anyio.sleep(0.1)
            await client.call_tool("check_status", asked)
        again = structured(await generate(client, wait_seconds=0))
        assert (again["request_id"], again["reused"]) == (request_id, True)
        for _ in range(2):
            await client.call_tool("check_status", asked)
        another = structured(await generate(client, wait_seconds=0))
        assert (another["request_id"] != request_id, another["reused"]) == (True, False)
        assert len(simulator.accepted) == 2


async def test_a_ledger_that_others_can_read_becomes_private(
    tmp_path: Path,
) -> None:
    (tmp_path / "ledger.db").touch(mode=0o644)
    async with run_simulator() as simulator, open_server(simulator, tmp_path) as client:
        await generate(client, wait_seconds=0)
    assert stat.S_IMODE((tmp_path / "ledger.db").stat().st_mode) == 0o600
