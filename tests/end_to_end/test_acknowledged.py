"""A job is handed back until a later call carries its request_id: an answer sent is no receipt."""

from pathlib import Path

import anyio
import pytest
from mcp import Client

from tests.support.client import structured
from tests.support.restarting_server import generate, open_server, run_simulator

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


@pytest.mark.parametrize("look", ["list_jobs", "generate_video", "check_status", "seedance://jobs"])
async def test_a_call_that_gave_up_gets_its_job_back_whatever_another_window_looked_at(
    look: str, tmp_path: Path
) -> None:
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, tmp_path) as waiting,
        open_server(simulator, tmp_path) as other,
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_look, other, look)
            with anyio.move_on_after(7):
                await generate(waiting)
        await anyio.sleep(60)
        again = structured(await generate(waiting, wait_seconds=0))
        assert [job.request_id for job in simulator.accepted] == [again["request_id"]]
        assert again["reused"] is True


async def _look(client: Client, how: str) -> None:
    """Look at the newest job in one way, while a call in another window waits for it."""
    await anyio.sleep(3)
    (job,) = structured(await client.call_tool("list_jobs", {}))["jobs"]
    match how:
        case "generate_video":
            again = structured(await generate(client, wait_seconds=0))
            assert (again["request_id"], again["reused"]) == (job["request_id"], True)
        case "check_status":
            await client.call_tool(how, {"request_id": job["request_id"], "wait_seconds": 0})
        case "seedance://jobs":
            await client.read_resource(f"{how}/{job['request_id']}")
        case _:
            pass
