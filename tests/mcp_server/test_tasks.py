"""The Tasks extension, in virtual time: what a task reports, who gets one, what is refused."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client.extension import ClientExtension, advertise
from mcp.shared.exceptions import MCPError
from mcp_types import Request

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.status import Outputs, Succeeded
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.mcp_server.apps.declared import APPS
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import Simulator
from tests.support import restarting_server
from tests.support.apps_client import JOB_META
from tests.support.client import ARGUMENTS, IMAGE_URL, ToolClient, open_client, structured, text
from tests.support.task_client import (
    MISSING,
    TASKS,
    TaskPolling,
    Wire,
    ask_about_task,
    refused_request,
    start_task,
)
from tests.support.virtual_time import virtual_now
from tests.support.wording import DID_NOT_ANSWER, NO_TOKEN, READS_COST

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

MODERN = "auto"
DAY_MS = 24 * 3600 * 1000
VERBS = ("get", "cancel", "update")
ACKNOWLEDGED = {"resultType": "complete"}


def knowing(
    behaviour: Behaviour | None = None,
    *,
    mode: str = MODERN,
    extensions: Sequence[ClientExtension] | None = None,
    **settings: Any,
) -> AbstractAsyncContextManager[ToolClient, bool | None]:
    """Open a server with a client that declares the extension, unless told otherwise."""
    known = [TaskPolling()] if extensions is None else extensions
    return open_client(behaviour, mode=mode, extensions=known, **settings)


async def asked(client: ToolClient, verb: str, task_id: str, **params: Any) -> dict[str, Any]:
    return await ask_about_task(client.mcp.session, verb, task_id, **params)


async def test_a_task_takes_one_tool_call_and_polls_at_the_advised_interval() -> None:
    polling = TaskPolling()
    async with knowing(
        Behaviour(queue_seconds=20, run_seconds=100), extensions=[polling]
    ) as client:
        result = await client.generate(wait_seconds=1)
        (job,) = client.simulator.accepted
        assert not result.is_error
        assert structured(result) == {
            "request_id": job.request_id,
            "model_id": "bytedance/seedance-1-0/lite/image-to-video",
            "status": "completed",
            "queue_position": None,
            "elapsed_seconds": pytest.approx(120, abs=5),
            "video_url": f"{client.simulator.url}/outputs/{job.request_id}.mp4",
            "estimated_cost_usd": 0.2,
            "spent_24h_usd": 0.2,
            "error": None,
            "reused": False,
            "warnings": [],
            "next_step": (
                f"Call get_result with request_id {job.request_id} and download true: {READS_COST}"
            ),
        }
        assert text(result).startswith(f"request_id: {job.request_id}; ")
        assert [created.task_id for created in polling.created] == [job.request_id]
        assert client.paths().count("status") == len(polling.states)
        pauses = [state.get("pollIntervalMs") for state in polling.states]
        assert pauses[-1] is None
        assert all(isinstance(pause, int) and 800 <= pause <= 15_000 for pause in pauses[:-1])


async def test_a_task_is_returned_as_soon_as_the_job_has_its_id() -> None:
    async with knowing(Behaviour(queue_seconds=20, run_seconds=100)) as client:
        created = await start_task(client.mcp, ARGUMENTS)
        assert anyio.current_time() < 1
        assert created.wire() == {
            "resultType": "task",
            "taskId": client.simulator.accepted[0].request_id,
            "status": "working",
            "statusMessage": "in queue, 0 s",
            "createdAt": "2026-01-01T00:00:00Z",
            "lastUpdatedAt": "2026-01-01T00:00:00Z",
            "ttlMs": 90 * DAY_MS,
            "pollIntervalMs": 2000,
        }


async def test_a_task_reports_the_queue_the_run_and_the_clip() -> None:
    behaviour = Behaviour(queue_seconds=20, run_seconds=100)
    async with knowing(behaviour, history_days=2) as client:
        task_id = (await start_task(client.mcp, ARGUMENTS)).task_id
        common = {
            "resultType": "complete",
            "taskId": task_id,
            "createdAt": "2026-01-01T00:00:00Z",
            "ttlMs": 2 * DAY_MS,
        }
        await anyio.sleep(10)
        assert await asked(client, "get", task_id) == common | {
            "status": "working",
            "statusMessage": "in queue, position 0, 10 s",
            "lastUpdatedAt": "2026-01-01T00:00:10Z",
            "pollIntervalMs": 2000,
        }
        await anyio.sleep(50)
        assert await asked(client, "get", task_id) == common | {
            "status": "working",
            "statusMessage": "in progress, 60 s",
            "lastUpdatedAt": "2026-01-01T00:01:00Z",
            "pollIntervalMs": 12_000,
        }
        await anyio.sleep(100)
        state = await asked(client, "get", task_id)
        result = state.pop("result")
        assert state == common | {
            "status": "completed",
            "statusMessage": "completed, 160 s",
            "lastUpdatedAt": "2026-01-01T00:02:40Z",
        }
        status = await client.call("check_status", request_id=task_id, wait_seconds=0)
        ordinary = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        # The SDK adds the server's name to what is no part of a task.
        ordinary["_meta"] = {JOB_META: ordinary["_meta"][JOB_META]}
        assert result == ordinary
        await anyio.sleep(1000)
        assert await asked(client, "get", task_id) == {**state, "result": result}


async def test_a_job_that_failed_is_a_completed_task_whose_result_is_an_error() -> None:
    async with knowing(Behaviour(run_seconds=3, outcome="fail")) as client:
        task_id = (await start_task(client.mcp, ARGUMENTS)).task_id
        await anyio.sleep(5)
        state = await asked(client, "get", task_id)
        assert (state["status"], state["result"]["isError"]) == ("completed", True)
        assert state["statusMessage"] == (
            'failed, 5 s; RunComfy says: "The model could not make this clip."'
        )
        assert state["result"]["structuredContent"]["status"] == "failed"
        assert "error" not in state


async def test_a_queued_task_is_cancelled_and_stays_cancelled() -> None:
    async with knowing(Behaviour(queue_seconds=60, run_seconds=60)) as client:
        task_id = (await start_task(client.mcp, ARGUMENTS)).task_id
        assert await asked(client, "cancel", task_id) == ACKNOWLEDGED
        for _ in range(2):
            state = await asked(client, "get", task_id)
            assert (state["status"], state["statusMessage"]) == ("cancelled", "cancelled, 0 s")
            assert not {"result", "error", "pollIntervalMs"} & set(state)
            assert await asked(client, "cancel", task_id) == ACKNOWLEDGED
        assert client.paths().count("cancel") == 1


async def test_cancelling_a_running_task_does_not_stop_it() -> None:
    async with knowing(Behaviour(run_seconds=60)) as client:
        task_id = (await start_task(client.mcp, ARGUMENTS)).task_id
        await anyio.sleep(10)
        assert await asked(client, "cancel", task_id) == ACKNOWLEDGED
        assert (await asked(client, "get", task_id))["status"] == "working"
        await anyio.sleep(60)
        assert (await asked(client, "get", task_id))["status"] == "completed"


async def test_unrequested_input_is_accepted_and_ignored() -> None:
    async with knowing(Behaviour(run_seconds=60)) as client:
        task_id = (await start_task(client.mcp, ARGUMENTS)).task_id
        answers = {"name": {"action": "accept"}, "other": {"any": ["form"]}}
        assert await asked(client, "update", task_id, inputResponses=answers) == ACKNOWLEDGED
        assert (await asked(client, "get", task_id))["status"] == "working"


@pytest.mark.parametrize("verb", VERBS)
async def test_an_unknown_task_is_refused(verb: str) -> None:
    async with knowing() as client:
        seen = await refused_request(client.mcp.session, verb, "no-such-task")
        assert seen == (-32602, "Unknown task: no-such-task", None)
        for hostile in ("../../v2/deployments", "", "x" * 200, "a\n", "ä"):
            before = len(client.simulator.requests)
            code, message, _ = await refused_request(client.mcp.session, verb, hostile)
            assert (code, len(client.simulator.requests)) == (-32602, before)
            assert message.startswith("Unknown task: ")
            assert len(message) < 100


@pytest.mark.parametrize("verb", VERBS)
async def test_task_methods_without_the_extension_name_the_missing_capability(
    verb: str,
) -> None:
    async with knowing(extensions=[]) as client:
        code, _, data = await refused_request(client.mcp.session, verb, "any-task")
        assert (code, data) == (-32021, MISSING)
        assert client.simulator.requests == []


async def test_only_a_client_with_the_extension_may_listen_for_tasks() -> None:
    wanted = {"taskIds": ["any-task"], "resourceSubscriptions": ["seedance://jobs"]}
    params: dict[str, Any] = {"notifications": wanted}
    request = Request[dict[str, Any], str](method="subscriptions/listen", params=params)
    async with knowing(extensions=[]) as client:
        with pytest.raises(MCPError) as refused:
            await client.mcp.session.send_request(request, Wire)
        assert (refused.value.code, refused.value.data) == (-32021, MISSING)
    async with knowing() as client:
        with anyio.move_on_after(5) as listening:
            await client.mcp.session.send_request(request, Wire)
        assert listening.cancelled_caught


async def test_a_client_without_the_extension_gets_an_ordinary_result() -> None:
    async with knowing(Behaviour(run_seconds=10), extensions=[]) as client:
        assert structured(await client.generate())["status"] == "completed"


async def test_the_extension_is_ignored_in_older_revisions() -> None:
    # The Inspector declares it there too.
    inspector = [advertise(TASKS)]
    async with knowing(Behaviour(run_seconds=10), mode="legacy", extensions=inspector) as client:
        result = await client.generate()
        assert structured(result)["status"] == "completed"
        task_id = structured(result)["request_id"]
        assert (await refused_request(client.mcp.session, "get", task_id))[0] == -32601


async def test_only_generate_video_is_answered_with_a_task() -> None:
    async with knowing(Behaviour(run_seconds=10)) as client:
        task_id = (await start_task(client.mcp, ARGUMENTS)).task_id
        status = await client.call("check_status", request_id=task_id, wait_seconds=60)
        assert structured(status)["status"] == "completed"


async def test_the_extension_is_in_the_capabilities() -> None:
    async with knowing() as client:
        assert client.mcp.server_capabilities.extensions == {TASKS: {}, APPS: {}}


async def test_a_refused_call_is_an_ordinary_error_and_no_task() -> None:
    polling = TaskPolling()
    async with knowing(Behaviour(balance_usd=0), extensions=[polling]) as client:
        misspelt = await client.generate(resolutoin="480p")
        assert (misspelt.is_error, text(misspelt)[:27]) == (True, "Unknown argument resolutoin")
        waiting = await client.generate(wait_seconds=1000)
        assert (waiting.is_error, text(waiting)[:12]) == (True, "wait_seconds")
        poor = await client.generate()
        assert (poor.is_error, "no balance left" in text(poor)) == (True, True)
        assert (polling.created, client.simulator.accepted) == ([], [])


async def test_without_a_token_the_answer_is_an_error_and_no_task() -> None:
    async with knowing(token=None) as client:
        assert text(await client.generate()) == NO_TOKEN
        code, message, _ = await refused_request(client.mcp.session, "get", "any-task")
        assert (code, message) == (-32603, NO_TOKEN)


async def test_an_unknown_outcome_is_an_ordinary_result_and_no_task() -> None:
    polling = TaskPolling()
    async with knowing(extensions=[polling]) as client:
        client.simulator.faults.append(Fault.drop("submit", after=True))
        result = await client.generate()
        assert (result.is_error, structured(result)["status"]) == (True, "unknown")
        assert (polling.created, len(client.simulator.accepted)) == ([], 1)


async def cut_off(client: ToolClient) -> None:
    """Call generate_video and hang up before the job has its id."""
    client.simulator.faults.append(Fault.delay("submit", 5))
    with anyio.move_on_after(2):
        await start_task(client.mcp, ARGUMENTS)
    await anyio.sleep(10)


async def test_repeating_an_interrupted_call_returns_its_own_task() -> None:
    async with knowing(Behaviour(run_seconds=60)) as client:
        await cut_off(client)
        created = await start_task(client.mcp, ARGUMENTS)
        assert [job.request_id for job in client.simulator.accepted] == [created.task_id]
        await anyio.sleep(60)
        state = await asked(client, "get", created.task_id)
        assert state["result"]["structuredContent"]["reused"] is True


async def test_a_job_that_ended_unseen_is_returned_at_once_and_not_as_a_task(
    tmp_path: Path,
) -> None:
    around = Clock(now=virtual_now, random=lambda: 0.5)
    ledger = SqliteStore(tmp_path, around, origin="o", history=timedelta(days=90))
    with closing(ledger):
        polling = TaskPolling()
        async with knowing(extensions=[polling], state_dir=tmp_path) as client:
            await cut_off(client)
            request_id = client.simulator.accepted[0].request_id
            job = await ledger.find(request_id, client.simulator.url)
            assert job is not None
            ended = Succeeded(outputs=Outputs(videos=("https://a.example/1.mp4",)))
            await ledger.observe(job, ended, virtual_now())
            result = await client.generate()
            assert structured(result)["video_url"] == "https://a.example/1.mp4"
            assert (polling.created, len(client.simulator.accepted)) == ([], 1)


async def test_warnings_at_the_start_of_a_task_are_in_its_result_too() -> None:
    without_effect = {"last_frame_image_url": IMAGE_URL, "resolution": "1080p"}
    async with knowing(Behaviour(run_seconds=10)) as client:
        created = await start_task(client.mcp, ARGUMENTS | without_effect)
        remark = "last_frame_image_url: "
        assert remark in created.wire()["statusMessage"]
        await anyio.sleep(20)
        state = await asked(client, "get", created.task_id)
        (warning,) = state["result"]["structuredContent"]["warnings"]
        assert warning.startswith(remark)


async def test_only_the_poll_that_hands_over_the_end_of_a_task_acknowledges_it(
    tmp_path: Path,
) -> None:
    async with restarting_server.run_simulator(run_seconds=60) as simulator:
        async with knowing_server(simulator, tmp_path) as client:
            task_id = (await start_task(client, ARGUMENTS)).task_id
            assert (await start_task(client, ARGUMENTS)).task_id == task_id
            await anyio.sleep(5)
            for method in ("get", "cancel", "update"):
                given: dict[str, Any] = {"inputResponses": {}} if method == "update" else {}
                await ask_about_task(client.session, method, task_id, **given)
            assert (await start_task(client, ARGUMENTS)).task_id == task_id
            await anyio.sleep(70)
            await ask_about_task(client.session, "update", task_id, inputResponses={})
            # An identical call is answered with the result of the job that has ended.
            again = structured(await client.call_tool("generate_video", ARGUMENTS))
            assert (again["request_id"], again["reused"]) == (task_id, True)
            ended = await ask_about_task(client.session, "get", task_id)
            assert ended["status"] == "completed"
            assert (await start_task(client, ARGUMENTS)).task_id != task_id
        assert len(simulator.accepted) == 2


@pytest.mark.parametrize("ledger", ["kept", "lost"])
async def test_a_task_outlives_the_server(ledger: str, tmp_path: Path) -> None:
    async with restarting_server.run_simulator(queue_seconds=30, run_seconds=60) as simulator:
        async with knowing_server(simulator, tmp_path / "first") as client:
            task_id = (await start_task(client, ARGUMENTS)).task_id
        await anyio.sleep(40)
        folder = tmp_path / ("first" if ledger == "kept" else "second")
        async with knowing_server(simulator, folder) as client:
            assert (await ask_about_task(client.session, "get", task_id))["status"] == "working"
            await anyio.sleep(60)
            state = await ask_about_task(client.session, "get", task_id)
            assert state["status"] == "completed"
            video_url = f"{simulator.url}/outputs/{task_id}.mp4"
            assert state["result"]["structuredContent"]["video_url"] == video_url
        async with knowing_server(simulator, folder) as client:
            assert (await ask_about_task(client.session, "get", task_id))["result"] == state[
                "result"
            ]
        assert len(simulator.accepted) == 1


async def test_an_outage_of_runcomfy_fails_no_task() -> None:
    async with knowing(Behaviour(run_seconds=60)) as client:
        task_id = (await start_task(client.mcp, ARGUMENTS)).task_id
        client.simulator.faults.append(Fault.drop("status", times=100))
        state = await asked(client, "get", task_id)
        assert state["status"] == "working"
        assert state["statusMessage"].startswith("in queue, ")
        assert DID_NOT_ANSWER in state["statusMessage"]
        code, message, _ = await refused_request(client.mcp.session, "get", "begun-elsewhere")
        assert (code, DID_NOT_ANSWER in message) == (-32603, True)


def knowing_server(
    simulator: Simulator, folder: Path
) -> AbstractAsyncContextManager[Any, bool | None]:
    """Open a server on a state folder, with a client that declares the extension."""
    return restarting_server.open_server(simulator, folder, mode=MODERN, extensions=[TaskPolling()])
