from pathlib import Path

import pytest

from tests.support.joining import Joined, Samples, join, read

FRAME = 512  # ticks, of 12,288 a second
# The names of clips; "+" for one that continues the one before.
COPIED = [
    ("plain", "plain"),
    ("plain", "+plain", "plain", "+plain"),
    ("B-frames", "plain", "B-frames"),
    ("plain", "B-frames", "several key frames", "CAVLC", "three references", "plain"),
    ("CAVLC", "+B-frames", "+three references", "+plain", "+CAVLC"),
    ("open GOPs", "+open GOPs", "plain"),
    ("no edit list", "fragmented", "+no edit list", "+fragmented"),
    ("one frame", "one frame", "plain", "+one frame", "+plain"),
    ("key frames only", "+key frames only", "plain", "+key frames only"),
    ("audio is longer", "plain", "+audio is longer"),
    ("10-bit", "+10-bit"),
    ("bt709 full", "+bt709 full"),
    ("turned by 90", "+turned by 90"),
]


def joined_by_hand(samples: Samples, names: tuple[str, ...]) -> tuple[list[int], list[Joined], int]:
    """Return when every frame is shown, the clips, and how long it is, if packets are copied."""
    times: list[int] = []
    clips: list[Joined] = []
    now = 0
    for name in names:
        clip = read(samples[name.lstrip("+")])
        clips.append(clip)
        count = len(clip.numbers)
        if name[0] == "+":
            # The doubled frame, which can be left out where nothing needs it.
            cut = count == 1 or "key frames only" in name
            times += [] if cut else [now - 1]
            count -= 1
        times += [now + FRAME * number for number in range(count)]
        now += FRAME * count
    return times, clips, now


def parts(samples: Samples, names: tuple[str, ...]) -> list[Path | tuple[Path]]:
    paths = [samples[name.lstrip("+")] for name in names]
    return [(path,) if name[0] == "+" else path for name, path in zip(names, paths, strict=True)]


@pytest.mark.parametrize("names", COPIED, ids=", ".join)
def test_copied_clips_follow_one_another_without_a_pause_to_the_last_bit(
    tmp_path: Path, samples: Samples, names: tuple[str, ...]
) -> None:
    times, clips, end = joined_by_hand(samples, names)
    joined = join(tmp_path / "joined.mp4", *parts(samples, names))
    frames = [
        frame
        for name, clip in zip(names, clips, strict=True)
        for frame in clip.frames[name in {"+one frame", "+key frames only"} :]
    ]
    assert joined.time_base.denominator == 24 * FRAME
    assert joined.times == times
    assert joined.frames == frames
    assert joined.form == clips[0].form
    assert abs(joined.seconds - end / (24 * FRAME)) < 0.001


def test_a_frame_that_is_doubled_is_shown_for_one_tick(tmp_path: Path, samples: Samples) -> None:
    plain = samples["plain"]
    joined = join(tmp_path / "joined.mp4", plain, (plain,), (plain,))
    seam = [FRAME - 1, 1]
    assert joined.gaps == [FRAME] * 5 + seam + [FRAME] * 4 + seam + [FRAME] * 4


def test_a_clip_that_continues_none_is_whole(tmp_path: Path, samples: Samples) -> None:
    plain = samples["plain"]
    joined = join(tmp_path / "joined.mp4", (plain,), plain)
    assert joined.numbers == [*range(6)] * 2


def test_a_clip_whose_only_frame_is_doubled_adds_nothing(tmp_path: Path, samples: Samples) -> None:
    one = samples["one frame"]
    assert join(tmp_path / "joined.mp4", one, (one,), (one,)).numbers == [5]


def test_fifty_clips_are_joined(tmp_path: Path, samples: Samples) -> None:
    first, second = samples["B-frames"], samples["CAVLC"]
    joined = join(tmp_path / "joined.mp4", *[first, (second,)] * 25)
    assert joined.gaps == ([FRAME] * 5 + [FRAME - 1, 1] + [FRAME] * 5) * 24 + (
        [FRAME] * 5 + [FRAME - 1, 1] + [FRAME] * 4
    )


def test_other_time_bases_of_the_same_rate_are_converted_exactly(
    tmp_path: Path, samples: Samples
) -> None:
    joined = join(tmp_path / "joined.mp4", samples["plain"], (samples["fine time base"],))
    ticks = joined.time_base.denominator
    assert ticks % 12288 == ticks % 90000 == 0
    assert joined.gaps == [ticks // 24] * 5 + [ticks // 24 - 1, 1] + [ticks // 24] * 4
    assert [number for number, _ in joined.frames] == [*range(6)] * 2


def test_clips_of_variable_rate_keep_their_times(tmp_path: Path, samples: Samples) -> None:
    clip = samples["variable rate"]
    joined = join(tmp_path / "joined.mp4", clip, (clip,))
    times = [0, 1, 5, 6, 20, 21]
    later = [22 * FRAME - 1, *(FRAME * (21 + time) for time in times[1:])]
    assert joined.times == [FRAME * time for time in times] + later
