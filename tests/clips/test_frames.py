# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random
from typing import Literal, cast

import av
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageStat

from seedance_mcp.clips.frames import write_frame
from seedance_mcp.errors import UnreadableClip
from tests.support.image_likeness import psnr
from tests.support.index_bombs import BOMBS
from tests.support.sample_clips import (
    BT601_525,
    COLOURED,
    SAMPLES,
    UNREADABLE,
    Sample,
    number_of,
    write_sample,
)
from tests.support.shown_by_hand import shown_by_hand
from tests.support.timeouts import TIMEOUT_SECONDS

# The numbers of the first and the last frame that is shown, where they are not 0 and 5.
ENDS = {
    "open GOPs": (0, 10),
    "one frame": (5, 5),
    "hides leading frames": (2, 5),
    "hides last frames": (0, 3),
    "starts before zero": (2, 5),
    "untagged, 720 lines": (0, 1),
    "untagged, 718 lines": (0, 1),
}


def go_on() -> None:
    """Answer that the call is not cancelled."""


def frame_of(
    clip: Path, which: Literal["first", "last"], check: Callable[[], object] = go_on
) -> Image.Image:
    """Return a frame of a clip, which must come as an 8-bit RGB PNG and alone."""
    path = clip.with_name(f"{which}.png")
    before = set(clip.parent.iterdir())
    write_frame(clip, which, path, check)
    assert set(clip.parent.iterdir()) - before <= {path}
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return image.copy()


def decoded(path: Path) -> list[av.VideoFrame]:
    """Return all frames that are shown, decoded from the start."""
    with av.open(str(path), metadata_errors="replace") as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize("name", SAMPLES)
def test_the_first_and_the_last_frame_are_those_that_are_shown(tmp_path: Path, name: str) -> None:
    clip = SAMPLES[name](tmp_path / "a.mp4")
    _, matrix, full = COLOURED.get(name, (None, BT601_525, False))
    frames = decoded(clip)
    ends: dict[Literal["first", "last"], av.VideoFrame] = {"first": frames[0], "last": frames[-1]}
    assert tuple(map(number_of, ends.values())) == ENDS.get(name, (0, 5))
    clockwise = int(name.partition("turned by ")[2] or 0)
    for which, frame in ends.items():
        shown = shown_by_hand(frame, matrix=matrix, full=full).rotate(-clockwise, expand=True)
        # PyAV's own conversion, which is used for 10 bits, is not exact.
        assert psnr(frame_of(clip, which), shown) > (40 if name == "10-bit" else 60)
    if len(frames) > 1:
        assert psnr(frame_of(clip, "last"), frame_of(clip, "first")) < 30


@pytest.mark.parametrize("name", COLOURED)
def test_another_matrix_or_range_would_be_seen(tmp_path: Path, name: str) -> None:
    clip = SAMPLES[name](tmp_path / "a.mp4")
    _, matrix, full = COLOURED[name]
    frame, image = decoded(clip)[-1], frame_of(clip, "last")
    other = {1: 6, 5: 1, 6: 1}[matrix]
    assert psnr(image, shown_by_hand(frame, matrix=other, full=full)) < 36
    assert psnr(image, shown_by_hand(frame, matrix=matrix, full=not full)) < 36


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p"])
def test_an_image_of_sharp_colours_is_that_of_pyav_but_not_darker(
    tmp_path: Path, pix_fmt: str
) -> None:
    noise = Image.frombytes("RGB", (16, 12), Random(1).randbytes(16 * 12 * 3))
    blocks = noise.resize((240, 180), Image.Resampling.NEAREST)
    clip = write_still(tmp_path / "a.mp4", blocks, pix_fmt=pix_fmt)
    image = frame_of(clip, "last")
    (frame,) = decoded(clip)
    shown = cast("Image.Image", frame.reformat(format="rgb24", src_colorspace=5).to_image())
    assert psnr(image, shown) > 45
    if pix_fmt == "yuv420p":
        exact = shown_by_hand(frame, matrix=BT601_525, full=False)
        assert psnr(image, exact) > 60
        means = (ImageStat.Stat(each).mean for each in (image, exact, shown))
        darker = [(b - a, c - a) for a, b, c in zip(*means, strict=True)]
        assert all(abs(ours) < 0.1 and theirs < -0.5 for ours, theirs in darker)


WHAT_IS_WRONG = {
    "truncated": "is damaged: the end of it is missing",
    "promises more frames": "is damaged: the end of it is missing",
    "skipped last frames": "is damaged: 5 of 6 frames can be read",
    "audio only": "has no video in it that can be read",
    "audio with a cover": "has no video in it that can be read",
    **dict.fromkeys(BOMBS, "has an index that is too large"),
    "unknown codec": "has no video in it that can be read",
    "hides all frames": "has no frame that is shown",
}


