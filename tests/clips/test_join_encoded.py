"""Clips that are not alike: all are encoded to the form of the first."""

from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal

import av
import pytest
from PIL import Image, ImageOps

from seedance_mcp.clips.frames import write_frame
from tests.support.image_likeness import psnr
from tests.support.joining import Samples, ignore, join, read
from tests.support.shown_by_hand import shown_by_hand

FRAME = 512
SIX = list(range(6))


def frame_of(clip: Path, which: Literal["first", "last"]) -> Image.Image:
    path = clip.with_suffix(f".{which}.png")
    write_frame(clip, which, path, ignore)
    with Image.open(path) as image:
        return image.copy()


@pytest.mark.parametrize(
    ("first", "second", "numbers"),
    [
        # A frame at its own time, or the nearest: 25 frames of a second become 24.
        ("plain", "25 a second", SIX + [n for n in range(25) if n != 12]),
        ("12 a second", "plain", [0, 1, 2, 0, 2, 4]),
        ("plain", "12 a second", [*SIX, 0, 0, 1, 1, 2, 2]),
        ("plain", "HEVC", SIX * 2),
        ("HEVC", "HEVC", SIX * 2),
        ("plain", "hides leading frames", [*SIX, 2, 3, 4, 5]),
        ("hides last frames", "plain", [0, 1, 2, 3, *SIX]),
        ("starts before zero", "plain", [2, 3, 4, 5, *SIX]),
        ("plain", "10-bit", SIX * 2),
        ("10-bit", "plain", SIX * 2),
        ("plain", "large", SIX * 2),
        ("large", "plain", SIX * 2),
    ],
)
def test_clips_of_other_forms_are_shown_whole_and_without_a_pause(
    tmp_path: Path, samples: Samples, first: str, second: str, numbers: list[int]
) -> None:
    joined = join(tmp_path / "joined.mp4", samples[first], samples[second])
    rate = 12 if first.startswith("12") else 24
    assert joined.numbers == numbers
    assert set(joined.gaps) == {joined.time_base.denominator // rate}
    assert abs(joined.seconds - len(numbers) / rate) < 0.001
    (size, pix_fmt, *_), (own_size, own_pix_fmt, *_) = joined.form, read(samples[first]).form
    assert (size, pix_fmt) == (own_size, own_pix_fmt)


def test_variable_rate_becomes_constant(tmp_path: Path, samples: Samples) -> None:
    joined = join(tmp_path / "joined.mp4", samples["variable rate"], samples["large"])
    held = [0, 1, 1, 1, 1, 2, *[3] * 14, 4, 5]
    assert joined.numbers == held + SIX
    assert set(joined.gaps) == {FRAME}


def test_a_doubled_frame_is_left_out(tmp_path: Path, samples: Samples) -> None:
    clips = samples["plain"], samples["large"], samples["one frame"]
    joined = join(tmp_path / "joined.mp4", clips[0], (clips[1],), (clips[2],))
    assert joined.numbers == [*SIX, *SIX[1:]]
    assert joined.gaps == [FRAME] * 10


# The matrix, and whether the range is full; what is untagged counts as BT.601.
COLOURED = {
    "bt709 limited": (1, False),
    "bt709 full": (1, True),
    "bt601 limited": (6, False),
    "bt601 full": (5, True),
    "plain": (6, False),
    "10-bit": (1, False),
}


@cache
def end(clip: Path, matrix: int, *, full: bool, number: int) -> Image.Image:
    with av.open(str(clip)) as container:
        return shown_by_hand([*container.decode(video=0)][number], matrix=matrix, full=full)


@pytest.mark.parametrize("first", COLOURED)
def test_frames_look_as_in_their_own_clips(tmp_path: Path, samples: Samples, first: str) -> None:
    matrix, full = COLOURED[first]
    own = end(samples[first], matrix, full=full, number=0)
    for number, (second, (second_matrix, second_full)) in enumerate(COLOURED.items()):
        # The third one makes sure that all is encoded.
        target = tmp_path / f"{number}.mp4"
        joined = join(target, samples[first], samples["large"], samples[second])
        assert joined.form[3] == (matrix, 2 if full else 1)
        if not number:
            assert psnr(end(target, matrix, full=full, number=0), own) > 40
        expected = end(samples[second], second_matrix, full=second_full, number=-1)
        assert psnr(end(target, matrix, full=full, number=-1), expected) > 40


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_clips_are_turned_as_they_are_shown(tmp_path: Path, samples: Samples, degrees: int) -> None:
    turned, upright = samples[f"turned by {degrees}"], samples["plain"]
    for clips in [(turned, upright), (upright, turned)]:
        target = tmp_path / "joined.mp4"
        join(target, *clips)
        first, last = frame_of(target, "first"), frame_of(target, "last")
        assert first.size == last.size == frame_of(clips[0], "first").size
        assert psnr(first, frame_of(clips[0], "first")) > 40
        if degrees == 180:
            assert psnr(last, frame_of(clips[1], "last")) > 40
        else:
            shape = frame_of(clips[1], "last")
            scaled = fitted(shape, last.size)
            assert psnr(last, scaled) > 25


def fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return an image within another size, with bars."""
    scale = min(size[0] / image.width, size[1] / image.height)
    width, height = (round(side * scale / 2) * 2 for side in image.size)
    whole = Image.new("RGB", size)
    scaled = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    whole.paste(scaled, ((size[0] - width) // 4 * 2, (size[1] - height) // 4 * 2))
    return whole


@pytest.mark.parametrize("second", ["wide", "tall", "large"])
@pytest.mark.parametrize("first", ["plain", "bt709 full"])
def test_other_shapes_get_black_bars(
    tmp_path: Path, samples: Samples, first: str, second: str
) -> None:
    target = tmp_path / "joined.mp4"
    join(target, samples[first], samples[second])
    assert psnr(frame_of(target, "last"), fitted(frame_of(samples[second], "last"), (64, 48))) > 30


def test_odd_sizes_become_even(tmp_path: Path, samples: Samples) -> None:
    joined = join(tmp_path / "joined.mp4", samples["odd size"], samples["plain"])
    assert joined.form[:2] == ((66, 50), "yuv444p")
    joined = join(tmp_path / "joined.mp4", samples["plain"], samples["odd size"])
    assert joined.form[:2] == ((64, 48), "yuv420p")
    assert joined.numbers == SIX * 2


def is_black(image: Image.Image) -> bool:
    return max(image.convert("L").tobytes()) < 12


def test_pixels_that_are_no_squares_are_not_distorted(tmp_path: Path, samples: Samples) -> None:
    narrow, plain = samples["half as wide pixels"], samples["plain"]
    target = tmp_path / "joined.mp4"
    joined = join(target, narrow, plain)
    assert joined.form[0] == (64, 48)
    assert joined.form[-1] == Fraction(1, 2)
    # 64 x 48 square pixels fill 64 x 24 narrow ones.
    bars = [frame_of(target, "last").crop((0, y, 64, y + 10)) for y in (0, 38)]
    assert all(map(is_black, bars))
    join(target, plain, narrow)
    bars = [frame_of(target, "last").crop((x, 0, x + 14, 48)) for x in (0, 50)]
    assert all(map(is_black, bars))
