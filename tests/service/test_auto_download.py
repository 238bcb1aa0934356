"""Automatic downloads: waiting calls report the file and never exceed their budget for it."""

from pathlib import Path

import anyio
import pytest

from tests.support.client import ARGUMENTS, structured
from tests.support.finished_job import HOST, NAME, REQUEST_ID, File, FinishedJob, open_server
from tests.support.task_client import TaskPolling, ask_about_task, start_task
from tests.support.wording import PAID_FOR, TELL_SAVED

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

AGAIN = f"all get_result with request_id {REQUEST_ID} and download true"


async def test_waiting_calls_answer_with_saved_to_within_their_budget(
    tmp_path: Path,
) -> None:
    service = FinishedJob(files={"/a.mp4": File(piece_seconds=10)})
    async with open_server(service, tmp_path, auto_download=True) as client:
        begun = structured(
            await client.call_tool("generate_video", ARGUMENTS | {"wait_seconds": 25})
        )
        assert anyio.current_time() == pytest.approx(25, abs=0.1)
        assert (begun["status"], begun["video_url"]) == ("completed", f"{HOST}/a.mp4")
        assert begun["next_step"] == (
            f"It is being downloaded (100,000 of 300,000 bytes): c{AGAIN} to wait for it."
        )
        assert "saved_to" not in begun
        now = {"request_id": REQUEST_ID, "wait_seconds": 0}
        assert (
            "It is being downloaded"
            in structured(await client.call_tool("check_status", now))["next_step"]
        )
        later = structured(await client.call_tool("check_status", {"request_id": REQUEST_ID}))
        assert anyio.current_time() == pytest.approx(62, abs=1)
        assert later["saved_to"] == str(tmp_path / "videos" / f"{NAME}.mp4")
        assert later["next_step"] == (
            f"{TELL_SAVED}; get_result with request_id {REQUEST_ID} reads what it cost."
        )
        assert service.counted == {"/a.mp4": 1}


async def test_a_failed_automatic_download_is_reported_at_once_with_the_clip(
    tmp_path: Path,
) -> None:
    service = FinishedJob(files={})
    async with open_server(service, tmp_path, auto_download=True) as client:
        result = await client.call_tool("generate_video", ARGUMENTS)
        assert anyio.current_time() < 10
        assert (result.is_error, structured(result)["video_url"]) == (False, f"{HOST}/a.mp4")
        (warning,) = structured(result)["warnings"]
        assert warning.endswith(f" {PAID_FOR}")
        assert structured(result)["next_step"].startswith(f"C{AGAIN}")


async def test_a_task_is_working_until_its_clip_is_saved(tmp_path: Path) -> None:
    service = FinishedJob(files={"/a.mp4": File(piece_seconds=3)})
    polling = TaskPolling()
    async with open_server(service, tmp_path, tasks=polling, auto_download=True) as client:
        result = await client.call_tool("generate_video", ARGUMENTS)
        assert structured(result)["saved_to"] == str(tmp_path / "videos" / f"{NAME}.mp4")
        told = [(state["status"], state["statusMessage"]) for state in polling.states]
        assert ("working", "completed, 2 s; downloading it, 50,000 of 300,000 bytes") in told
        assert told[-1] == ("completed", "completed, 2 s")
        assert {state.get("pollIntervalMs") for state in polling.states} == {1000, None}
        again = await ask_about_task(client.session, "get", REQUEST_ID)
        assert again == polling.states[-1]


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(File(status=404), id="gone"),
        pytest.param(File(piece_seconds=60), id="slow", marks=pytest.mark.stress),
    ],
)
async def test_a_task_that_has_ended_never_works_again(file: File, tmp_path: Path) -> None:
    service = FinishedJob(files={"/a.mp4": file})
    async with open_server(service, tmp_path, tasks=TaskPolling(), auto_download=True) as client:
        await start_task(client, ARGUMENTS)
        told: list[str] = []
        while anyio.current_time() < 500:
            await anyio.sleep(1)
            told.append((await ask_about_task(client.session, "get", REQUEST_ID))["status"])
        ended = told.index("completed")
        assert (ended < 65, set(told[ended:])) == (True, {"completed"})


@pytest.mark.parametrize("unasked", [False, True])
async def test_an_ended_task_stays_ended_while_its_clip_is_downloaded_on_demand(
    tmp_path: Path, *, unasked: bool
) -> None:
    service = FinishedJob(files={"/a.mp4": File(status=404)} if unasked else {})
    tasks = TaskPolling()
    async with open_server(service, tmp_path, tasks=tasks, auto_download=unasked) as client:
        await client.call_tool("generate_video", ARGUMENTS)
        service.files = {"/a.mp4": File(piece_seconds=3)}
        told: set[str] = set()
        async with anyio.create_task_group() as group:
            download = {"request_id": REQUEST_ID, "download": True}
            group.start_soon(client.call_tool, "get_result", download)
            for _ in range(20):
                await anyio.sleep(1)
                told.add((await ask_about_task(client.session, "get", REQUEST_ID))["status"])
        assert told == {"completed"}
        assert (tmp_path / "videos" / f"{NAME}.mp4").exists()
