"""With automatic downloads, open jobs are followed to their end though no call waits."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import Simulator
from tests.support.client import ARGUMENTS, open_client, structured
from tests.support.restarting_server import generate, list_jobs, open_server, run_simulator
from tests.support.task_client import TaskPolling, ask_about_task, start_task

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

KNOWING: dict[str, Any] = {"mode": "auto", "extensions": [TaskPolling()]}
HOUR = 3600


def polls(simulator: Simulator) -> list[float]:
    """Return when RunComfy was asked where a job stands."""
    return [seen.at for seen in simulator.requests if seen.route == "status"]


def saving(folder: Path) -> dict[str, Any]:
    """Return the settings of a server that saves clips by itself."""
    return {"auto_download": True, "output_dir": folder / "videos"}


def clips(folder: Path) -> list[Path]:
    return sorted((folder / "videos").glob("*.mp4"))


async def test_the_clip_of_a_stopped_task_is_saved(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, tmp_path, **saving(tmp_path), **KNOWING) as client,
    ):
        task_id = (await start_task(client, ARGUMENTS)).task_id
        await anyio.sleep(6)
        await ask_about_task(client.session, "cancel", task_id)
        await anyio.sleep(60)
        (clip,) = clips(tmp_path)
        # Nothing of that acknowledged the job.
        again = structured(await generate(client))
        assert (again["request_id"], again["reused"], again["saved_to"]) == (
            task_id,
            True,
            str(clip),
        )
        assert len(simulator.accepted) == 1


async def test_a_job_that_a_call_left_is_followed_after_a_restart(tmp_path: Path) -> None:
    async with run_simulator(run_seconds=60) as simulator:
        async with open_server(simulator, tmp_path, **saving(tmp_path)) as client:
            await generate(client, wait_seconds=0)
        assert polls(simulator) == []
        async with open_server(simulator, tmp_path, **saving(tmp_path)):
            began = anyio.current_time()
            await anyio.sleep(90)
            assert 3 < polls(simulator)[0] - began < 8
            assert len(clips(tmp_path)) == 1


async def test_a_clip_whose_download_was_cut_off_is_saved_after_a_restart(tmp_path: Path) -> None:
    async with run_simulator() as simulator:
        async with open_server(simulator, tmp_path, **saving(tmp_path)) as client:
            simulator.faults.append(Fault.delay("output", 60))
            assert structured(await generate(client, wait_seconds=5))["status"] == "completed"
        assert clips(tmp_path) == []
        async with open_server(simulator, tmp_path, **saving(tmp_path)):
            await anyio.sleep(10)
            assert len(clips(tmp_path)) == 1


@pytest.mark.parametrize("status", [403, 404])
async def test_a_job_is_followed_until_runcomfy_says_no(status: int, tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, tmp_path, **saving(tmp_path)) as client,
    ):
        refusal = b'{"detail": "no"}'
        simulator.faults.append(Fault.answer("status", status, body=refusal, times=99))
        await generate(client, wait_seconds=0)
        await anyio.sleep(HOUR)
        # Again after five minutes, since so young a job may not be known everywhere.
        assert len(polls(simulator)) == 2


async def test_another_refusal_or_a_later_answer_does_not_keep_a_clip_from_being_saved(
    tmp_path: Path,
) -> None:
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, tmp_path, **saving(tmp_path)) as client,
    ):
        refusal = b'{"detail": "no"}'
        simulator.faults.append(Fault.answer("status", 422, body=refusal))
        await generate(client, wait_seconds=0)
        await anyio.sleep(400)
        assert len(clips(tmp_path)) == 1
        simulator.faults.append(Fault.answer("status", 401, body=refusal))
        made = structured(await generate(client, prompt="Rain.", wait_seconds=0))
        await anyio.sleep(10)
        asked = {"request_id": made["request_id"], "wait_seconds": 0}
        assert structured(await client.call_tool("check_status", asked))["status"] == "in_progress"
        await anyio.sleep(100)
        assert len(clips(tmp_path)) == 2


async def test_a_job_that_never_ends_is_followed_ever_less_for_two_days(tmp_path: Path) -> None:
    async with run_simulator(run_seconds=100 * HOUR) as simulator:
        async with open_server(simulator, tmp_path, **saving(tmp_path)) as client:
            await generate(client, wait_seconds=0)
            await anyio.sleep(HOUR / 2)
        assert 50 < len(polls(simulator)) < 85
        for begins_at in (47.9 * HOUR, 48.1 * HOUR):
            await anyio.sleep(begins_at - anyio.current_time())
            before = len(polls(simulator))
            async with open_server(simulator, tmp_path, **saving(tmp_path)):
                await anyio.sleep(600)
            asked = polls(simulator)[before:]
            assert [at - begins_at < 10 for at in asked] == [True] * (begins_at < 48 * HOUR)


async def test_many_followed_jobs_leave_room_for_other_requests(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=HOUR) as simulator,
        open_server(simulator, tmp_path, **saving(tmp_path)) as client,
    ):
        for number in range(10):
            await generate(client, prompt=f"Number {number}.", wait_seconds=0)
        before = len(polls(simulator))
        await anyio.sleep(60)
        assert 10 <= len(polls(simulator)) - before <= 21


async def test_a_failure_that_was_followed_is_still_owed_to_the_same_call(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=10, outcome="fail") as simulator,
        open_server(simulator, tmp_path, **saving(tmp_path)) as client,
    ):
        simulator.faults.append(Fault.delay("submit", 5))
        with anyio.move_on_after(2):
            await generate(client)
        await anyio.sleep(60)
        assert polls(simulator) != []
        (job,) = await list_jobs(client)
        assert job["status"] == "failed"
        again = await generate(client)
        assert (again.is_error, structured(again)["reused"]) == (True, True)
        assert len(simulator.accepted) == 1


async def test_nothing_is_followed_over_http_or_without_automatic_downloads(
    tmp_path: Path,
) -> None:
    for number, settings in enumerate([{"auto_download": True, "follow_jobs": False}, {}]):
        folder = tmp_path / str(number)
        async with run_simulator(run_seconds=60) as simulator:
            async with open_server(simulator, folder, **settings) as client:
                await generate(client, wait_seconds=0)
                await anyio.sleep(300)
            assert polls(simulator) == []


async def test_following_adds_no_poll_while_a_call_waits_or_a_client_polls_its_task() -> None:
    counts: list[list[int]] = []
    for auto_download in (False, True):
        counts.append([])
        for extensions in ([], [TaskPolling()]):
            async with open_client(
                Behaviour(run_seconds=40),
                mode="auto",
                extensions=extensions,
                auto_download=auto_download,
            ) as client:
                made = await client.generate(wait_seconds=60)
                assert structured(made)["status"] == "completed"
                counts[-1].append(client.paths().count("status"))
    assert counts[0] == counts[1]


async def test_a_call_that_joins_polls_at_once_and_as_often_as_any_other() -> None:
    cases = ((301, 1, 1, "in_progress"), (550, 40, 8, "in_progress"), (600, 1, 1, "completed"))
    behaviour = Behaviour(queue_seconds=300, run_seconds=300)
    async with open_client(behaviour, auto_download=True) as client:
        made = structured(await client.generate(wait_seconds=0))
        for time, wait_seconds, polled, status in cases:
            await anyio.sleep(time - anyio.current_time())
            before = client.paths().count("status")
            arguments = {"request_id": made["request_id"], "wait_seconds": wait_seconds}
            seen = structured(await client.call("check_status", **arguments))
            assert client.paths().count("status") - before == polled
            assert seen["status"] == status


async def test_of_two_servers_one_follows_a_job_and_then_the_other(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, tmp_path, **saving(tmp_path)),
    ):
        async with open_server(simulator, tmp_path, **saving(tmp_path)) as client:
            await generate(client, wait_seconds=0)
            await anyio.sleep(30)
            asked = polls(simulator)
            # The server that bought the job, at once.
            assert asked[0] == pytest.approx(3, abs=0.1)
            assert min(after - before for before, after in pairwise(asked)) > 2.5
        assert clips(tmp_path) == []
        await anyio.sleep(60)
        assert len(clips(tmp_path)) == 1


async def test_following_outlasts_an_outage_and_a_ledger_that_cannot_be_read(
    tmp_path: Path,
) -> None:
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, tmp_path / "state", **saving(tmp_path)) as client,
    ):
        await generate(client, wait_seconds=0)
        simulator.faults.append(Fault.drop("status", times=12))
        (tmp_path / "state").rename(tmp_path / "away")
        await anyio.sleep(120)
        (tmp_path / "away").rename(tmp_path / "state")
        await anyio.sleep(120)
        assert len(clips(tmp_path)) == 1
        assert [job["status"] for job in await list_jobs(client)] == ["completed"]
