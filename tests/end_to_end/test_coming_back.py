"""Coming back to a job: after a restart, in a new chat, with an id from elsewhere."""

import json
import sqlite3
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import Simulator
from tests.support.client import ARGUMENTS, structured, text
from tests.support.restarting_server import generate, list_jobs, open_server, run_simulator
from tests.support.sample_images import make_image
from tests.support.wording import (
    CONTINUE,
    DID_NOT_ANSWER,
    JOBS_LIMIT_REACHED,
    NO_BALANCE,
    NO_SUCH_REQUEST,
    STORED,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

FULL = ARGUMENTS | {"resolution": "480p", "duration": 5}
LOCAL_IMAGE = f"data:image/png;base64,{b64encode(make_image('PNG')).decode()}"


async def test_a_new_chat_finds_every_job_with_one_call_the_newest_first(tmp_path: Path) -> None:
    async with run_simulator(run_seconds=30, workers=2) as simulator:
        async with open_server(simulator, tmp_path) as client:
            await generate(client, prompt="The first.", wait_seconds=0)
            await anyio.sleep(5)
            await generate(client, prompt="word " * 40, wait_seconds=0)
        await anyio.sleep(28)
        async with open_server(simulator, tmp_path) as client:
            result = await client.call_tool("list_jobs", {})
            first, second = [job.request_id for job in simulator.accepted]
            model_id = "bytedance/seedance-1-0/lite/image-to-video"
            assert structured(result) == {
                "jobs": [
                    {
                        "request_id": second,
                        "status": "in_progress",
                        "prompt": ("word " * 16)[:79] + "…",
                        "model_id": model_id,
                        "created_at": "2026-01-01T00:00:05+00:00",
                        "video_url": None,
                        "saved_to": None,
                        "cost_usd": None,
                    },
                    {
                        "request_id": first,
                        "status": "completed",
                        "prompt": "The first.",
                        "model_id": model_id,
                        "created_at": "2026-01-01T00:00:00+00:00",
                        "video_url": f"{simulator.url}/outputs/{first}.mp4",
                        "saved_to": None,
                        "cost_usd": 0.2,
                    },
                ],
                "total": 2,
                "spent_24h_usd": 0.4,
                "next_step": "Call check_status with the request_id of a job that has not ended.",
            }
            assert text(result).splitlines()[0] == "total: 2; spent_24h_usd: 0.4"
            assert f"request_id: {first}; status: completed; " in text(result)
            only = await list_jobs(client, status="completed", limit=1)
            assert [job["request_id"] for job in only] == [first]


async def test_a_list_polls_its_jobs_concurrently_within_a_time_limit(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=1000) as simulator,
        open_server(simulator, tmp_path) as client,
    ):
        for number in range(12):
            await generate(client, prompt=f"Clip {number}.", wait_seconds=0)
        simulator.faults.append(Fault.delay("status", 4, times=100))
        started_at = anyio.current_time()
        result = await client.call_tool("list_jobs", {})
        assert anyio.current_time() - started_at == pytest.approx(10, abs=0.1)
        assert len(structured(result)["jobs"]) == 12
        assert structured(result)["next_step"].startswith(
            f"{DID_NOT_ANSWER} for 2 of these, which may be out of date. "
        )


async def test_a_call_that_was_given_up_gets_its_job_back_after_a_restart(tmp_path: Path) -> None:
    async with run_simulator(run_seconds=60) as simulator:
        async with open_server(simulator, tmp_path) as client:
            with anyio.move_on_after(7):
                await generate(client)
        async with open_server(simulator, tmp_path) as client:
            again = await generate(client, wait_seconds=100)
            assert (structured(again)["status"], structured(again)["reused"]) == ("completed", True)
        assert [job.request_id for job in simulator.accepted] == [structured(again)["request_id"]]


async def test_a_call_with_a_local_image_that_was_given_up_gets_its_job_back(
    tmp_path: Path,
) -> None:
    given = {"first_frame_image_url": LOCAL_IMAGE}
    async with run_simulator(run_seconds=60) as simulator:
        async with open_server(simulator, tmp_path, local_files=True) as client:
            with anyio.move_on_after(7):
                await generate(client, **given)
        async with open_server(simulator, tmp_path, local_files=True) as client:
            again = structured(await generate(client, **given, wait_seconds=0))
        bought = [job.request_id for job in simulator.accepted]
        assert (bought, again["reused"]) == ([again["request_id"]], True)


