"""Reading of all packets of a clip, once, before it is joined: only numbers of them are kept."""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ._decoding import unreadable
from ._display_matrix import read_display_matrix
from ._parameter_sets import Avc, is_idr, parse_avcc
from ._source import AAC_SAMPLES, DAMAGED, Audio, AudioForm, Source, VideoForm, check_packet, demux

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from ._source import AnyPacket

# An hour of 24 frames a second has 86,400.
_MAX_FRAMES = 100_000
_MAX_SECONDS = 3600


def read_source(
    path: Path,
    container: "InputContainer",
    video: "VideoStream",
    check_cancelled: Callable[[], object],
) -> Source:
    """Read all packets of a clip once, and keep the numbers that joining needs.

    Raises:
        UnreadableClip: It is damaged, or too long.
    """
    avc = parse_avcc(video.codec_context.extradata) if video.codec_context.name == "h264" else None
    track = next((audio for audio in container.streams.audio if _is_usable(audio)), None)
    scan, audio = _VideoScan(path, video, avc), track and _AudioScan(path, track)
    for packet in demux(path, container, [video, *([track] if track else [])]):
        check_cancelled()
        if packet.pts is not None:  # as it is at the end, once for each track
            (audio if audio and packet.stream_index != video.index else scan).add(packet)
    return scan.source(container, audio and audio.track)


class _AudioScan:
    """What the packets of a clip's audio add up to."""

    def __init__(self, path: Path, stream: "AudioStream") -> None:
        self._path, self._stream = path, stream
        self._full = AAC_SAMPLES / (stream.rate * (stream.time_base or Fraction(1)))
        self._is_uniform = self._last_is_full = True

    def add(self, packet: "AnyPacket") -> None:
        check_packet(self._path, packet)
        # The last one may be cut short.
        self._is_uniform = self._is_uniform and self._last_is_full
        self._last_is_full = packet.duration == self._full

    @property
    def track(self) -> Audio:
        return Audio(self._stream, _audio_form(self._stream), self._is_uniform)


@dataclass
class _VideoScan:
    """What the packets of a clip's video add up to."""

    path: Path
    video: "VideoStream"
    avc: Avc | None
    pts: "array[int]" = field(default_factory=lambda: array("q"))
    durations: "array[int]" = field(default_factory=lambda: array("q"))
    idr: list[bool] = field(default_factory=list[bool])  # of the first two packets
    packets: int = 0

    def add(self, packet: "AnyPacket") -> None:
        check_packet(self.path, packet)
        self.packets += 1
        if self.packets > _MAX_FRAMES:
            raise unreadable(self.path, f"has more than {_MAX_FRAMES:,} frames")
        if self.avc:
            self._add_nal_units(packet, self.avc.length_size)
        if not packet.is_discard:
            self.pts.append(packet.pts or 0)
            self.durations.append(packet.duration or 0)

    def _add_nal_units(self, packet: "AnyPacket", length_size: int) -> None:
        try:
            idr = is_idr(memoryview(packet), length_size)
        except ValueError:
            raise unreadable(self.path, DAMAGED) from None
        if len(self.idr) < 2:
            self.idr.append(idr)

    @property
    def _is_whole(self) -> bool:
        first_is_idr = self.idr[:1] == [True]
        distinct = len(set(self.pts)) == self.packets
        return first_is_idr and distinct and min(self.pts) == self.pts[0]

    def source(self, container: "InputContainer", audio: Audio | None) -> Source:
        self._check()
        return Source(
            path=self.path,
            container=container,
            video=self.video,
            form=_video_form(self.path, self.video, self.avc),
            avc=self.avc,
            audio=audio,
            pts=self.pts,
            durations=self.durations,
            whole=self._is_whole,
            restarts=self.idr[1:2] == [True],
        )

    def _check(self) -> None:
        # FFmpeg has tried to decode the first frame, and knows no form where it failed.
        if self.packets != len(self.video.index_entries) or self.video.pix_fmt is None:
            raise unreadable(self.path, DAMAGED)
        if not self.pts:
            raise unreadable(self.path, "has no frame that is shown")
        ticks = max(self.pts) - min(self.pts) + max(self.durations)
        if ticks * (self.video.time_base or 0) > _MAX_SECONDS:
            raise unreadable(self.path, f"is longer than {_MAX_SECONDS:,} seconds")


def _is_usable(stream: "AudioStream") -> bool:
    # PyAV has no codec where FFmpeg lacks the decoder.
    context = stream.codec_context
    return bool(context) and 4000 <= stream.rate <= 192_000 and stream.channels > 0


def _video_form(path: Path, video: "VideoStream", avc: Avc | None) -> VideoForm:
    context = video.codec_context
    return VideoForm(
        codec=context.name,
        profile=video.profile,
        pix_fmt=video.pix_fmt,
        size=(video.width, video.height),
        sample_aspect=video.sample_aspect_ratio or Fraction(1),
        colours=(
            context.color_primaries,
            context.color_trc,
            context.colorspace,
            context.color_range,
        ),
        matrix=read_display_matrix(path),
        length_size=avc.length_size if avc else 0,
    )


def _audio_form(audio: "AudioStream") -> AudioForm:
    context = audio.codec_context
    extradata = context.extradata or b""
    return AudioForm(context.name, audio.profile, audio.rate, audio.layout.name, extradata)
