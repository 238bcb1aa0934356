"""What joining must know of a clip before it writes: its form, and numbers of its packets."""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, NamedTuple, cast

from ._decoding import unreadable
from ._display_matrix import Matrix
from ._parameter_sets import Avc

if TYPE_CHECKING:
    from array import array

    from av import AudioFrame, Packet, VideoFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

    AnyPacket = Packet[Stream]

AAC_SAMPLES = 1024  # of each channel, in a packet of AAC-LC
_MAX_RATE = 240
DAMAGED = "is damaged: not all of it can be read"


class VideoForm(NamedTuple):
    """What must be the same in clips whose video is joined by copying packets."""

    codec: str
    profile: str | None
    pix_fmt: str | None
    size: tuple[int, int]
    sample_aspect: Fraction
    colours: tuple[int, int, int, int]
    matrix: Matrix
    length_size: int


class AudioForm(NamedTuple):
    """What must be the same in clips whose audio is joined by copying packets."""

    codec: str
    profile: str | None
    rate: int
    layout: str
    extradata: bytes


@dataclass(frozen=True)
class Audio:
    """A clip's audio track; `uniform` if each of its packets has 1024 samples."""

    stream: "AudioStream"
    form: AudioForm
    uniform: bool


@dataclass(frozen=True, kw_only=True)
class Source:
    """A clip to be joined.

    Attributes:
        pts: When each packet of the video that is shown begins, in the order of decoding.
        durations: How long its index says each of them lasts.
        whole: Every packet of the video is shown, from an IDR on.
        restarts: The second packet is an IDR too.
    """

    path: Path
    container: "InputContainer"
    video: "VideoStream"
    form: VideoForm
    avc: Avc | None
    audio: Audio | None
    pts: "array[int]"
    durations: "array[int]"
    whole: bool
    restarts: bool

    @property
    def time_base(self) -> Fraction:
        """The seconds of a tick of the video."""
        return self.video.time_base or Fraction(1, 90000)

    @cached_property
    def shown(self) -> list[int]:
        """When each frame is shown, in order."""
        return sorted(self.pts)

    @cached_property
    def interval(self) -> int:
        """The ticks between most frames and the next."""
        gaps = [after - before for before, after in pairwise(self.shown)]
        usual = 1 / (self.time_base * (self.video.guessed_rate or 24))
        return (median_low(gaps) if gaps else self.durations[0]) or max(1, round(usual))

    @cached_property
    def last(self) -> int:
        """The ticks that the last frame is shown."""
        own = self.durations[self.pts.index(self.shown[-1])]
        # A muxer may have rounded it.
        return own if own > 0 and abs(own - self.interval) > 1 else self.interval

    @property
    def rate(self) -> Fraction:
        """The frame rate of most of it."""
        rate = self.video.guessed_rate or Fraction(0)
        if 1 <= rate <= _MAX_RATE:
            return rate
        return min(max(1 / (self.interval * self.time_base), Fraction(1)), Fraction(_MAX_RATE))

    def packets(self, check_cancelled: Callable[[], object]) -> Iterator["AnyPacket"]:
        """Yield all packets of the video and the audio, from the start."""
        streams = [self.video, *([self.audio.stream] if self.audio else [])]
        with reading(self.path):
            _rewind(self.container, streams)
        for packet in demux(self.path, self.container, streams):
            check_cancelled()
            if packet.pts is not None:
                check_packet(self.path, packet)
            yield packet

    def decode(self, packet: "AnyPacket") -> "list[VideoFrame | AudioFrame]":
        """Return the frames that a packet completes."""
        with reading(self.path):
            return cast("list[VideoFrame | AudioFrame]", packet.decode())


def check_packet(path: Path, packet: "AnyPacket") -> None:
    """Check that a packet is all there.

    Raises:
        UnreadableClip: It is not.
    """
    if packet.is_corrupt or not packet.size:
        raise unreadable(path, DAMAGED)


@contextmanager
def reading(path: Path) -> Generator[None]:
    """Take what FFmpeg raises meanwhile for damage of a clip.

    Raises:
        UnreadableClip: It has raised an error.
    """
    from av.error import FFmpegError

    try:
        yield
    except FFmpegError:
        raise unreadable(path, DAMAGED) from None


def demux(
    path: Path, container: "InputContainer", streams: "Sequence[VideoStream | AudioStream]"
) -> Iterator["AnyPacket"]:
    """Yield the packets of some tracks of a clip, and an empty one at the end of each."""
    with reading(path):
        yield from container.demux(streams)


def _rewind(container: "InputContainer", streams: "Sequence[VideoStream | AudioStream]") -> None:
    """Go back to the first packets, which may lie before zero; FFmpeg seeks by one track."""
    starts = [(s.index_entries[0].timestamp, s) for s in streams if len(s.index_entries)]
    first, stream = min(starts, key=lambda start: start[0] * (start[1].time_base or 0))
    container.seek(first, stream=stream)
