"""Clips that are joined, and what the joined one holds, read by PyAV."""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.video.stream import VideoStream

from seedance_mcp.clips.join import Part, join_clips

from .sample_clips import B_FRAMES, SAMPLES, WITHOUT_B_FRAMES, Sample, number_of, write_sample

RATE = 24
"""Frames a second of most sample clips."""

SAMPLES_A_WINDOW = 480
"""Windows in which loudness is measured; 10 ms at 48 kHz."""


def ignore(*_: object) -> None:
    """Take a report, or answer that the call is not cancelled."""


CLIPS: dict[str, Sample] = {
    "CAVLC": Sample(options={**WITHOUT_B_FRAMES, "coder": "0"}),
    "three references": Sample(options={**B_FRAMES, "refs": "3"}),
    "key frames only": Sample(options={"g": "1"}),
    "fine time base": Sample(options=WITHOUT_B_FRAMES, muxer={"video_track_timescale": "90000"}),
    "25 a second": Sample(time_base=Fraction(1, 25), numbers=range(25)),
    "12 a second": Sample(time_base=Fraction(1, 12), numbers=range(3)),
    "large": Sample(width=128, height=96),
    "wide": Sample(width=128, height=48),
    "tall": Sample(width=32, height=48),
    "odd size": Sample(width=65, height=49, pix_fmt="yuv444p"),
    "half as wide pixels": Sample(sample_aspect=Fraction(1, 2)),
    "tone": Sample(numbers=range(24), audio_seconds=2, hertz=440, options=B_FRAMES),
    "short tone": Sample(numbers=range(24), audio_seconds=0.5, hertz=440),
    "tone at 44.1 kHz": Sample(
        numbers=range(24), audio_seconds=2, hertz=440, audio_rate=44100, options=B_FRAMES
    ),
    "mono tone": Sample(numbers=range(24), audio_seconds=2, hertz=440, audio_layout="mono"),
    "silence": Sample(numbers=range(24)),
}
"""Clips that only joining needs, beside those of `SAMPLES`."""


class Samples:
    """Writes sample clips into a folder, each when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> Path:
        path = self._folder / f"{name}.mp4"
        if path.exists():
            return path
        return write_sample(path, CLIPS[name]) if name in CLIPS else SAMPLES[name](path)


@dataclass(frozen=True, kw_only=True)
class Joined:
    """What a clip holds.

    Attributes:
        seconds: Its length by the call, or by the container.
        time_base: The seconds of a tick.
        packets: PTS, DTS and duration of the packets of its video, in ticks.
        numbers: The numbers of its frames, in the order in which they are shown.
        times: When they are shown, in ticks.
        planes: Their samples, without padding.
        form: Size, pixel format, profile, matrix, range and sample aspect.
        loudness: The largest sample of the audio in every window, None without audio.
    """

    seconds: float
    time_base: Fraction
    packets: list[tuple[int, int, int]]
    numbers: list[int]
    times: list[int]
    planes: list[bytes]
    form: tuple[object, ...]
    loudness: list[float] | None

    @property
    def gaps(self) -> list[int]:
        """The ticks between frames that follow one another."""
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        """Every frame: its number and its samples."""
        return list(zip(self.numbers, self.planes, strict=True))


def join(target: Path, *clips: Path | tuple[Path]) -> Joined:
    """Join clips, of which one in a tuple continues the one before, and read what comes of it."""
    parts = [
        Part(path=clip[0], continues=True) if isinstance(clip, tuple) else Part(path=clip)
        for clip in clips
    ]
    seconds = join_clips(parts, target, ignore, ignore)
    joined = read(target)
    # The container counts milliseconds.
    assert abs(joined.seconds - seconds) < 0.0011
    assert joined.times[0] == 0
    return joined


def read(path: Path) -> Joined:
    """Read all of a clip, and check what every MP4 must keep."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        packets = [
            (packet.pts or 0, packet.dts or 0, packet.duration or 0)
            for packet in container.demux(video)
            if packet.size and not packet.is_discard
        ]
        seconds = (container.duration or 0) / 1_000_000
    _check_order(packets)
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        decoded = list(container.decode(video))
        assert not any(frame.is_corrupt for frame in decoded)
        assert sorted(pts for pts, _, _ in packets) == [frame.pts for frame in decoded]
        return Joined(
            seconds=seconds,
            time_base=cast("Fraction", video.time_base),
            packets=packets,
            numbers=[number_of(frame) for frame in decoded],
            times=[frame.pts or 0 for frame in decoded],
            planes=[samples(frame) for frame in decoded],
            form=_form(video),
            loudness=_loudness(path),
        )


def _check_order(packets: Sequence[tuple[int, int, int]]) -> None:
    shown, decoded = [pts for pts, _, _ in packets], [dts for _, dts, _ in packets]
    assert decoded == sorted(set(decoded))
    assert len(set(shown)) == len(shown)
    assert all(dts <= pts for pts, dts, _ in packets)


def samples(frame: av.VideoFrame) -> bytes:
    """Return the samples of a frame, without padding."""
    deep = 2 if "10" in frame.format.name else 1
    return b"".join(
        bytes(plane)[y * plane.line_size :][: plane.width * deep]
        for plane in frame.planes
        for y in range(plane.height)
    )


def _form(video: VideoStream) -> tuple[object, ...]:
    context = video.codec_context
    return (
        (video.width, video.height),
        video.pix_fmt,
        video.profile,
        (context.colorspace, context.color_range),
        video.sample_aspect_ratio,
    )


def _loudness(path: Path) -> list[float] | None:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        values = array("f")
        for frame in container.decode(audio=0):
            # What follows one another must do so to the sample.
            assert (frame.pts or 0) == len(values)
            values.frombytes(bytes(frame.planes[0])[: 4 * frame.samples])
        return [
            max(map(abs, values[at : at + SAMPLES_A_WINDOW]), default=0.0)
            for at in range(0, len(values), SAMPLES_A_WINDOW)
        ]


def loud_spans(joined: Joined) -> list[tuple[float, float]]:
    """Return from when to when there is sound, in seconds, to 10 ms; a shorter pause is none."""
    spans: list[tuple[float, float]] = []
    for window, loudness in enumerate(joined.loudness or []):
        start, end = window * 0.01, (window + 1) * 0.01
        if loudness > 0.1:
            if spans and start - spans[-1][1] < 0.015:
                spans[-1] = spans[-1][0], end
            else:
                spans.append((start, end))
    return spans
