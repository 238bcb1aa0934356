"""What cannot be joined is refused by name, and leaves no file."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from seedance_mcp.clips.join import Part, join_clips
from seedance_mcp.errors import JoinFailed, UnreadableClip
from tests.support.joining import Samples, ignore
from tests.support.sample_clips import UNREADABLE, WITHOUT_B_FRAMES, Sample, write_sample
from tests.support.timeouts import TIMEOUT_SECONDS


@pytest.mark.parametrize("other", ["plain", "large"])
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_is_no_clip_is_named(
    tmp_path: Path, samples: Samples, name: str, other: str
) -> None:
    bad = UNREADABLE[name](tmp_path / "bad one.mp4")
    parts = [Part(path=samples[other]), Part(path=bad)]
    with pytest.raises(UnreadableClip, match=r"^bad one\.mp4 "):
        join_clips(parts, tmp_path / "joined.mp4", ignore, ignore)
    assert [path.name for path in tmp_path.iterdir()] == ["bad one.mp4"]


def test_what_would_take_hours_is_refused_at_once(tmp_path: Path) -> None:
    fast = Sample(codec="libx265", time_base=Fraction(1, 240))
    slow = Sample(options=WITHOUT_B_FRAMES, ticks=[0, 1, 2, 3, 4, 24 * 1700])
    long = Sample(options=WITHOUT_B_FRAMES, numbers=[0] * 2001, width=16, height=16)
    clips = [write_sample(tmp_path / f"{n}.mp4", one) for n, one in enumerate([fast, slow, long])]
    target = tmp_path / "joined.mp4"
    for paths, frames in (clips[:2], 408_016), ([clips[2]] * 50, 100_050):
        with pytest.raises(JoinFailed) as refusal:
            join_clips([Part(path=path) for path in paths], target, ignore, ignore)
        assert refusal.value.line == (
            f"The joined clip would have {frames:,} frames; at most 100,000 of this size can be"
            " joined. Join fewer or shorter clips. Nothing was charged."
        )
    assert sorted(tmp_path.iterdir()) == clips


def test_a_file_that_changes_meanwhile_is_named(tmp_path: Path, samples: Samples) -> None:
    # More than FFmpeg reads at once.
    lossless = Sample(numbers=range(128), options={**WITHOUT_B_FRAMES, "crf": "0", "g": "1"})
    changing = write_sample(tmp_path / "changing.mp4", lossless)
    assert changing.stat().st_size > 70_000

    def cut_off(done: int, _: int) -> None:
        if done == 12:
            os.truncate(changing, 50_000)

    parts = [Part(path=samples["plain"])] * 2 + [Part(path=changing)]
    with pytest.raises(UnreadableClip, match=r"^changing\.mp4 "):
        join_clips(parts, tmp_path / "joined.mp4", cut_off, ignore)
    assert list(tmp_path.iterdir()) == [changing]


class Cancelled(BaseException):
    """What ends a call."""


@pytest.mark.parametrize("copied", [True, False])
def test_a_long_silence_can_be_cancelled(tmp_path: Path, *, copied: bool) -> None:
    heard = Sample(options=WITHOUT_B_FRAMES, audio_seconds=0.2)
    still = Sample(options=WITHOUT_B_FRAMES, ticks=[0, 1, 2, 3, 4, 24 * 60])
    paths = [write_sample(tmp_path / f"{n}.mp4", one) for n, one in enumerate([heard, still])]
    if not copied:
        paths[:0] = [write_sample(tmp_path / "other.mp4", replace(heard, audio_rate=44100))]
    checks: list[None] = []
    parts = [Part(path=path) for path in paths]
    join_clips(parts, tmp_path / "joined.mp4", ignore, lambda: checks.append(None))
    packets_of_silence = 60 * 48000 // 1024
    assert len(checks) > packets_of_silence * 0.9


def cancelled_after(calls: int) -> Callable[[], None]:
    """Return a check that raises at its call after so many."""
    left = iter(range(calls))

    def check() -> None:
        if next(left, None) is None:
            raise Cancelled

    return check


@pytest.mark.parametrize("names", [("plain", "plain"), ("plain", "large"), ("tone", "mono tone")])
def test_a_call_can_be_cancelled_at_any_packet_and_leaves_no_file(
    tmp_path: Path, samples: Samples, names: tuple[str, str]
) -> None:
    parts = [Part(path=samples[name]) for name in names]
    calls: list[int] = []
    join_clips(parts, tmp_path / "whole.mp4", ignore, lambda: calls.append(1))
    (tmp_path / "whole.mp4").unlink()

    for last in range(1, len(calls) + 1, max(1, len(calls) // 8)):
        with pytest.raises(Cancelled):
            join_clips(parts, tmp_path / "joined.mp4", ignore, cancelled_after(last - 1))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["plain", "large"])
def test_frames_are_reported_up_to_the_last(tmp_path: Path, samples: Samples, name: str) -> None:
    reports: list[tuple[int, int]] = []
    parts = [Part(path=samples["plain"])] * 4 + [Part(path=samples[name], continues=True)]
    join_clips(parts, tmp_path / "joined.mp4", lambda done, of: reports.append((done, of)), ignore)
    total = 30 if name == "plain" else 29
    assert [done for done, _ in reports] == sorted({done for done, _ in reports})
    assert {of for _, of in reports} == {total}
    assert reports[-1] == (total, total)
    assert len(reports) >= 2


def test_a_folder_that_is_missing_is_an_error_of_the_file_system(
    tmp_path: Path, samples: Samples
) -> None:
    target = tmp_path / "missing" / "joined.mp4"
    with pytest.raises(FileNotFoundError, match=r"joined\.mp4"):
        join_clips([Part(path=samples["plain"])] * 2, target, ignore, ignore)


def test_a_disk_that_is_full_is_an_error_of_the_file_system(
    tmp_path: Path, samples: Samples
) -> None:
    code = (
        "import pathlib, resource, signal, sys\n"
        "from seedance_mcp.clips.join import Part, join_clips\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "clip, target = map(pathlib.Path, sys.argv[1:])\n"
        "try: join_clips([Part(path=clip)] * 9, target, lambda *_: 0, lambda: 0)\n"
        "except OSError as error: print(error.strerror, target.exists())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(samples["tone"]), str(tmp_path / "joined.mp4")],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.stdout == "File too large False\n", done.stderr


def test_without_pyav_the_error_says_how_to_install_it() -> None:
    code = (
        "import sys\n"
        "from seedance_mcp.clips.join import join_clips\n"
        "from seedance_mcp.errors import VideoExtraMissing\n"
        "assert 'av' not in sys.modules\n"
        "sys.modules['av'] = None\n"
        "try: join_clips([], None, print, print)\n"
        "except VideoExtraMissing as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.stdout.startswith("Joining clips needs PyAV, which is not installed")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["plain", "tone", "fragmented", "variable rate", "turned by 90"]),
    seed=st.integers(0, 1 << 32),
    changes=st.integers(1, 20),
)
@example(name="fragmented", seed=0, changes=1)
def test_a_damaged_clip_is_joined_or_refused(
    tmp_path: Path, samples: Samples, name: str, seed: int, changes: int
) -> None:
    random = Random(seed)
    data = bytearray(samples[name].read_bytes())
    index = data.index(b"moov")
    for _ in range(changes):
        # Most of them in the index, where everything else comes from.
        at = random.randrange(random.choice([0, index]), len(data))
        data[at] = random.choice([0, 1, 127, 255, random.randrange(256)])
    bad, target = tmp_path / "bad.mp4", tmp_path / "joined.mp4"
    bad.write_bytes(data)
    target.unlink(missing_ok=True)
    parts = [Part(path=bad), Part(path=samples["plain"]), Part(path=bad, continues=True)]
    outcome = attempt(parts, target)
    assert outcome is None or outcome.startswith("bad.mp4 ")
    assert target.exists() == (outcome is None)


def attempt(parts: Sequence[Part], target: Path) -> str | None:
    """Return why clips are not joined; a frame that is said to last for an hour is not awaited."""
    try:
        join_clips(parts, target, ignore, cancelled_after(3000))
    except UnreadableClip as error:
        return str(error)
    except Cancelled:
        return "bad.mp4 is too long"
    return None
