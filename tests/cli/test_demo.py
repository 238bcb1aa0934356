"""The demo, as a newcomer runs it: a whole clip in the current folder, and nothing left behind."""

import os
import re
import signal
import sys
from pathlib import Path

import anyio
import av
import pytest

from tests.support.server_process import COMMAND, environment
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

IMAGES = Path(__file__).parents[2] / "src" / "seedance_mcp" / "simulator" / "sample_images"


def measured(path: Path) -> tuple[str, str | None, float, int, int, float]:
    """Measure a clip: codec, pixel format, frames a second, width, height, seconds."""
    with av.open(str(path)) as clip:
        (video,) = clip.streams.video
        seconds = len(list(clip.decode(video))) / float(video.average_rate or 1)
        assert video.average_rate
        rate = float(video.average_rate)
        name, form = video.codec_context.name, video.codec_context.pix_fmt
        return name, form, rate, video.width, video.height, seconds


def files(folder: Path) -> list[str]:
    """Name the files of a folder."""
    return [path.name for path in folder.iterdir() if path.is_file()]


def processes_with(text: str) -> list[str]:
    """Find the processes that have a text in their environment (Linux)."""
    found: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


async def test_the_demo_ends_with_a_clip_that_plays(tmp_path: Path) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        run = await anyio.run_process(
            [*COMMAND, "demo"], cwd=tmp_path, env=environment(tmp_path), check=False
        )
    told = run.stdout.decode()
    assert (run.returncode, run.stderr) == (0, b"")
    (path,) = (tmp_path / name for name in files(tmp_path))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-the-mist-drifts-[a-z-]+-[0-9a-f]{8}\.mp4", path.name)
    assert re.search(rf"^saved +{re.escape(str(path))} ", told, re.MULTILINE)
    assert measured(path) == ("h264", "yuv420p", 24, 854, 480, 5)
    assert told.startswith("A simulated clip: no account is needed and nothing is charged.\n")
    assert (
        "tools           generate_video, check_status, get_result, cancel_job, list_jobs\n" in told
    )
    assert (
        "a bad image   refused: first_frame_image_url: The uploaded image width and height must"
        " not be less than 300 pixels. It is 240 x 160 pixels. Nothing was charged.\n"
    ) in told
    assert "generate_video  … in queue, position 0, " in told
    assert "generate_video  … in progress, " in told
    assert "this client called generate_video and get_result over stdio" in told
    assert "the server sent 1 paid POST and then" in told
    assert "examples/claude_config.json" in told


async def test_the_demo_takes_images_resolution_and_duration(tmp_path: Path) -> None:
    options = ["--image", str(IMAGES / "lake.jpg"), "--resolution", "480p", "--duration", "5"]
    last = ["--last-image", str(IMAGES / "lake-dusk.jpg"), "--prompt", "Night falls."]
    with anyio.fail_after(TIMEOUT_SECONDS):
        run = await anyio.run_process(
            [*COMMAND, "demo", *options, *last], cwd=tmp_path, env=environment(tmp_path)
        )
    (name,) = files(tmp_path)
    assert (name.encode() in run.stdout, "-night-falls-" in name) == (True, True)
    assert measured(tmp_path / name) == ("h264", "yuv420p", 24, 854, 480, 5)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--image", "no-such.jpg"], "seedance-mcp: No such image: no-such.jpg.\n"),
        (
            ["--resolution", "480"],
            (
                'seedance-mcp: resolution must be one of "480p", "720p", "1080p" (did you mean'
                ' "480p"?). Nothing was charged.\n'
            ),
        ),
    ],
)
async def test_a_wrong_wish_ends_the_demo_with_one_line(
    options: list[str], line: str, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        run = await anyio.run_process(
            [*COMMAND, "demo", *options], cwd=tmp_path, env=environment(tmp_path), check=False
        )
    assert (run.returncode, run.stderr.decode()) == (1, line)
    assert files(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the test looks for processes in /proc")
async def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    mark = f"DEMO_MARK={tmp_path}"
    env = environment(tmp_path, DEMO_MARK=str(tmp_path))
    with anyio.fail_after(TIMEOUT_SECONDS):
        command = [*COMMAND, "demo"]
        async with await anyio.open_process(
            command, cwd=tmp_path, env=env, start_new_session=True
        ) as process:
            assert process.stdout
            told = b""
            while b"in queue" not in told:
                told += await process.stdout.receive()
            assert processes_with(mark)
            os.killpg(process.pid, signal.SIGINT)
            assert await process.wait() == 130
    assert processes_with(mark) == []
    assert processes_with("seedance-demo-") == []
