"""A task that its client stops: what runs on is said, and is never bought again; in virtual time.

Claude Code sends `tasks/cancel` and tells the model that the task is stopped, whatever the answer.
"""

from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from seedance_mcp.simulator.faults import Fault
from tests.support.client import ARGUMENTS, structured
from tests.support.restarting_server import generate, open_server, run_simulator
from tests.support.task_client import TaskPolling, ask_about_task, start_task
from tests.support.wording import DID_NOT_ANSWER, REUSED

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

KNOWING: dict[str, Any] = {"mode": "auto", "extensions": [TaskPolling()]}
RUNS_ON = "The clip could not be cancelled and still runs; it will be charged."
ENDED = "The job ended before it could be cancelled."


async def stop(client: Client, task_id: str) -> None:
    """Stop a task as Claude Code does."""
    for _ in range(2):
        await ask_about_task(client.session, "cancel", task_id)


async def state(client: Client, task_id: str) -> dict[str, Any]:
    return await ask_about_task(client.session, "get", task_id)


async def test_the_same_call_gets_a_stopped_task_back_that_runs_on_and_hears_so(
    tmp_path: Path,
) -> None:
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, tmp_path, **KNOWING) as client,
    ):
        task_id = (await start_task(client, ARGUMENTS)).task_id
        await anyio.sleep(6)
        assert (await state(client, task_id))["statusMessage"] == "in progress, 6 s"
        await stop(client, task_id)
        working = await state(client, task_id)
        assert (working["status"], working["statusMessage"]) == (
            "working",
            f"in progress, 6 s; {RUNS_ON}",
        )
        again = (await start_task(client, ARGUMENTS)).wire()
        assert (again["taskId"], again["status"], again["statusMessage"]) == (
            task_id,
            "working",
            f"in progress, 6 s; {REUSED} {RUNS_ON}",
        )
        await anyio.sleep(60)
        ended = (await state(client, task_id))["result"]["structuredContent"]
        assert (ended["status"], ended["reused"], ended["warnings"]) == (
            "completed",
            True,
            [REUSED, ENDED],
        )
        assert len(simulator.accepted) == 1


async def test_check_status_says_that_a_stopped_task_runs_on(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, tmp_path, **KNOWING) as client,
    ):
        task_id = (await start_task(client, ARGUMENTS)).task_id
        await anyio.sleep(6)
        await stop(client, task_id)
        arguments = {"request_id": task_id, "wait_seconds": 0}
        checked = structured(await client.call_tool("check_status", arguments))
        assert (checked["status"], checked["warnings"]) == ("in_progress", [RUNS_ON])


async def test_a_stop_that_runcomfy_did_not_answer_is_said_too(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, tmp_path, **KNOWING) as client,
    ):
        task_id = (await start_task(client, ARGUMENTS)).task_id
        await anyio.sleep(6)
        simulator.faults.append(Fault.drop("cancel", times=2))
        with pytest.raises(Exception, match=DID_NOT_ANSWER):
            await ask_about_task(client.session, "cancel", task_id)
        again = (await start_task(client, ARGUMENTS)).wire()
        assert again["taskId"] == task_id
        why = f"{REUSED} Cancelling the clip failed ({DID_NOT_ANSWER}"
        assert why in again["statusMessage"]
        assert again["statusMessage"].endswith("), so it may still run and be charged.")
        assert len(simulator.accepted) == 1


async def test_the_same_call_buys_again_after_a_task_was_cancelled(tmp_path: Path) -> None:
    async with (
        run_simulator(queue_seconds=60, run_seconds=60) as simulator,
        open_server(simulator, tmp_path, **KNOWING) as client,
    ):
        task_id = (await start_task(client, ARGUMENTS)).task_id
        await stop(client, task_id)
        again = (await start_task(client, ARGUMENTS)).wire()
        assert (again["taskId"] == task_id, again["statusMessage"]) == (False, "in queue, 0 s")
        stopped = await state(client, task_id)
        assert (stopped["status"], stopped["statusMessage"]) == ("cancelled", "cancelled, 0 s")
        assert len(simulator.accepted) == 2


async def test_a_stop_after_the_end_hands_over_the_clip_to_the_same_call(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=10) as simulator,
        open_server(simulator, tmp_path, **KNOWING) as client,
    ):
        task_id = (await start_task(client, ARGUMENTS)).task_id
        await anyio.sleep(20)
        await stop(client, task_id)
        again = structured(await generate(client))
        assert (again["request_id"], again["status"], again["warnings"]) == (
            task_id,
            "completed",
            [REUSED, ENDED],
        )
        assert len(simulator.accepted) == 1


async def test_a_stop_in_another_window_takes_the_job_from_neither(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, tmp_path, **KNOWING) as client,
        open_server(simulator, tmp_path, **KNOWING) as other,
    ):
        task_id = (await start_task(client, ARGUMENTS)).task_id
        await anyio.sleep(6)
        await stop(other, task_id)
        assert (await state(client, task_id))["statusMessage"] == "in progress, 6 s"
        said = {
            (again.task_id, again.wire()["statusMessage"])
            for again in [await start_task(one, ARGUMENTS) for one in (client, other)]
        }
        assert said == {
            (task_id, f"in progress, 6 s; {REUSED}"),
            (task_id, f"in progress, 6 s; {REUSED} {RUNS_ON}"),
        }
        assert len(simulator.accepted) == 1
