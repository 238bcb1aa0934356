"""Where the ledger cannot be had nothing is bought, and no clip that is paid for is hidden."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator import Behaviour, Fault, running

from .broken_ledgers import BROKEN
from .door import ARGUMENTS, VIRTUAL_TIME, facts, text
from .restarts import generate, listed, server, simulated
from .server_process import START_SECONDS, environment, started

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


@pytest.mark.parametrize(("breaks", "says"), BROKEN)
async def test_a_broken_ledger_buys_nothing_and_hides_no_clip(
    breaks: Callable[[Path], None], says: str, tmp_path: Path
) -> None:
    async with simulated() as simulator:
        async with server(simulator, tmp_path / "good") as client:
            request_id = facts(await generate(client))["request_id"]
        (tmp_path / "bad").mkdir()
        breaks(tmp_path / "bad" / "ledger.db")
        before = (tmp_path / "bad" / "ledger.db").read_bytes()
        async with server(simulator, tmp_path / "bad") as client:
            made = await generate(client)
            assert (made.is_error, says in text(made)) == (True, True)
            assert text(made).endswith(" Nothing was charged.")
            assert (await client.call_tool("list_jobs", {})).is_error
            result = await client.call_tool("get_result", {"request_id": request_id})
            assert (result.is_error, len(facts(result)["videos"])) == (False, 1)
        assert len(simulator.accepted) == 1
        assert (tmp_path / "bad" / "ledger.db").read_bytes() == before


async def test_an_id_that_cannot_be_written_down_reaches_the_caller_all_the_same(
    tmp_path: Path,
) -> None:
    async with simulated(run_seconds=60) as simulator, server(simulator, tmp_path) as client:
        simulator.faults.append(Fault.delay("submit", 3))
        locked = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)

        async def lock() -> None:
            await anyio.sleep(1)
            locked.execute("BEGIN EXCLUSIVE")

        made: dict[str, Any] = {}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lock)
            made = facts(await generate(client, wait_seconds=0))
            locked.close()
        request_id = simulator.accepted[0].request_id
        assert (made["request_id"], made["status"]) == (request_id, "in_queue")
        await client.call_tool("check_status", {"request_id": request_id, "wait_seconds": 90})
        assert [job["request_id"] for job in await listed(client, status="completed")] == [
            request_id
        ]


class TestAsAProcess:
    """The same with the server as a real process, in real time."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.mark.parametrize("why", ["full", "read-only"])
    async def test_where_nothing_can_be_written_nothing_is_bought(
        self, why: str, tmp_path: Path
    ) -> None:
        async with running(Behaviour(pictures="never")) as simulator:
            state = tmp_path / "state" if why == "full" else Path("/sys/seedance-test")
            env = environment(
                tmp_path, RUNCOMFY_API_TOKEN=simulator.token, RUNCOMFY_API_BASE_URL=simulator.url
            ) | {"SEEDANCE_STATE_DIR": str(state), "PYTHONDONTWRITEBYTECODE": "1"}
            # No file may grow beyond 8 KB: a full disk, as far as a program can tell.
            limit = ("prlimit", "--fsize=8192") if why == "full" else ()
            with anyio.fail_after(START_SECONDS):
                async with started(env, wrapper=limit) as pipes:
                    await pipes.initialize()
                    params = {"name": "generate_video", "arguments": ARGUMENTS}
                    result = (await pipes.request(1, "tools/call", params))["result"]
            assert result["isError"] is True
            line = result["content"][0]["text"]
            assert line.startswith(f"The ledger {'in ' if why != 'full' else ''}{state}")
            assert line.endswith(" Nothing was charged.")
            assert (simulator.accepted, simulator.requests) == ([], [])