@pytest.mark.parametrize("name", UNREADABLE | BOMBS)
def test_a_file_that_cannot_be_decoded_to_its_end_is_refused(tmp_path: Path, name: str) -> None:
    clip = (UNREADABLE | BOMBS)[name](tmp_path / "a.mp4")
    image = tmp_path / "last.png"
    image.write_bytes(b"earlier")
    with pytest.raises(UnreadableClip) as refusal:
        write_frame(clip, "last", image, go_on)
    why = WHAT_IS_WRONG.get(
        name, "is not an MP4 that can be read (Invalid data found when processing input)"
    )
    what_to_do = "Delete the file and download the clip again, or use another clip."
    assert refusal.value.line == f"a.mp4 {why}. {what_to_do} Nothing was charged."
    assert set(tmp_path.iterdir()) == {clip, image}
    assert image.read_bytes() == b"earlier"


def test_the_first_frame_of_a_clip_that_is_cut_off_is_refused_too(tmp_path: Path) -> None:
    clip = UNREADABLE["truncated"](tmp_path / "a.mp4")
    with pytest.raises(UnreadableClip, match=r"^a\.mp4 is damaged: the end of it is missing"):
        write_frame(clip, "first", tmp_path / "first.png", go_on)
    assert set(tmp_path.iterdir()) == {clip}


def test_the_last_frame_is_found_from_the_last_key_frame(tmp_path: Path) -> None:
    options = {"x264-params": "keyint=5:min-keyint=5:scenecut=0", "bf": "2"}
    clip = write_sample(tmp_path / "a.mp4", Sample(numbers=range(60), options=options))
    checks = count()
    image = frame_of(clip, "last", lambda: next(checks))
    frame = decoded(clip)[-1]
    assert number_of(frame) == 59
    assert psnr(image, shown_by_hand(frame, matrix=BT601_525, full=False)) > 40
    assert next(checks) < 10


def test_all_is_decoded_where_the_index_calls_a_frame_a_key_frame_that_is_none(
    tmp_path: Path,
) -> None:
    clip = SAMPLES["B-frames"](tmp_path / "a.mp4")
    honest = frame_of(clip, "last")
    data = bytearray(clip.read_bytes())
    at = data.index(b"stss")
    # Without a table of key frames, all of them are.
    data[at : at + 4] = b"free"
    clip.write_bytes(data)
    assert frame_of(clip, "last").tobytes() == honest.tobytes()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "a.mp4"
    os.mkfifo(pipe)
    with pytest.raises(UnreadableClip, match="is not a regular file"):
        write_frame(pipe, "last", tmp_path / "last.png", go_on)


def test_a_clip_in_an_oddly_named_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9 'x'%\xf0\x9f\x98\x80")
    folder.mkdir()
    assert frame_of(SAMPLES["plain"](folder / "a.mp4"), "last").size == (64, 48)


def test_a_long_file_name_is_shortened_in_the_refusal(tmp_path: Path) -> None:
    clip = UNREADABLE["text"](tmp_path / ("x" * 200 + ".mp4"))
    with pytest.raises(UnreadableClip, match=r"^x{119}… is not an MP4"):
        write_frame(clip, "last", tmp_path / "last.png", go_on)


