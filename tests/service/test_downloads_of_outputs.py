"""Every output is downloaded once, however many calls and servers ask for it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from tests.support.client import ARGUMENTS, structured
from tests.support.finished_job import (
    CLIP,
    HOST,
    NAME,
    REQUEST_ID,
    File,
    FinishedJob,
    buy,
    download,
    files,
    open_server,
)
from tests.support.wording import CONTINUE, PAID_FOR, TELL_SAVED

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
JPEG = b"\xff\xd8\xff\xe0" + bytes(200)
WEBP = b"RIFF\x00\x01\x00\x00WEBPVP8 " + bytes(300)


async def list_often(client: Client, *, times: int, pause: float) -> None:
    """Call list_jobs so many times."""
    for _ in range(times):
        await anyio.sleep(pause)
        await client.call_tool("list_jobs", {})


async def test_images_get_the_extension_of_their_bytes(tmp_path: Path) -> None:
    service = FinishedJob(images=["/a.jpg", "/b.png", "/c"])
    service.files |= {"/a.jpg": File(PNG), "/b.png": File(JPEG), "/c": File(WEBP)}
    async with open_server(service, tmp_path) as client:
        await buy(client)
        asked = await client.call_tool("get_result", {"request_id": REQUEST_ID})
        assert structured(asked)["next_step"] == (
            "Give the user the video URL, which may expire, or call get_result with request_id"
            f" {REQUEST_ID} and download true to save it. {CONTINUE % REQUEST_ID}"
        )
        result = await download(client)
        endings = (".mp4", "-image.png", "-image2.jpg", "-image3.webp")
        names = [NAME + ending for ending in endings]
        assert structured(result)["saved_to"] == ", ".join(
            str(tmp_path / "videos" / n) for n in names
        )
        assert structured(result)["next_step"] == f"{TELL_SAVED}. {CONTINUE % REQUEST_ID}"
        assert files(tmp_path) == dict(zip(names, (len(CLIP), 108, 204, 316), strict=True))
        await download(client)
        assert service.counted == {"/a.mp4": 1, "/a.jpg": 1, "/b.png": 1, "/c": 1}


async def test_a_download_that_is_not_an_image_is_discarded(tmp_path: Path) -> None:
    service = FinishedJob(images=["/a.png"])
    service.files |= {"/a.png": File(b"<html></html>")}
    async with open_server(service, tmp_path) as client:
        await buy(client)
        result = await download(client)
        assert (result.is_error, structured(result)["error"]) == (
            True,
            f"The download was not an image and was discarded. {PAID_FOR}",
        )
        assert files(tmp_path) == {f"{NAME}.mp4": len(CLIP)}


async def test_a_failed_file_causes_no_second_copies_of_the_others(tmp_path: Path) -> None:
    service = FinishedJob(videos=["/gone.mp4", "/a.mp4"], images=["/b.png"])
    service.files |= {"/b.png": File(PNG)}
    async with open_server(service, tmp_path) as client:
        await buy(client)
        there = {f"{NAME}-image.png": 108, f"{NAME}-v2.mp4": len(CLIP)}
        names = [f"{NAME}-v2.mp4", f"{NAME}-image.png"]
        for _ in range(3):
            result = await download(client)
            assert (result.is_error, structured(result)["saved_to"]) == (
                True,
                ", ".join(str(tmp_path / "videos" / name) for name in names),
            )
            assert files(tmp_path) == there
        assert service.counted == {"/gone.mp4": 3, "/a.mp4": 1, "/b.png": 1}
        service.files["/gone.mp4"] = File()
        assert not (await download(client)).is_error
        assert files(tmp_path) == there | {f"{NAME}.mp4": len(CLIP)}


async def test_a_job_counts_as_saved_only_if_every_file_is(tmp_path: Path) -> None:
    service = FinishedJob(videos=["/a.mp4", "/gone.mp4"])
    async with open_server(service, tmp_path) as client:
        await buy(client)
        again = f"call get_result with request_id {REQUEST_ID} and download true to try again."
        assert (
            structured(await download(client))["next_step"]
            == f"Give the user the video URL, or {again}"
        )
        known = structured(await client.call_tool("get_result", {"request_id": REQUEST_ID}))
        assert known["saved_to"] == str(tmp_path / "videos" / f"{NAME}.mp4")
        assert known["next_step"].startswith("Give the user the video URL, which may expire,")
        status = structured(await client.call_tool("check_status", {"request_id": REQUEST_ID}))
        assert status["next_step"].startswith("Call get_result with request_id")


async def test_a_failed_automatic_download_is_not_retried_at_every_list(tmp_path: Path) -> None:
    service = FinishedJob(videos=["/a.mp4", "/gone.mp4"])
    async with open_server(service, tmp_path, auto_download=True) as client:
        await buy(client)
        await list_often(client, times=20, pause=1)
        assert service.counted == {"/a.mp4": 1, "/gone.mp4": 1}
        await list_often(client, times=10, pause=100)
        # After 1, 2 and 4 minutes.
        assert service.counted == {"/a.mp4": 1, "/gone.mp4": 4}
        assert files(tmp_path) == {f"{NAME}.mp4": len(CLIP)}


@pytest.mark.parametrize("unasked", [False, True])
async def test_two_servers_downloading_at_once_make_one_file(
    tmp_path: Path, *, unasked: bool
) -> None:
    service = FinishedJob(files={"/a.mp4": File(piece_seconds=1)})
    results: list[Any] = []

    async def save(client: Client) -> None:
        results.append(await download(client))

    async with (
        open_server(service, tmp_path, auto_download=unasked) as one,
        open_server(service, tmp_path, auto_download=unasked) as other,
        anyio.create_task_group() as tasks,
    ):
        await buy(one)
        await other.call_tool("list_jobs", {})
        tasks.start_soon(save, one)
        tasks.start_soon(save, other)
    path = str(tmp_path / "videos" / f"{NAME}.mp4")
    assert [structured(result)["saved_to"] for result in results] == [path, path]
    assert files(tmp_path) == {f"{NAME}.mp4": len(CLIP)}
    assert service.counted == {"/a.mp4": 1}
    assert list((tmp_path / "state" / "saving").iterdir()) == []


async def test_the_newest_signed_link_is_used(tmp_path: Path) -> None:
    service = FinishedJob(signature=2)
    async with open_server(service, tmp_path) as client:
        await buy(client)
        result = await download(client)
        assert structured(result)["saved_to"] == str(tmp_path / "videos" / f"{NAME}.mp4")
        assert structured(result)["videos"] == [f"{HOST}/a.mp4?sig=2"]
        assert service.asked == ["/a.mp4?sig=2"]


async def test_a_link_that_expires_during_a_download_is_replaced_by_a_newer_one(
    tmp_path: Path,
) -> None:
    service = FinishedJob(signature=2, files={"/a.mp4": File(wait_seconds=10)})
    async with open_server(service, tmp_path, auto_download=True) as client:
        await buy(client)
        result = await download(client)
        assert structured(result)["saved_to"] == str(tmp_path / "videos" / f"{NAME}.mp4")
        assert service.asked == ["/a.mp4?sig=1", "/a.mp4?sig=2"]


async def test_a_failing_ledger_causes_no_second_copies(tmp_path: Path) -> None:
    service = FinishedJob()
    path = str(tmp_path / "videos" / f"{NAME}.mp4")
    async with open_server(service, tmp_path) as client:
        await client.call_tool("generate_video", ARGUMENTS | {"wait_seconds": 0})
        with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            for _ in range(2):
                assert structured(await download(client))["saved_to"] == path
        for _ in range(2):
            assert structured(await download(client))["saved_to"] == path
        assert files(tmp_path) == {f"{NAME}.mp4": len(CLIP)}
        assert service.counted == {"/a.mp4": 1}


async def test_a_late_cancel_still_downloads_the_clip_automatically(tmp_path: Path) -> None:
    service = FinishedJob()
    async with open_server(service, tmp_path) as client:
        await buy(client)
    async with open_server(service, tmp_path, auto_download=True) as client:
        await client.call_tool("cancel_job", {"request_id": REQUEST_ID})
        await anyio.sleep(1)
        assert files(tmp_path) == {f"{NAME}.mp4": len(CLIP)}
