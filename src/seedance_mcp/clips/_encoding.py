"""Joining by encoding again, to the form of the first clip, with its number of frames a second."""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from ._canvas import Canvas
from ._decoding import unreadable
from ._source import Source
from ._timeline import Span, VideoTrack, rounded

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import OutputContainer

    from ._source import AnyPacket

# What is lost is not seen, and it is five times as fast as the default.
_OPTIONS = {"preset": "veryfast", "crf": "16"}
_NOT_GIVEN, _INTRA = 0, 1


@dataclass(frozen=True, kw_only=True)
class _EncodedSpan(Span):
    """A clip's place; `counts` has for each of its frames how often it is encoded."""

    counts: Sequence[int]


class EncodedVideo(VideoTrack):
    """Video that is decoded, brought to one form and encoded."""

    def __init__(
        self, container: "OutputContainer", sources: Sequence[Source], continues: Sequence[bool]
    ) -> None:
        self._rate = sources[0].rate
        self.spans = self._spans = list(_lay_out(sources, continues, self._rate))
        self.total = sum(sum(span.counts) for span in self._spans)
        self._canvas = Canvas(sources[0].video, sources[0].form)
        self._stream = container.add_stream("libx264", rate=self._rate)
        self._stream.options = dict(_OPTIONS)
        self._stream.codec_context.time_base = 1 / self._rate
        self._canvas.describe(self._stream)
        self._frames = 0

    def begin(self, number: int) -> None:
        self._span = self._spans[number]
        self._number = 0
        # Players can then seek to the seam.
        self._picture = _INTRA

    def push(self, packet: "AnyPacket") -> "Iterator[list[AnyPacket]]":
        for frame in self._span.source.decode(packet):
            yield from self._take(cast("VideoFrame", frame))

    def _take(self, frame: "VideoFrame") -> "Iterator[list[AnyPacket]]":
        if frame.is_corrupt or self._number == len(self._span.counts):
            raise self._damaged()
        count = self._span.counts[self._number]
        self._number += 1
        if count:
            shown = self._canvas.fit(frame, self._span.source.form.sample_aspect)
            for _ in range(count):
                yield self._encode(shown)

    def _encode(self, frame: "VideoFrame") -> "list[AnyPacket]":
        frame.pts, frame.time_base = self._frames, 1 / self._rate
        frame.pict_type, self._picture = self._picture, _NOT_GIVEN
        self.seconds = self._frames / self._rate
        self._frames += 1
        return self._encoded(frame)

    def _encoded(self, frame: "VideoFrame | None") -> "list[AnyPacket]":
        packets = cast("list[AnyPacket]", self._stream.encode(frame))
        self.done += len(packets)
        return packets

    def end(self) -> None:
        if self._number != len(self._span.counts):
            raise self._damaged()

    def _damaged(self) -> Exception:
        return unreadable(self._span.source.path, "is damaged: not all of its frames can be read")

    def finish(self) -> "list[AnyPacket]":
        return self._encoded(None)


def _lay_out(
    sources: Sequence[Source], continues: Sequence[bool], rate: Fraction
) -> Iterator[_EncodedSpan]:
    """Yield where each clip lies in the joined one."""
    frames = 0
    for source, doubled in zip(sources, continues, strict=True):
        counts = _counts(source, int(doubled), rate)
        yield _EncodedSpan(
            source=source,
            first=int(doubled),
            start=frames / rate,
            length=sum(counts) / rate,
            counts=counts,
        )
        frames += sum(counts)


def _counts(source: Source, first: int, rate: Fraction) -> list[int]:
    """Return how often each frame is shown at a rate; each as near to its own time as can be."""
    shown = source.shown[first:]
    if not shown:
        return [0]
    ticks = rate * source.time_base
    places = [rounded((pts - shown[0]) * ticks) for pts in shown]
    end = max(1, rounded((shown[-1] - shown[0] + source.last) * ticks))
    counts = [max(0, after - place) for place, after in pairwise([*places, end])]
    return [0] * first + counts
