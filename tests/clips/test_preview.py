# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from random import Random
from typing import cast

import av
import pytest
from PIL import Image

from seedance_mcp.clips.preview import middle_frame
from seedance_mcp.clips.small_jpeg import POSTER, PREVIEW
from seedance_mcp.simulator._clip import render
from tests.support.clip_host import mp4
from tests.support.image_likeness import psnr
from tests.support.sample_clips import COLOURED, SAMPLES, last_frame, write_sample
from tests.support.shown_by_hand import shown_by_hand
from tests.support.timeouts import TIMEOUT_SECONDS

SECOND = 24


def write_clip(path: Path, frames: list[Image.Image], *, key_frame_every: int = 250) -> Path:
    """Write images as a clip of 24 frames per second."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=SECOND)
        stream.width, stream.height, stream.pix_fmt = *frames[0].size, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "10", "g": str(key_frame_every)}
        for image in frames:
            container.mux(stream.encode(cast("av.VideoFrame", av.VideoFrame.from_image(image))))
        container.mux(stream.encode())
    return path


def preview(path: Path) -> Image.Image:
    """Return the preview of a clip, which must be a small JPEG."""
    jpeg = middle_frame(path)
    assert jpeg is not None
    assert len(jpeg) <= PREVIEW.max_bytes
    image = Image.open(BytesIO(jpeg))
    assert image.format == "JPEG"
    return image


def brightness(image: Image.Image) -> int:
    """Return the brightness in an image's middle, 0 to 255."""
    value = image.convert("L").getpixel((image.width // 2, image.height // 2))
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize("key_frame_every", [1, 7, 250])
@pytest.mark.parametrize("count", [1, 2, 3, 24, 61])
def test_a_preview_is_the_frame_in_the_middle(
    tmp_path: Path, count: int, key_frame_every: int
) -> None:
    greys = [30 + round(n * 190 / max(1, count - 1)) for n in range(count)]
    frames = [Image.new("RGB", (64, 64), (value, value, value)) for value in greys]
    path = write_clip(tmp_path / "a.mp4", frames, key_frame_every=key_frame_every)
    assert abs(brightness(preview(path)) - greys[count // 2]) <= 8


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((1280, 720), (640, 360)),
        ((720, 1280), (360, 640)),
        ((320, 180), (320, 180)),
        ((1920, 2), (640, 1)),
    ],
)
def test_a_preview_is_scaled_down_but_never_up(
    tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    path = write_clip(tmp_path / "a.mp4", [Image.new("RGB", size, (9, 99, 199))] * 3)
    assert preview(path).size == shown


def test_a_frame_that_compresses_badly_is_made_small_enough(tmp_path: Path) -> None:
    noise = Image.frombytes("RGB", (1280, 720), Random(1).randbytes(1280 * 720 * 3))
    path = write_clip(tmp_path / "a.mp4", [noise] * 3)
    assert min(preview(path).size) >= 180


def test_a_poster_is_smaller_than_a_preview_even_of_a_frame_that_compresses_badly(
    tmp_path: Path,
) -> None:
    noise = Image.frombytes("RGB", (1280, 720), Random(1).randbytes(1280 * 720 * 3))
    path = write_clip(tmp_path / "a.mp4", [noise] * 3)
    jpeg = middle_frame(path, bounds=POSTER)
    assert jpeg is not None
    assert (Image.open(BytesIO(jpeg)).size, len(jpeg) <= 30_000) == ((320, 180), True)


def test_a_clip_of_the_simulator_has_a_preview(tmp_path: Path) -> None:
    image = BytesIO()
    Image.effect_mandelbrot((800, 450), (-2, -1, 1, 1), 50).convert("RGB").save(image, "PNG")
    render(tmp_path / "a.mp4", image.getvalue(), None, height=480, seconds=1)
    assert preview(tmp_path / "a.mp4").size == (640, 360)


@pytest.mark.parametrize("name", COLOURED)
def test_a_preview_has_the_colours_that_the_clip_is_shown_in(tmp_path: Path, name: str) -> None:
    sample, matrix, full = COLOURED[name]
    path = write_sample(tmp_path / "a.mp4", replace(sample, numbers=[9]))
    image = preview(path)
    shown = shown_by_hand(last_frame(path), matrix=matrix, full=full).resize(image.size)
    assert psnr(image, shown) > 33


@pytest.mark.parametrize(("degrees", "size"), [(90, (48, 64)), (180, (64, 48)), (270, (48, 64))])
def test_a_preview_is_turned_as_the_clip_is_shown(
    tmp_path: Path, degrees: int, size: tuple[int, int]
) -> None:
    upright = preview(SAMPLES["plain"](tmp_path / "a.mp4"))
    image = preview(SAMPLES[f"turned by {degrees}"](tmp_path / "b.mp4"))
    assert image.size == size
    assert psnr(image.rotate(degrees, expand=True), upright) > 30


def test_an_unreadable_file_has_no_preview(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4", [Image.new("RGB", (64, 64))] * 3).read_bytes()
    bodies = {
        "empty": b"",
        "html": b"<!doctype html>",
        "noise": mp4(5000),
        "half": whole[: len(whole) // 2],
        "playlist": b"#EXTM3U\n#EXTINF:1,\n" + str(tmp_path / "a.mp4").encode() + b"\n",
    }
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
    names = [*bodies, "nothing", "."]
    assert {name: middle_frame(tmp_path / name) for name in names} == dict.fromkeys(names)


@pytest.mark.parametrize("what", [b"avc1", b"stsd", b"stco"])
def test_a_clip_of_an_unknown_format_has_no_preview(tmp_path: Path, what: bytes) -> None:
    path = write_clip(tmp_path / "a.mp4", [Image.new("RGB", (64, 64))] * 3)
    path.write_bytes(path.read_bytes().replace(what, b"zzz1"))
    assert middle_frame(path) is None


def test_a_cancelled_preview_stops_decoding(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [Image.new("RGB", (64, 64))] * 60)
    asked: list[int] = []

    def is_cancelled() -> bool:
        asked.append(1)
        return len(asked) == 5

    assert (middle_frame(path, is_cancelled), len(asked)) == (None, 5)


def test_a_file_without_video_has_no_preview(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
        frame.sample_rate = 48000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert middle_frame(tmp_path / "a.mp4") is None


@pytest.mark.parametrize("missing", ["av", "PIL"])
def test_without_pyav_or_pillow_there_is_no_preview(tmp_path: Path, missing: str) -> None:
    path = write_clip(tmp_path / "a.mp4", [Image.new("RGB", (64, 64))] * 3)
    code = (
        "import sys, pathlib\n"
        "from seedance_mcp.clips.preview import middle_frame\n"
        "assert not {'av', 'PIL'} & set(sys.modules)\n"
        f"sys.modules[{missing!r}] = None\n"
        f"print(middle_frame(pathlib.Path({str(path)!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.stdout == "None\n"
