"""One poller a job, however many calls wait; its schedule is learned from earlier jobs."""

from itertools import pairwise
from math import ceil
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from tests.support.client import ToolClient, open_client, structured

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def begun(client: ToolClient) -> str:
    return structured(await client.generate(wait_seconds=0, force_new=True))["request_id"]


async def waited(client: ToolClient, request_id: str, told: list[Any], seconds: int = 60) -> None:
    arguments = {"request_id": request_id, "wait_seconds": seconds}
    seen: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        seen.append(message or "")

    result = await client.mcp.call_tool("check_status", arguments, progress_callback=hear)
    told.append(
        (structured(result)["status"], anyio.current_time(), [m for m in seen if "done" not in m])
    )


@pytest.mark.parametrize(("callers", "apart"), [(2, 0.5), (12, 2.5)])
async def test_many_waiting_calls_poll_no_more_than_one(callers: int, apart: float) -> None:
    counts: list[int] = []
    for number in (1, callers):
        async with open_client(Behaviour(run_seconds=30)) as client:
            request_id, told = await begun(client), list[Any]()
            async with anyio.create_task_group() as tasks:
                for _ in range(number):
                    tasks.start_soon(waited, client, request_id, told)
                    await anyio.sleep(apart)
            assert [status for status, _, _ in told] == ["completed"] * number
            assert len({at for _, at, _ in told if at < 40}) <= 2
            counts.append(client.paths().count("status"))
    # The first caller polls at once; those who come before the next poll get its report.
    assert counts[1] == counts[0]


async def test_a_report_to_one_caller_has_nothing_that_was_remarked_to_another() -> None:
    async with open_client(Behaviour(run_seconds=30)) as client:
        frames = {"last_frame_image_url": "https://example.com/b.png", "resolution": "1080p"}
        reports: list[dict[str, Any]] = []

        async def buy() -> None:
            reports.append(structured(await client.generate(wait_seconds=60, **frames)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(buy)
            await anyio.sleep(5)
            request_id = client.simulator.accepted[0].request_id
            beside = await client.call("check_status", request_id=request_id, wait_seconds=60)
            reports.append(structured(beside))
        assert [report["status"] for report in reports] == ["completed", "completed"]
        assert sorted(len(report["warnings"]) for report in reports) == [0, 1]


async def test_polling_ends_when_the_last_waiting_call_leaves() -> None:
    async with open_client(Behaviour(run_seconds=60)) as client:
        request_id, told = await begun(client), list[Any]()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waited, client, request_id, told, 40)
            with anyio.move_on_after(10):
                await waited(client, request_id, told)
            with anyio.move_on_after(10):
                await waited(client, request_id, told)
        assert [(status, at) for status, at, _ in told] == [
            ("in_progress", pytest.approx(40, abs=0.2))
        ]
        asked = client.paths().count("status")
        await anyio.sleep(300)
        assert client.paths().count("status") == asked


@pytest.mark.parametrize("status", [429, 503])
async def test_no_poll_comes_before_the_time_that_runcomfy_asks_for(status: int) -> None:
    async with open_client(Behaviour(run_seconds=300)) as client:
        request_id = await begun(client)
        later = Fault.answer("status", status, headers={"Retry-After": "30"})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waited, client, request_id, list[Any]())
            await anyio.sleep(10)
            client.simulator.faults.append(later)
        polls = [seen.at for seen in client.simulator.requests if seen.route == "status"]
        pauses = [after - before for before, after in pairwise(polls)]
        assert [pause >= 30 for pause in pauses].count(True) == 1


async def test_every_waiting_call_gets_the_same_reports() -> None:
    async with open_client(Behaviour(run_seconds=20, queue_seconds=8)) as client:
        request_id, told = await begun(client), list[Any]()
        await anyio.sleep(1)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(waited, client, request_id, told)
        assert [seen for _, _, seen in told] == [told[0][2]] * 3
        assert told[0][2][-1].startswith("completed, ")


async def test_after_some_jobs_a_wait_polls_less_and_reports_the_usual_time() -> None:
    behaviour = Behaviour(run_seconds=40)
    async with open_client(behaviour) as client:
        asked: list[int] = []
        for number in range(8):
            behaviour.run_seconds = 40 + number / 2
            before = client.paths().count("status")
            made = structured(await client.generate(wait_seconds=60, force_new=True))
            assert made["status"] == "completed"
            asked.append(client.paths().count("status") - before)
            await anyio.sleep(61)
        # Half of what polling every 2 seconds would take.
        assert asked[-1] <= ceil(43.5 / 2) / 2
        client.progress.clear()
        behaviour.run_seconds = 58
        await client.generate(wait_seconds=60, force_new=True)
        said = [message or "" for _, _, message in client.progress]
        assert any("; usually 4" in message and " s left" in message for message in said)
        assert any(message.endswith("longer than usual") for message in said)
        assert said[0] == "submitting, 0 s"


