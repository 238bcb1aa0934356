"""Joining by copying packets: new times, and where they differ, parameter sets in the stream.

An MP4 keeps when a frame is decoded (DTS) and shown (PTS). The DTS of clips with different B-frames
would run backwards, one after the other. So all are made anew: in the order in which frames are
shown, one delay earlier.
"""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from ._compatibility import common_ticks
from ._decoding import unreadable
from ._parameter_sets import with_parameter_sets
from ._source import Source
from ._target import new_packet
from ._timeline import Span, VideoTrack

if TYPE_CHECKING:
    from av.container import OutputContainer

    from ._source import AnyPacket


@dataclass(frozen=True, kw_only=True)
class _CopiedSpan(Span):
    """A clip's place, in ticks of the joined one.

    Attributes:
        base: When the first frame that counts is shown.
        end: When the next clip begins.
        scale: How many ticks there are in one of the clip's own.
        is_cut: The frame that does not count is left out; else it takes one tick before `base`.
    """

    base: int
    end: int
    scale: int
    is_cut: bool

    def time(self, pts: int) -> int:
        """Return when a frame is shown in the joined clip."""
        shown = self.source.shown
        if self.first and pts == shown[0]:
            return self.base - 1
        return self.base + (pts - shown[self.first]) * self.scale

    def times(self) -> Iterator[int]:
        """Yield when each frame is shown in the joined clip, in that order."""
        return map(self.time, self.source.shown[self.is_cut :])

    @property
    def delay(self) -> int:
        """How many ticks a frame is decoded too late, were it at the time of the next shown one."""
        decoded = map(self.time, self.source.pts[self.is_cut :])
        return max((due - pts for due, pts in zip(self.times(), decoded, strict=True)), default=0)


class CopiedVideo(VideoTrack):
    """Video whose packets are copied."""

    def __init__(
        self, container: "OutputContainer", sources: Sequence[Source], continues: Sequence[bool]
    ) -> None:
        ticks = common_ticks(sources)
        self.spans = self._spans = spans = list(_lay_out(sources, continues, ticks))
        self.total = sum(len(span.source.pts) - span.is_cut for span in spans)
        self._time_base = Fraction(1, ticks)
        self._delay = max(span.delay for span in spans)
        self._in_band = len({source.avc for source in sources}) > 1
        self._stream = container.add_stream_from_template(sources[0].video)
        self._stream.time_base = self._time_base
        # Each frame is decoded when one is shown, but for the delay; it lasts until the next.
        times = chain.from_iterable(span.times() for span in spans)
        self._places = pairwise(chain(times, [spans[-1].end]))

    def begin(self, number: int) -> None:
        self._span = self._spans[number]
        self._number = 0

    def push(self, packet: "AnyPacket") -> "Iterator[list[AnyPacket]]":
        if packet.pts is None:
            return
        source = self._span.source
        self._number += 1
        if self._number > len(source.pts) or packet.pts != source.pts[self._number - 1]:
            raise unreadable(source.path, "has changed while it was read")
        if not (self._span.is_cut and self._number == 1):
            self.done += 1
            yield [self._placed(self._with_parameter_sets(packet), packet.pts)]

    def _placed(self, packet: "AnyPacket", pts: int) -> "AnyPacket":
        due, after = next(self._places)
        self.seconds = due * self._time_base
        packet.pts, packet.dts = self._span.time(pts), due - self._delay
        packet.duration = after - due
        packet.stream, packet.time_base = self._stream, self._time_base
        return packet

    def _with_parameter_sets(self, packet: "AnyPacket") -> "AnyPacket":
        """Return a packet that can be decoded after those of any other clip."""
        avc = self._span.source.avc
        if not (self._in_band and avc and packet.is_keyframe):
            return packet
        copied = new_packet(with_parameter_sets(bytes(packet), avc))
        copied.is_keyframe = True
        return copied

    def end(self) -> None:
        if self._number != len(self._span.source.pts):
            raise unreadable(self._span.source.path, "has changed while it was read")


def _lay_out(
    sources: Sequence[Source], continues: Sequence[bool], ticks: int
) -> Iterator[_CopiedSpan]:
    """Yield where each clip lies in the joined one."""
    base = 0
    for source, doubled in zip(sources, continues, strict=True):
        scale = int(source.time_base * ticks)
        shown = source.shown[doubled:]
        length = (shown[-1] - shown[0] + source.last) * scale if shown else 0
        yield _CopiedSpan(
            source=source,
            first=int(doubled),
            start=Fraction(base, ticks),
            length=Fraction(length, ticks),
            base=base,
            end=base + length,
            scale=scale,
            is_cut=doubled and (not shown or source.restarts),
        )
        base += length