def write_still(path: Path, image: Image.Image, *, pix_fmt: str = "yuv420p") -> Path:
    """Write a clip of one frame."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *image.size, pix_fmt
        container.mux(stream.encode(cast("av.VideoFrame", av.VideoFrame.from_image(image))))
        container.mux(stream.encode())
    return path


def test_frames_that_are_larger_than_8k_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    clip = write_still(tmp_path / "a.mp4", Image.new("RGB", (16384, 2176)))
    with pytest.raises(UnreadableClip, match=r"^a\.mp4 has frames of 16384 x 2176 pixels"):
        write_frame(clip, "last", tmp_path / "last.png", go_on)


def test_frames_in_another_file_are_not_read(tmp_path: Path) -> None:
    other = SAMPLES["plain"](tmp_path / "other.mp4")
    clip = tmp_path / "a.mp4"
    clip.write_bytes(referring_to(other))
    with pytest.raises(UnreadableClip):
        write_frame(clip, "last", tmp_path / "last.png", go_on)


def referring_to(other: Path) -> bytes:
    """Return a clip's bytes with a Macintosh alias in it, which says that its frames are there."""
    data = other.read_bytes()
    alias = bytearray(150)
    name = os.fsencode(other.name)
    alias[50 : 51 + len(name)] = bytes([len(name)]) + name
    alias += struct.pack(">HH", 2, len(os.fsencode(other))) + os.fsencode(other)
    alias += b"\0" * (len(alias) % 2) + struct.pack(">hH", -1, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    plain = struct.pack(">I4sI", 12, b"url ", 1)
    assert data.count(plain) == 1
    for box in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        at = data.index(box) - 4
        size = struct.unpack_from(">I", data, at)[0] + len(entry) - len(plain)
        data = data[:at] + struct.pack(">I", size) + data[at + 4 :]
    return data.replace(plain, entry)


class Cancelled(Exception):
    """The call was cancelled."""


@pytest.mark.parametrize("which", ["first", "last"])
def test_a_call_that_is_cancelled_leaves_no_file(
    tmp_path: Path, which: Literal["first", "last"]
) -> None:
    clip = SAMPLES["several key frames"](tmp_path / "a.mp4")
    checks = count()
    frame_of(clip, which, lambda: next(checks))
    tmp_path.joinpath(f"{which}.png").unlink()
    for limit in range(next(checks)):
        with pytest.raises(Cancelled):
            write_frame(clip, which, tmp_path / "a.png", cancelled_after(limit))
        assert list(tmp_path.iterdir()) == [clip]


def cancelled_after(limit: int) -> Callable[[], None]:
    """Return a check that lets `limit` checks pass."""
    checks = count()

    def check() -> None:
        if next(checks) == limit:
            raise Cancelled

    return check


def test_an_image_that_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    clip = SAMPLES["plain"](tmp_path / "a.mp4")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OSError, match=r"folder\.png"):
        write_frame(clip, "last", tmp_path / "folder.png", go_on)
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "folder.png"}


def python(code: str, *arguments: object) -> list[str]:
    prelude = "import pathlib, sys\nfrom seedance_mcp.clips.frames import write_frame\n"
    return [sys.executable, "-c", prelude + code, *map(str, arguments)]


def test_a_process_that_is_killed_leaves_no_half_image_under_its_name(tmp_path: Path) -> None:
    noise = Image.frombytes("RGB", (1280, 720), Random(1).randbytes(1280 * 720 * 3))
    clip = write_still(tmp_path / "a.mp4", noise)
    image = tmp_path / "last.png"
    code = "path = pathlib.Path\nwrite_frame(path(sys.argv[1]), 'last', path(sys.argv[2]), int)"
    with subprocess.Popen(python(code, clip, image)) as process:
        # The file in which it writes appears some tenths of a second before its last name.
        while process.poll() is None and len(list(tmp_path.iterdir())) < 2:
            pass
        process.kill()
        process.wait(TIMEOUT_SECONDS)
    if image.exists():  # it was quick
        Image.open(image).load()
    else:
        assert process.returncode == -9
        assert len(list(tmp_path.iterdir())) == 2
    assert frame_of(clip, "last").size == (1280, 720)


def test_without_pyav_the_refusal_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "assert not {'av', 'PIL'} & set(sys.modules)\n"
        "sys.modules['av'] = None\n"
        "try: write_frame(pathlib.Path('a.mp4'), 'first', pathlib.Path('a.png'), int)\n"
        "except Exception as error: print(type(error).__name__, error.line)"
    )
    done = subprocess.run(
        python(code),
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
        cwd=tmp_path,
    )
    assert done.stdout == (
        "VideoExtraMissing Reading the first frame of a clip needs PyAV, which is not installed:"
        " pip install 'seedance-mcp[video]' (with uvx: --from 'seedance-mcp[video]' seedance-mcp),"
        " then restart the server. Nothing was charged.\n"
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clip with sound."""
    return SAMPLES["audio is longer"](tmp_path_factory.mktemp("damaged") / "whole.mp4")


@given(
    keep=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), max_size=4),
    which=st.sampled_from(["first", "last"]),
)
@example(keep=1, flips=[], which="last")
def test_a_damaged_clip_gives_a_frame_or_a_refusal(
    whole: Path,
    keep: float,
    flips: list[tuple[float, int]],
    which: Literal["first", "last"],
) -> None:
    data = bytearray(whole.read_bytes())
    for place, bit in flips:
        data[int(place * (len(data) - 1))] ^= 1 << bit
    clip = whole.with_name("damaged.mp4")
    clip.write_bytes(data[: int(keep * len(data))])
    checks = count()
    try:
        frame_of(clip, which, lambda: next(checks))
    except UnreadableClip as refusal:
        assert re.match(r"damaged\.mp4 (is|has) ", refusal.message)  # noqa: PT017
    assert next(checks) < 1000