async def test_a_few_jobs_after_the_usual_time_doubled_a_wait_polls_little_again() -> None:
    behaviour = Behaviour()
    async with open_client(behaviour) as client:
        asked: list[int] = []
        for number in range(13):
            behaviour.run_seconds = (80 if number >= 10 else 40) + number % 3
            before = client.paths().count("status")
            client.progress.clear()
            made = structured(await client.generate(wait_seconds=100, force_new=True))
            assert made["status"] == "completed"
            asked.append(client.paths().count("status") - before)
            await anyio.sleep(61)
        # No more than 0.6 of what polling every 2 seconds would take.
        assert asked[-1] <= 0.6 * 80 / 2
        assert any("; usually 8" in (message or "") for _, _, message in client.progress)


async def test_a_last_frame_makes_another_kind_of_job() -> None:
    async with open_client(Behaviour(run_seconds=40)) as client:
        for _ in range(3):
            await client.generate(wait_seconds=60, force_new=True)
        await anyio.sleep(61)
        for frames, is_known in (({}, True), ({"last_frame_image_url": "lake.png"}, False)):
            client.progress.clear()
            last = {name: f"https://images.example/{value}" for name, value in frames.items()}
            await client.generate(wait_seconds=60, force_new=True, **last)
            said = [message or "" for _, _, message in client.progress]
            assert any("usually" in message for message in said) == is_known


async def test_jobs_with_other_settings_do_not_change_the_schedule() -> None:
    async with open_client(Behaviour(run_seconds=40)) as client:
        for _ in range(3):
            await client.generate(wait_seconds=60, force_new=True)
        await anyio.sleep(61)
        client.progress.clear()
        await client.generate(wait_seconds=60, duration=10)
        assert not [message for _, _, message in client.progress if "usually" in (message or "")]


async def test_a_429_slows_every_poller_down() -> None:
    async with open_client(Behaviour(workers=9, run_seconds=100)) as client:
        ids = [await begun(client) for _ in range(4)]
        refusal = {"Retry-After": "7"}
        client.simulator.faults.append(Fault.answer("status", 429, headers=refusal))
        told: list[Any] = []
        async with anyio.create_task_group() as tasks:
            for request_id in ids:
                tasks.start_soon(waited, client, request_id, told, 20)
                await anyio.sleep(0.01)
        times = [seen.at for seen in client.simulator.requests if seen.route == "status"]
        assert not [at for at in times[4:] if at < times[0] + 6.9]
        assert [status for status, _, _ in told] == ["in_progress"] * 4


async def test_every_waiting_call_outlasts_an_outage() -> None:
    async with open_client(Behaviour(run_seconds=20)) as client:
        request_id, told = await begun(client), list[Any]()
        client.simulator.faults.append(Fault.drop("status", times=9))
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(waited, client, request_id, told)
        assert [status for status, _, _ in told] == ["completed"] * 3


@pytest.mark.parametrize("looked", ["never", "once"])
async def test_jobs_whose_end_was_seen_late_do_not_change_the_schedule(looked: str) -> None:
    async with open_client(Behaviour(run_seconds=20)) as client:
        for _ in range(4):
            wait_seconds = 5 if looked == "once" else 0
            made = structured(await client.generate(wait_seconds=wait_seconds, force_new=True))
            await anyio.sleep(7200)
            await client.call("check_status", request_id=made["request_id"])
        client.progress.clear()
        before = client.paths().count("status")
        assert structured(await client.generate(wait_seconds=60))["status"] == "completed"
        assert not any("usually" in (message or "") for _, _, message in client.progress)
        assert client.paths().count("status") - before <= 10


async def test_polling_recovers_for_all_after_many_429s(rounds: int) -> None:
    jobs = min(10 * rounds, 30)
    async with open_client(Behaviour(workers=jobs, run_seconds=40)) as client:
        made = [await client.generate(wait_seconds=0, force_new=True) for _ in range(jobs)]
        client.simulator.faults.append(Fault.answer("status", 429, times=40))
        ended: list[float] = []

        async def follow(request_id: str) -> None:
            status = ""
            while status != "completed":
                # While RunComfy answers 429, each call gives up long before its turn.
                seen = await client.call("check_status", request_id=request_id, wait_seconds=5)
                status = structured(seen)["status"]
            ended.append(anyio.current_time())

        with anyio.fail_after(300):
            async with anyio.create_task_group() as tasks:
                for job in made:
                    tasks.start_soon(follow, structured(job)["request_id"])
        assert max(ended) < 60
