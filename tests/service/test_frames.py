"""Reading the frames of clips: what a cancelled call and a closed server leave."""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from time import monotonic

import anyio
import anyio.lowlevel
import anyio.to_thread
import av
import pytest
from PIL import Image

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.uris import ClipFrame
from seedance_mcp.service._frames import decode_frame
from seedance_mcp.service._temporary_clips import MOST_TEMPORARY_CLIPS, TemporaryFiles
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.client import open_mcp_client, structured
from tests.support.sample_clips import SAMPLES
from tests.support.timeouts import TIMEOUT_SECONDS
from tests.support.virtual_time import EPOCH

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

LONG = 2000
"""So many frames take a while to decode, and none of them can be left out."""


def render_long_clip(path: Path, *_: object, **__: object) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=240)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": str(LONG)}
        frame = av.VideoFrame(64, 48, "yuv420p")
        for number in range(LONG):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


async def until(is_so: Callable[[], object]) -> None:
    """Wait, while threads work, until something is so."""
    deadline = monotonic() + TIMEOUT_SECONDS
    while not is_so():
        assert monotonic() < deadline
        await anyio.lowlevel.checkpoint()


async def test_a_call_cancelled_while_a_frame_is_decoded_buys_nothing_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(pattern: str) -> int:
        return len([*tmp_path.glob(pattern)])

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    behaviour = Behaviour(images="never")
    async with running(behaviour, clock=anyio.current_time, render=render_long_clip) as simulator:
        async with open_mcp_client(
            tmp_path / "state", token=simulator.token, base_url=simulator.url, model="2.5-480p"
        ) as client:
            call = partial(client.call_tool, "generate_video")
            made = structured(await call({"prompt": "Rain.", "image": "https://a.example/a.png"}))
            frame = f"seedance://jobs/{made['request_id']}/last-frame"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, {"prompt": "Rain.", "image": frame})
                await until(lambda: found("seedance-frame-*"))
                tasks.cancel_scope.cancel()
            # The thread stops by itself, which the clock does not wait for, since it was abandoned.
            await until(lambda: not found("seedance-frame-*"))
            again = structured(await call({"prompt": "Snow.", "image": frame}))
            assert [job.request_id for job in simulator.accepted] == [
                made["request_id"],
                again["request_id"],
            ]
            assert (found("seedance-frame-*"), found("seedance-clips-*/*.mp4")) == (0, 1)
        assert found("seedance-clips-*") == 0


async def test_frames_are_decoded_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    behaviour = Behaviour(images="never")
    async with (
        running(behaviour, clock=anyio.current_time, render=render_long_clip) as simulator,
        open_mcp_client(
            tmp_path / "state", token=simulator.token, base_url=simulator.url, model="2.5-480p"
        ) as client,
    ):
        call = partial(client.call_tool, "generate_video")
        made = structured(await call({"prompt": "Rain.", "image": "https://a.example/a.png"}))
        frame = f"seedance://jobs/{made['request_id']}/last-frame"
        seen: set[int] = set()

        def all_bought() -> bool:
            seen.add(len([*tmp_path.glob("seedance-frame-*")]))
            return len(simulator.accepted) == 4

        async with anyio.create_task_group() as tasks:
            for prompt in ("Rain.", "Snow.", "Hail."):
                tasks.start_soon(call, {"prompt": prompt, "image": frame})
            await until(all_bought)
    assert seen == {0, 1}


async def test_a_frame_that_cannot_be_kept_beside_its_clip_is_read_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # A longer name than any file may have.
    clip = SAMPLES["plain"](tmp_path / f"{'x' * 245}.mp4")
    frame = ClipFrame(request_id="r-1", which="last")
    decode = partial(decode_frame, clip, frame, is_temporary=False, keep=True)
    png = await anyio.to_thread.run_sync(decode)
    with Image.open(BytesIO(png)) as image:
        assert image.size == (64, 48)
    assert "the last frame of r-1 is not kept beside its clip" in caplog.text


async def test_only_the_newest_temporary_clips_are_kept_and_known(
    tmp_path: Path,
) -> None:
    def clips() -> int:
        return len([*tmp_path.iterdir()])

    files = TemporaryFiles()
    jobs = [
        Job(id=f"{number}", request_id=f"r-{number}", created_at=EPOCH)
        for number in range(MOST_TEMPORARY_CLIPS + 3)
    ]
    for job in jobs:
        path = tmp_path / job.id
        path.touch()
        assert await files.record_files(replace(job, saved_to=(str(path),)))
    assert clips() == MOST_TEMPORARY_CLIPS
    known = [bool((await files.current(job)).saved_to) for job in jobs]
    assert known == [False] * 3 + [True] * MOST_TEMPORARY_CLIPS