async def test_racing_calls_with_the_same_local_image_in_two_servers_buy_one_clip(
    tmp_path: Path,
) -> None:
    answers: list[dict[str, Any]] = []
    async with run_simulator(run_seconds=60) as simulator:
        simulator.faults.append(Fault.delay("submit", 3))

        async def call(client: Client) -> None:
            given = {"first_frame_image_url": LOCAL_IMAGE, "wait_seconds": 0}
            answers.append(structured(await generate(client, **given)))

        async with (
            open_server(simulator, tmp_path, local_files=True) as one,
            open_server(simulator, tmp_path, local_files=True) as other,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(call, one)
            await anyio.sleep(1)
            tasks.start_soon(call, other)
        (bought,) = simulator.accepted
        # Both answer at the same moment.
        assert sorted((answer["request_id"], answer["reused"]) for answer in answers) == [
            (bought.request_id, False),
            (bought.request_id, True),
        ]


async def test_a_list_by_state_has_jobs_that_reached_it_while_no_server_ran(
    tmp_path: Path,
) -> None:
    async with run_simulator(run_seconds=10) as simulator:
        async with open_server(simulator, tmp_path) as client:
            request_id = structured(await generate(client, wait_seconds=0))["request_id"]
        await anyio.sleep(60)
        async with open_server(simulator, tmp_path) as client:
            assert [job["request_id"] for job in await list_jobs(client, status="completed")] == [
                request_id
            ]


async def test_a_list_of_unknown_jobs_says_what_to_do(tmp_path: Path) -> None:
    async with run_simulator() as simulator, open_server(simulator, tmp_path) as client:
        simulator.faults.append(Fault.drop("submit", after=True))
        lost = structured(await generate(client, wait_seconds=0))
        listing = structured(await client.call_tool("list_jobs", {}))
        assert (listing["jobs"][0]["status"], listing["next_step"]) == (
            "unknown",
            lost["next_step"],
        )


async def test_a_request_that_another_process_died_over_is_owed_for_half_an_hour(
    tmp_path: Path,
) -> None:
    async with run_simulator() as simulator, open_server(simulator, tmp_path) as client:
        simulator.faults.append(Fault.drop("submit", after=True))
        await generate(client, wait_seconds=0)
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger, ledger:
            ledger.execute("UPDATE jobs SET status = 'submitting', process = 'of a dead process'")
        await anyio.sleep(29 * 60)
        early = structured(await generate(client, wait_seconds=0))
        assert (early["status"], early["reused"]) == ("unknown", True)
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger, ledger:
            ledger.execute("UPDATE jobs SET status = 'submitting'")
        await anyio.sleep(60)
        late = structured(await generate(client, wait_seconds=0))
        assert (late["status"], late["reused"]) == ("in_queue", False)


async def test_a_call_whose_job_was_acknowledged_buys_again_after_a_restart_and_a_while(
    tmp_path: Path,
) -> None:
    async with run_simulator(run_seconds=60) as simulator:
        async with open_server(simulator, tmp_path) as client:
            first = structured(await generate(client, wait_seconds=10))["request_id"]
            await client.call_tool("check_status", {"request_id": first, "wait_seconds": 0})
        async with open_server(simulator, tmp_path) as client:
            again = structured(await generate(client, wait_seconds=0))
            assert (again["request_id"], again["reused"]) == (first, True)
            await anyio.sleep(15 * 60)
            assert structured(await generate(client, wait_seconds=0))["reused"] is False
        assert len(simulator.accepted) == 2


async def test_a_result_comes_from_the_ledger_if_runcomfy_cannot_answer(tmp_path: Path) -> None:
    async with run_simulator() as simulator:
        async with open_server(simulator, tmp_path) as client:
            make_image = structured(await generate(client))
            request_id = make_image["request_id"]
        simulator.forget(request_id)
        async with open_server(simulator, tmp_path) as client:
            result = await client.call_tool("get_result", {"request_id": request_id})
            assert (structured(result)["videos"], structured(result)["cost_usd"]) == (
                [make_image["video_url"]],
                0.2,
            )
            said = structured(result)["next_step"]
            assert said.startswith(f"{NO_SUCH_REQUEST} (404001: ")
            check = "check whether the video URL still works"
            assert said.endswith(f"), so {STORED}: {check}. {CONTINUE % request_id}")
            simulator.faults.append(Fault.answer("result", 500, times=9))
            again = await client.call_tool("get_result", {"request_id": request_id})
            assert structured(again)["videos"] == [make_image["video_url"]]


async def test_a_job_from_elsewhere_enters_the_ledger_at_the_first_poll(
    tmp_path: Path,
) -> None:
    async with run_simulator(run_seconds=5) as simulator:
        async with open_server(simulator, tmp_path / "here") as client:
            request_id = structured(await generate(client, wait_seconds=0))["request_id"]
        async with open_server(simulator, tmp_path / "there") as client:
            assert await list_jobs(client) == []
            await client.call_tool("check_status", {"request_id": "no-such-request"})
            assert await list_jobs(client) == []
            await client.call_tool("check_status", {"request_id": request_id, "wait_seconds": 30})
            (job,) = await list_jobs(client)
            assert (job["request_id"], job["status"]) == (request_id, "completed")
            assert (job["model_id"], job["prompt"]) == (None, "")


async def lose(client: Client, simulator: Simulator, **arguments: Any) -> str:
    """Buy a clip whose answer is lost, and return the request_id that RunComfy gave it."""
    simulator.faults.append(Fault.drop("submit", after=True))
    lost = structured(await generate(client, wait_seconds=0, **arguments))
    assert (lost["status"], lost["request_id"]) == ("unknown", None)
    return simulator.accepted[-1].request_id


@pytest.mark.parametrize("look_first", [False, True])
@pytest.mark.parametrize("outcome", ["succeed", "fail"])
@pytest.mark.parametrize(
    "image", [ARGUMENTS["first_frame_image_url"], LOCAL_IMAGE], ids=["public", "local"]
)
async def test_a_job_of_unknown_outcome_is_put_right_by_its_request_id(
    *, image: str, outcome: str, look_first: bool, tmp_path: Path
) -> None:
    # The simulator's dates are real ones, while this test begins in 2026.
    echo = {"echo_inputs": True, "model_id_in_result": True, "dates": "absent"}
    async with (
        run_simulator(run_seconds=10, outcome=outcome, **echo) as simulator,
        open_server(simulator, tmp_path, local_files=True) as client,
    ):
        request_id = await lose(client, simulator, first_frame_image_url=image)
        await lose(client, simulator, prompt="Another.")
        (_, before) = await list_jobs(client)
        if look_first:
            # So the ledger has it as a job from elsewhere.
            await client.call_tool("check_status", {"request_id": request_id, "wait_seconds": 0})
            assert len(await list_jobs(client)) == 3
        await anyio.sleep(30)
        result = structured(await client.call_tool("get_result", {"request_id": request_id}))
        assert result["status"] == {"succeed": "completed", "fail": "failed"}[outcome]
        another, found = await list_jobs(client)
        right = {name: found[name] for name in ("request_id", "status", "video_url", "cost_usd")}
        assert (another["status"], found) == ("unknown", before | right)
        assert (right["request_id"], right["status"]) == (request_id, result["status"])
        # The call has brought its id, so an identical one asks for another clip.
        again = structured(await generate(client, first_frame_image_url=image, wait_seconds=0))
        assert (again["reused"], len(simulator.accepted)) == (False, 3)


@pytest.mark.parametrize(
    "echo",
    [
        {},
        {"input": None},
        {"input": ARGUMENTS},
        {"input": FULL | {"seed": 7}},
        {"input": FULL | {"prompt": "Another."}},
        {"input": FULL | {"duration": "5"}},
        {"input": FULL | {"first_frame_image_url": "https://images.example/hosted/lake.jpg"}},
        {"input": FULL, "model_id": "bytedance/another"},
        {"input": FULL, "created_at": "2025-12-31T22:00:00Z"},
    ],
    ids=str,
)
async def test_a_job_of_unknown_outcome_stays_if_another_may_be_meant(
    echo: dict[str, Any], tmp_path: Path
) -> None:
    async with run_simulator() as simulator, open_server(simulator, tmp_path) as client:
        request_id = await lose(client, simulator)
        body = {"status": "completed", "output": {"video": "https://a.example/1.mp4"}} | echo
        simulator.faults.append(Fault.answer("result", 200, body=json.dumps(body).encode()))
        await client.call_tool("get_result", {"request_id": request_id})
        assert {(job["request_id"], job["status"]) for job in await list_jobs(client)} == {
            (request_id, "completed"),
            (None, "unknown"),
        }


async def test_of_two_equal_jobs_of_unknown_outcome_neither_is_put_right(tmp_path: Path) -> None:
    async with (
        run_simulator(echo_inputs=True, dates="absent") as simulator,
        open_server(simulator, tmp_path) as client,
    ):
        request_id = await lose(client, simulator)
        await lose(client, simulator, force_new=True)
        await anyio.sleep(60)
        await client.call_tool("get_result", {"request_id": request_id})
        assert [job["status"] for job in await list_jobs(client)].count("unknown") == 2


async def test_a_renewed_token_forgets_nothing(tmp_path: Path) -> None:
    async with run_simulator(run_seconds=600) as simulator:
        async with open_server(simulator, tmp_path, max_jobs_per_hour=1) as client:
            first = structured(await generate(client, wait_seconds=0))["request_id"]
        renewed = {"token": "renewed-token", "max_jobs_per_hour": 1}
        async with open_server(simulator, tmp_path, **renewed) as client:
            listing = structured(await client.call_tool("list_jobs", {}))
            assert [job["request_id"] for job in listing["jobs"]] == [first]
            # The simulator knows one token only, so it rejects the new one.
            assert listing["next_step"] == (
                f"{DID_NOT_ANSWER} for 1 of these, which may be out of date."
                " 1 of the open ones was begun with another RunComfy token, and may be unknown to"
                " the account of this one. Call check_status with the request_id of a job that has"
                " not ended."
            )
            again = structured(await generate(client, wait_seconds=0))
            assert (again["request_id"], again["reused"]) == (first, True)
            other = await generate(client, prompt="Another.", wait_seconds=0)
            assert text(other).startswith(f"{JOBS_LIMIT_REACHED} 1 jobs were started")
        assert [job.request_id for job in simulator.accepted] == [first]


async def test_the_job_of_another_origin_is_not_given_back_and_counts_for_the_limit(
    tmp_path: Path,
) -> None:
    async with run_simulator() as simulator, run_simulator() as another:
        async with open_server(simulator, tmp_path, max_jobs_per_hour=2) as client:
            await generate(client, wait_seconds=0)
        async with open_server(another, tmp_path, max_jobs_per_hour=2) as client:
            assert await list_jobs(client) == []
            made = structured(await generate(client, wait_seconds=0))
            assert (made["request_id"], made["reused"]) == (another.accepted[0].request_id, False)
            third = await generate(client, prompt="Another.", wait_seconds=0)
            assert text(third).startswith(f"{JOBS_LIMIT_REACHED} 2 jobs were started")


async def test_the_hourly_limit_holds_over_restarts_and_force_new(tmp_path: Path) -> None:
    async with run_simulator() as simulator:
        for number in range(2):
            async with open_server(simulator, tmp_path, max_jobs_per_hour=2) as client:
                await generate(client, prompt=f"Clip {number}.", force_new=True)
        async with open_server(simulator, tmp_path, max_jobs_per_hour=2) as client:
            result = await generate(client, force_new=True)
        assert result.is_error
        assert text(result).startswith(f"{JOBS_LIMIT_REACHED} 2 jobs were started")
        assert text(result).endswith(" in about 60 min. Nothing was charged.")
        assert len(simulator.accepted) == 2


async def test_a_call_that_waits_on_another_servers_request_hears_that_it_was_refused(
    tmp_path: Path,
) -> None:
    async with run_simulator(balance_usd=0) as simulator:
        async with (
            open_server(simulator, tmp_path) as one,
            open_server(simulator, tmp_path) as other,
        ):
            simulator.faults.append(Fault.delay("submit", 3))
            heard: dict[str, str] = {}

            async def call(name: str, client: Client) -> None:
                result = await generate(client, wait_seconds=0)
                heard[name] = text(result) if result.is_error else ""

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, "one", one)
                await anyio.sleep(1)
                tasks.start_soon(call, "other", other)
        assert heard["one"].startswith(f"{NO_BALANCE} (400002")
        assert heard["other"] == (
            "RunComfy rejected the same request, just sent by another server on this machine;"
            " repeat the call to see why. Nothing was charged."
        )
        assert (simulator.accepted, anyio.current_time() < 4) == ([], True)
