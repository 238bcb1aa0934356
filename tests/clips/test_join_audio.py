"""The audio of joined clips: in time with its clip and as long, silence where there is none."""

from pathlib import Path

import av
import pytest

from tests.support.joining import Samples, join, loud_spans, read

# Audio that is copied begins up to half a packet early or late, and is measured in 10 ms.
CLOSE = 0.025
FRAME = 1 / 24


def assert_close(spans: list[tuple[float, float]], *expected: tuple[float, float]) -> None:
    assert [tuple(round(time, 2) for time in span) for span in spans] == [
        (pytest.approx(start, abs=CLOSE), pytest.approx(end, abs=CLOSE)) for start, end in expected
    ]


@pytest.mark.parametrize("other", ["tone", "tone at 44.1 kHz", "mono tone"])
def test_audio_is_cut_to_its_clip_and_silence_stands_for_none(
    tmp_path: Path, samples: Samples, other: str
) -> None:
    tone, silence = samples["tone"], samples["silence"]
    joined = join(tmp_path / "joined.mp4", tone, silence, samples[other], silence, tone)
    assert_close(loud_spans(joined), (0, 1), (2, 3), (4, 5))
    assert len(joined.loudness or []) == pytest.approx(500, abs=2.2)


@pytest.mark.parametrize("other", ["tone", "tone at 44.1 kHz"])
def test_the_audio_of_a_doubled_frame_is_left_out(
    tmp_path: Path, samples: Samples, other: str
) -> None:
    silence, tone = samples["silence"], samples[other]
    joined = join(tmp_path / "joined.mp4", samples["tone"], silence, (tone,), (silence,), (tone,))
    end = 5 - 3 * FRAME
    assert_close(loud_spans(joined), (0, 1), (2, 3 - FRAME), (4 - 2 * FRAME, end))
    assert joined.seconds == pytest.approx(end, abs=0.0011)


def test_audio_that_is_too_short_is_followed_by_silence(tmp_path: Path, samples: Samples) -> None:
    short = samples["short tone"]
    joined = join(tmp_path / "joined.mp4", short, short, samples["silence"], short)
    assert_close(loud_spans(joined), (0, 0.5), (1, 1.5), (3, 3.5))


@pytest.mark.parametrize("first", ["tone at 44.1 kHz", "mono tone"])
def test_audio_of_another_form_is_encoded_alone_in_that_of_the_first(
    tmp_path: Path, samples: Samples, first: str
) -> None:
    target = tmp_path / "joined.mp4"
    joined = join(target, samples[first], samples["tone"], samples["silence"])
    with av.open(str(target)) as container, av.open(str(samples[first])) as own:
        audio, expected = container.streams.audio[0], own.streams.audio[0]
        assert (audio.rate, audio.layout.name) == (expected.rate, expected.layout.name)
    planes = [read(samples[name]).planes for name in (first, "tone", "silence")]
    assert joined.planes == [plane for clip in planes for plane in clip]
    assert joined.seconds == pytest.approx(3, abs=0.0011)


def test_audio_stays_in_time_over_many_clips(tmp_path: Path, samples: Samples) -> None:
    short, silence = samples["short tone"], samples["silence"]
    joined = join(tmp_path / "joined.mp4", *[short, (silence,)] * 12)
    period = 2 - FRAME
    starts = [number * period for number in range(12)]
    assert_close(loud_spans(joined), *((start, start + 0.5) for start in starts))


def test_audio_is_kept_where_video_is_encoded(tmp_path: Path, samples: Samples) -> None:
    joined = join(
        tmp_path / "joined.mp4", samples["large"], samples["tone"], samples["25 a second"]
    )
    assert_close(loud_spans(joined), (0.25, 1.25))
    assert joined.seconds == pytest.approx(2.25, abs=0.0011)


def test_clips_without_audio_get_none(tmp_path: Path, samples: Samples) -> None:
    assert join(tmp_path / "joined.mp4", samples["plain"], samples["silence"]).loudness is None
