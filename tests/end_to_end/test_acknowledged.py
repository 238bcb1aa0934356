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


@pytest.mark.parametrize(
    "teller", ["generate_video", "check_status", "get_result", "seedance://jobs", "list_jobs"]
)
async def test_a_failure_is_owed_in_every_window_until_one_was_told_by_more_than_a_list(
    teller: str, tmp_path: Path
) -> None:
    async with (
        run_simulator(run_seconds=10, outcome="fail") as simulator,
        open_server(simulator, tmp_path) as waiting,
        open_server(simulator, tmp_path) as other,
    ):
        with anyio.move_on_after(5):
            await generate(waiting)
        await anyio.sleep(10)
        failed = simulator.accepted[0].request_id
        if teller == "generate_video":
            assert structured(await generate(other, wait_seconds=20))["status"] == "failed"
        elif teller == "seedance://jobs":
            await other.read_resource(f"{teller}/{failed}")
        else:
            await other.call_tool(teller, {} if teller == "list_jobs" else {"request_id": failed})
        again = structured(await generate(waiting, wait_seconds=0))
        assert (again["request_id"] == failed) is (teller == "list_jobs")
        assert again["reused"] is (teller == "list_jobs")


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
