"""Waiting: bounded, reported, and ending in an answer that says what to do next."""

from itertools import pairwise
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from tests.support.client import open_client, structured, text
from tests.support.wording import DID_NOT_ANSWER, DO_NOT_REPEAT, OUT_OF_DATE, READS_COST

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_a_short_job_takes_one_call() -> None:
    async with open_client(Behaviour(queue_seconds=4, run_seconds=16)) as client:
        result = await client.generate()
        request_id = client.simulator.accepted[0].request_id
        assert not result.is_error
        assert structured(result) == {
            "request_id": request_id,
            "model_id": "bytedance/seedance-1-0/lite/image-to-video",
            "status": "completed",
            "queue_position": None,
            "elapsed_seconds": pytest.approx(20, abs=5),
            "video_url": f"{client.simulator.url}/outputs/{request_id}.mp4",
            "error": None,
            "reused": False,
            "warnings": [],
            "estimated_cost_usd": 0.2,
            "spent_24h_usd": 0.2,
            "next_step": (
                f"Call get_result with request_id {request_id} and download true: {READS_COST}"
            ),
        }
        assert [job.arguments for job in client.simulator.accepted] == [
            {
                "prompt": "The mist drifts over the lake.",
                "first_frame_image_url": "https://images.example/lake.jpg",
                "resolution": "480p",
                "duration": 5,
            }
        ]


async def test_a_long_job_is_answered_within_the_budget_with_what_to_do_next() -> None:
    async with open_client(Behaviour(run_seconds=120)) as client:
        result = await client.generate()
        request_id = client.simulator.accepted[0].request_id
        assert anyio.current_time() == pytest.approx(45, abs=0.1)
        assert structured(result)["status"] == "in_progress"
        assert structured(result)["next_step"] == (
            f"Call check_status with request_id {request_id}; {DO_NOT_REPEAT}."
        )
        again = await client.call("check_status", request_id=request_id, wait_seconds=900)
        assert anyio.current_time() == pytest.approx(120, abs=6)
        assert structured(again)["status"] == "completed"
        assert len(client.simulator.accepted) == 1


@pytest.mark.parametrize("wait_seconds", [1, 7, 45, 300])
async def test_no_call_exceeds_its_budget(wait_seconds: int) -> None:
    async with open_client(Behaviour(run_seconds=10_000)) as client:
        result = await client.generate(wait_seconds=wait_seconds)
        assert anyio.current_time() == pytest.approx(wait_seconds, abs=0.1)
        request_id = structured(result)["request_id"]
        started = anyio.current_time()
        await client.call("check_status", request_id=request_id, wait_seconds=wait_seconds)
        assert anyio.current_time() - started == pytest.approx(wait_seconds, abs=0.1)


