"""A call that downloads is bounded in time, and its download goes on without it."""

import logging
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from tests.support.client import structured
from tests.support.finished_job import (
    CLIP,
    HOST,
    NAME,
    PIECE,
    REQUEST_ID,
    TOKEN,
    File,
    FinishedJob,
    buy,
    download,
    files,
    open_server,
)
from tests.support.wording import INCOMPLETE, NOT_COMPLETE_YET, PAID_FOR

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

AGAIN = f"call get_result with request_id {REQUEST_ID} and download true to continue"


Seen = list[tuple[float, float, float | None]]


def seeing(seen: Seen) -> Callable[[float, float | None, str | None], Awaitable[None]]:
    """Record when each notification came, and what it said."""

    async def see(progress: float, total: float | None, _: str | None) -> None:
        seen.append((anyio.current_time(), progress, total))

    return see


async def test_a_slow_download_is_answered_in_time_and_the_next_call_continues_it(
    tmp_path: Path,
) -> None:
    service = FinishedJob(files={"/a.mp4": File(piece_seconds=12)})
    async with open_server(service, tmp_path) as client:
        await buy(client)
        began, seen = anyio.current_time(), Seen()
        result = await download(client, progress_callback=seeing(seen))
        assert anyio.current_time() - began == pytest.approx(45, abs=0.1)
        assert (result.is_error, structured(result)["saved_to"]) == (False, None)
        assert structured(result)["next_step"] == (
            f"{NOT_COMPLETE_YET} (150,000 of 300,000 bytes): {AGAIN}."
        )
        times = [began, *(time for time, _, _ in seen), began + 45]
        assert max(after - before for before, after in pairwise(times)) <= 5
        values = [progress for _, progress, _ in seen]
        assert values == sorted(set(values))
        assert {total for _, _, total in seen} == {None, 300_000}
        again = await download(client, progress_callback=seeing(seen))
        assert structured(again)["saved_to"] == str(tmp_path / "videos" / f"{NAME}.mp4")
        assert anyio.current_time() - began == pytest.approx(72, abs=1)
        assert seen[-1][1:] == (300_000, 300_000)
        assert service.counted == {"/a.mp4": 1}


async def test_a_hanging_download_times_out_in_the_background_and_is_retried(
    tmp_path: Path,
) -> None:
    service = FinishedJob(files={"/a.mp4": File(hangs_after=PIECE)})
    async with open_server(service, tmp_path) as client:
        await buy(client)
        began, seen = anyio.current_time(), Seen()
        for elapsed in 45, 90:
            result = await download(client, progress_callback=seeing(seen))
            assert anyio.current_time() - began == pytest.approx(elapsed, abs=0.1)
            assert f" of 300,000 bytes): {AGAIN}" in structured(result)["next_step"]
        times = [began, *(time for time, _, _ in seen), began + 90]
        assert max(after - before for before, after in pairwise(times)) <= 5
        result = await download(client)
        assert (result.is_error, anyio.current_time() - began < 130) == (True, True)
        assert f"files.runcomfy.net {INCOMPLETE}" in structured(result)["error"]
        service.files["/a.mp4"] = File()
        assert not (await download(client)).is_error
        assert files(tmp_path) == {f"{NAME}.mp4": len(CLIP)}


async def test_a_cancelled_call_loses_no_bytes_that_have_arrived(tmp_path: Path) -> None:
    service = FinishedJob(files={"/a.mp4": File(piece_seconds=5)})
    async with open_server(service, tmp_path) as client:
        await buy(client)
        with anyio.move_on_after(17):
            await download(client)
        began = anyio.current_time()
        assert structured(await download(client))["saved_to"].endswith(f"{NAME}.mp4")
        assert anyio.current_time() - began == pytest.approx(13, abs=1)
        assert service.counted == {"/a.mp4": 1}


async def test_progress_is_reported_while_runcomfy_does_not_answer(tmp_path: Path) -> None:
    service = FinishedJob()
    async with open_server(service, tmp_path) as client:
        await buy(client)
        service.delay_seconds = 9
        began, seen = anyio.current_time(), Seen()
        await download(client, progress_callback=seeing(seen))
        times = [began, *(time for time, _, _ in seen)]
        assert times[-1] - began >= 9
        assert max(after - before for before, after in pairwise(times)) <= 5


STRANGE = {
    "a host that is no name": FinishedJob(videos=["https://xn--/a.mp4"]),
    "a fault of ours": FinishedJob(
        files={"/a.mp4": File(error=RuntimeError(f"broken with {TOKEN} in hand"))}
    ),
    "a validator that is no text": FinishedJob(
        files={"/a.mp4": File(hangs_after=PIECE, headers={"ETag": b'"\xe9"'})}
    ),
}


@pytest.mark.parametrize("what", STRANGE)
async def test_the_server_survives_whatever_breaks_in_an_automatic_download(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    caplog.set_level(logging.WARNING)
    async with open_server(STRANGE[what], tmp_path, auto_download=True) as client:
        await buy(client)
        await anyio.sleep(200)
        for _ in range(2):
            (job,) = structured(await client.call_tool("list_jobs", {}))["jobs"]
            assert (job["status"], job["saved_to"]) == ("completed", None)
        assert f"{REQUEST_ID} was not downloaded: " in caplog.text
        if what == "a fault of ours":
            await anyio.sleep(1)
            result = await download(client)
            assert (result.is_error, structured(result)["error"]) == (
                True,
                f"The download broke inside this server; see its log. {PAID_FOR}",
            )
            assert structured(result)["videos"] == [f"{HOST}/a.mp4"]
