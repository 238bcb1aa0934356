"""The demo, as a newcomer runs it: clips in the current folder, and nothing else left."""

import os
import re
import signal
import sys
from pathlib import Path

import anyio
import av
import pytest

import seedance_mcp
from tests.support.server_process import COMMAND, Servers, environment
from tests.support.timeouts import TIMEOUT_SECONDS
from tests.support.wording import NOT_A_RESOLUTION, TOOLS

pytestmark = pytest.mark.anyio

IMAGES = Path(seedance_mcp.__file__).parent / "simulator" / "sample_images"


def measured(path: Path) -> tuple[str, str | None, float, int, int, float]:
    """Return codec, pixel format, frames per second, width, height and seconds of a clip."""
    with av.open(str(path)) as clip:
        (video,) = clip.streams.video
        seconds = len(list(clip.decode(video))) / float(video.average_rate or 1)
        assert video.average_rate
        rate = float(video.average_rate)
        name, form = video.codec_context.name, video.codec_context.pix_fmt
        return name, form, rate, video.width, video.height, seconds


def files(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return [path.name for path in folder.iterdir() if path.is_file()]


def processes_in(folder: Path) -> list[str]:
    """Return the processes that have a folder in their environment (Linux)."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


async def make_demo(folder: Path, *options: str) -> str:
    """Run the demo in a folder, and return what it prints."""
    run = await anyio.run_process(
        [*COMMAND, "demo", *options], cwd=folder, env=environment(folder), check=False
    )
    assert (run.returncode, run.stderr) == (0, b"")
    return run.stdout.decode()


@pytest.mark.stress
async def test_the_demo_ends_with_a_clip_that_plays(tmp_path: Path) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        printed = await make_demo(tmp_path)
    check_plain_demo(tmp_path, printed)


@pytest.mark.stress
async def test_the_demo_takes_an_image_a_last_one_and_a_prompt(tmp_path: Path) -> None:
    options = ["--image", str(IMAGES / "lake.jpg"), "--resolution", "480p", "--duration", "5"]
    last = ["--last-image", str(IMAGES / "lake-dusk.jpg"), "--prompt", "Night falls."]
    with anyio.fail_after(TIMEOUT_SECONDS):
        printed = await make_demo(tmp_path, *options, *last)
    (name,) = [name for name in files(tmp_path) if "-night-falls-" in name and "mp4" in name]
    assert name in printed
    assert measured(tmp_path / name) == ("h264", "yuv420p", 24, 854, 480, 5)


def check_plain_demo(folder: Path, printed: str) -> None:
    """Check the clip and the output of a demo without options."""
    shown = re.findall(r"^(saved|both in one) +(\S+) ", printed, re.MULTILINE)
    assert [what for what, _ in shown] == ["saved", "saved", "both in one"]
    first, second, both = (Path(path) for _, path in shown)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-the-mist-drifts-[a-z-]+-[0-9a-f]{8}\.mp4", first.name)
    frame = f"{first.stem}-last-frame.png"
    assert sorted(files(folder)) == sorted([first.name, frame, second.name, both.name])
    for path in (first, second):
        assert measured(path) == ("h264", "yuv420p", 24, 854, 480, 5)
    # The frame that both have is shown once.
    assert f"\njoin_clips      {round(10 - 1 / 24, 3)} s\n" in printed
    codec, form, _, width, height, _ = measured(both)
    assert (codec, form, width, height) == ("h264", "yuv420p", 854, 480)
    assert printed.startswith("Simulated clips: no account is needed and nothing is charged.\n")
    assert f"tools           {', '.join(TOOLS)}\n" in printed
    assert (
        "a bad image     refused: first_frame_image_url: The uploaded image width and height must"
        " not be less than 300 pixels. It is 240 x 160 pixels. Nothing was charged.\n"
    ) in printed
    assert "generate_video  … in queue, position 0, " in printed
    assert "generate_video  … in progress, " in printed
    calls = "generate_video, get_result, generate_video, get_result, join_clips"
    assert f"this client called {calls} over stdio" in printed
    assert "the server sent 2 paid POSTs and then" in printed
    assert "`seedance-mcp install CLIENT`" in printed


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--image", "no-such.jpg"], "seedance-mcp: No such image: no-such.jpg.\n"),
        (
            ["--resolution", "480"],
            (f"seedance-mcp: {NOT_A_RESOLUTION} Nothing was charged.\n"),
        ),
    ],
)
async def test_a_wrong_option_ends_the_demo_with_one_line(
    servers: Servers, options: list[str], line: str, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        run = await servers.command(["demo", *options], environment(tmp_path), cwd=tmp_path)
    assert (run.returncode, run.stderr.decode()) == (1, line)
    assert files(tmp_path) == []


@pytest.mark.stress
@pytest.mark.skipif(sys.platform != "linux", reason="the test looks for processes in /proc")
async def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    # The demo keeps the folders of its server in the folder for temporary files.
    env = environment(tmp_path, TMPDIR=str(tmp_path))
    with anyio.fail_after(TIMEOUT_SECONDS):
        command = [*COMMAND, "demo"]
        async with await anyio.open_process(
            command, cwd=tmp_path, env=env, start_new_session=True
        ) as process:
            assert process.stdout
            printed = b""
            while b"in queue" not in printed:
                printed += await process.stdout.receive()
            assert len(processes_in(tmp_path)) == 2
            os.killpg(process.pid, signal.SIGINT)
            assert await process.wait() == 130
    assert processes_in(tmp_path) == []