@pytest.mark.parametrize("wait_seconds", [0, 15])
async def test_a_call_without_an_answer_reports_the_end_that_another_call_has_seen(
    wait_seconds: int,
) -> None:
    async with open_client(Behaviour(run_seconds=5)) as client:
        request_id = structured(await client.generate(wait_seconds=0))["request_id"]
        client.simulator.faults.append(Fault.delay("status", 600, times=99))
        answers: list[dict[str, Any]] = []

        async def ask() -> None:
            arguments = {"request_id": request_id, "wait_seconds": wait_seconds}
            answers.append(structured(await client.call("check_status", **arguments)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.sleep(9)
            seen = structured(await client.call("get_result", request_id=request_id))
            assert (seen["status"], answers) == ("completed", [])
        assert [(told["status"], told["video_url"]) for told in answers] == [
            ("completed", f"{client.simulator.url}/outputs/{request_id}.mp4")
        ]


async def test_a_call_with_no_wait_returns_once_the_submit_is_answered() -> None:
    async with open_client(Behaviour(run_seconds=60)) as client:
        client.simulator.faults.append(Fault(route="submit", kind="delay", seconds=9))
        result = await client.generate(wait_seconds=0)
        assert anyio.current_time() == pytest.approx(9, abs=0.1)
        assert structured(result)["status"] == "in_queue"
        assert structured(result)["request_id"] == client.simulator.accepted[0].request_id
        assert client.paths() == ["image-to-video"]


async def test_a_slow_submit_keeps_the_budget_and_the_same_call_resumes_it() -> None:
    async with open_client(Behaviour(run_seconds=1)) as client:
        client.simulator.faults.append(Fault(route="submit", kind="delay", seconds=12))
        early = await client.generate(wait_seconds=5)
        assert anyio.current_time() == pytest.approx(5, abs=0.1)
        assert (structured(early)["status"], structured(early)["request_id"]) == (
            "submitting",
            None,
        )
        assert "Repeat the call that began it" in structured(early)["next_step"]
        late = await client.generate()
        assert (structured(late)["status"], structured(late)["reused"]) == ("completed", True)
        assert len(client.simulator.accepted) == 1


async def test_unanswered_polls_keep_the_budget() -> None:
    async with open_client(Behaviour(run_seconds=60)) as client:
        client.simulator.faults.append(Fault(route="status", kind="delay", seconds=600, times=50))
        result = await client.generate(wait_seconds=30)
        assert anyio.current_time() == pytest.approx(30, abs=0.1)
        assert structured(result)["request_id"] == client.simulator.accepted[0].request_id
        assert structured(result)["next_step"] == (
            f"RunComfy has not answered yet, {OUT_OF_DATE}: call check_status with request_id"
            f" {structured(result)['request_id']} again, and "
            f"{DO_NOT_REPEAT}."
        )


async def test_progress_is_reported_at_every_change_and_every_five_seconds_and_always_rises() -> (
    None
):
    async with open_client(Behaviour(workers=1, run_seconds=30, queue_seconds=8)) as client:
        await client.generate()
        values = [progress for progress, _, _ in client.progress]
        gaps = [after - before for before, after in pairwise(values)]
        assert all(0 < gap <= 5 for gap in gaps)
        assert {total for _, total, _ in client.progress} == {None}
        said = [message or "" for _, _, message in client.progress]
        assert said[0] == "submitting, 0 s"
        assert "in queue, position 0, 2 s" in said
        assert any(message.startswith("in progress, ") for message in said)
        assert said[-1].startswith("completed, ")


async def test_progress_is_reported_while_the_submit_and_the_polls_hang() -> None:
    async with open_client(Behaviour(run_seconds=60)) as client:
        client.simulator.faults.append(Fault(route="submit", kind="delay", seconds=14))
        client.simulator.faults.append(Fault(route="status", kind="delay", seconds=600, times=50))
        await client.generate(wait_seconds=40)
        values = [0.0, *(progress for progress, _, _ in client.progress), 40.0]
        assert max(b - a for a, b in pairwise(values)) <= 5


async def test_twenty_waiting_calls_do_not_delay_one_that_does_not_wait() -> None:
    async with open_client(Behaviour(run_seconds=10_000, workers=100)) as client:
        request_id = structured(await client.generate(wait_seconds=0))["request_id"]
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(lambda: client.call("check_status", request_id=request_id))
            await anyio.sleep(10)
            before = anyio.current_time()
            result = await client.call("check_status", request_id=request_id, wait_seconds=0)
            assert anyio.current_time() - before < 0.1
            assert structured(result)["status"] == "in_progress"
        assert anyio.current_time() == pytest.approx(45, abs=0.1)


async def test_cancelling_a_call_ends_its_wait_but_not_its_job() -> None:
    async with open_client(Behaviour(run_seconds=20)) as client:
        with anyio.move_on_after(5):
            await client.generate()
        (job,) = client.simulator.accepted
        result = await client.call("check_status", request_id=job.request_id)
        assert structured(result)["status"] == "completed"
        assert "cancel" not in client.paths()


async def test_a_call_cancelled_during_the_submit_does_not_lose_the_request_id() -> None:
    async with open_client(Behaviour(run_seconds=20)) as client:
        client.simulator.faults.append(Fault(route="submit", kind="delay", seconds=10))
        with anyio.move_on_after(5):
            await client.generate()
        again = structured(await client.generate())
        (job,) = client.simulator.accepted
        assert (again["request_id"], again["reused"]) == (job.request_id, True)


async def test_the_text_has_every_fact_of_the_structure_that_is_not_null() -> None:
    async with open_client(Behaviour(run_seconds=100)) as client:
        for result in [
            await client.generate(wait_seconds=5),
            await client.generate(force_new=True, wait_seconds=5),
            await client.call("get_result", request_id=client.simulator.accepted[0].request_id),
            await client.call("cancel_job", request_id=client.simulator.accepted[1].request_id),
        ]:
            told = [value for value in structured(result).values() if value not in (None, [])]
            written = [str(v).lower() if isinstance(v, bool) else str(v) for v in told]
            assert all(value in text(result) for value in written)
            assert len(text(result).splitlines()) <= 3


async def test_a_trickling_submit_times_out_before_the_client_does() -> None:
    async with open_client() as client:
        client.simulator.faults.append(Fault.delay("submit", 10_000, after=True))
        result = await client.generate(wait_seconds=0)
        assert anyio.current_time() == pytest.approx(40, abs=0.1)
        assert (result.is_error, structured(result)["status"]) == (True, "unknown")
        assert structured(result)["error"] == (
            f"The answer to the request was lost. {DID_NOT_ANSWER} within 40 s."
        )
