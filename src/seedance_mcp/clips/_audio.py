"""The audio of the joined clip: of each clip as long as its video is shown, or silence.

Packets of AAC have 1024 samples each, and are placed side by side with no gap. So where they are
copied, a clip's audio begins up to half a packet, 11 ms, before or after its video.
"""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, cast

from ._compatibility import may_copy_audio
from ._source import AAC_SAMPLES
from ._target import new_packet
from ._timeline import Span, rounded

if TYPE_CHECKING:
    from av import AudioFrame
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream
    from av.container import OutputContainer

    from ._source import AnyPacket

_AAC_RATES = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
_BITS_A_SECOND = 96_000  # for each channel
# A jump in a track that is shorter is rounding.
_SHORTEST_GAP = Fraction(3, 100)


class AudioTrack:
    """Takes the audio of one clip after the other, and yields packets to write; this one, none.

    Silence may last for an hour, so packets are made one by one.
    """

    def begin(self, span: Span) -> None:
        """Go on to the next clip."""
        self._span = span

    def push(self, packet: "AnyPacket") -> "Iterator[AnyPacket]":
        """Take a packet of the clip's audio."""
        del packet
        yield from ()

    def advance(self, seconds: Fraction) -> "Iterator[AnyPacket]":
        """Keep up with the video, in a clip without audio."""
        del seconds
        yield from ()

    def end(self) -> "Iterator[AnyPacket]":
        """Fill up the clip's audio to its length."""
        yield from ()

    def finish(self) -> "Iterator[AnyPacket]":
        """Yield what is left after the last clip."""
        yield from ()


def add_audio(container: "OutputContainer", spans: Sequence[Span]) -> AudioTrack:
    """Add an audio track to a joined clip, unless none of its clips has audio."""
    sources = [span.source for span in spans]
    first = next((source.audio for source in sources if source.audio), None)
    if first is None:
        return AudioTrack()
    if may_copy_audio(sources):
        return _CopiedAudio(container, first.stream, spans[-1].start + spans[-1].length)
    return _EncodedAudio(container, first.stream)


class _CopiedAudio(AudioTrack):
    """Audio whose packets are copied, with packets of silence in its gaps.

    A place is the number of a packet in the joined clip. A packet is heard together with the one
    before it, so a clip also has the place before its first one: its sound is whole from the first
    sample on, and that of the clip before fades out in time.
    """

    def __init__(
        self, container: "OutputContainer", template: "AudioStream", seconds: Fraction
    ) -> None:
        self._stream = container.add_stream_from_template(template)
        self._stream.time_base = Fraction(1, template.rate)
        self._silence = _silent_packet(template.rate, template.layout.name)
        self._packets_a_second = Fraction(template.rate, AAC_SAMPLES)
        self._length = seconds * self._packets_a_second
        self._next = -1

    def begin(self, span: Span) -> None:
        super().begin(span)
        self._start = rounded(span.start * self._packets_a_second)
        stop = (span.start + span.length) * self._packets_a_second
        self._stop = rounded(stop) - 1 if stop < self._length else floor(self._length)
        audio = span.source.audio
        self._tick = (audio and audio.stream.time_base) or Fraction(0)
        self._packets_a_tick = self._packets_a_second * self._tick
        self._origin: tuple[int, int] | None = None

    def push(self, packet: "AnyPacket") -> "Iterator[AnyPacket]":
        if packet.pts is None:
            return
        place = self._place(packet.pts)
        if not self._next <= place < self._stop or (packet.is_discard and place >= self._start):
            return
        # That it is not to be heard is marked in a packet, which cannot be undone.
        copied = new_packet(bytes(packet)) if packet.is_discard else packet
        yield from self._silent_until(place)
        yield self._placed(copied)

    def _place(self, pts: int) -> int:
        """Return the place of a packet, counted from the first so that each has its own."""
        if self._origin is None:
            after = pts * self._tick - self._span.shown_from
            self._origin = pts, self._start + rounded(after * self._packets_a_second)
        first, place = self._origin
        return place + rounded((pts - first) * self._packets_a_tick)

    def advance(self, seconds: Fraction) -> "Iterator[AnyPacket]":
        if not self._span.source.audio:
            place = rounded(seconds * self._packets_a_second)
            yield from self._silent_until(min(place, self._stop))

    def end(self) -> "Iterator[AnyPacket]":
        yield from self._silent_until(self._stop)

    def _silent_until(self, place: int) -> "Iterator[AnyPacket]":
        if place > self._next:
            self._next = max(self._next, 0)
        for _ in range(self._next, place):
            yield self._placed(new_packet(self._silence))

    def _placed(self, packet: "AnyPacket") -> "AnyPacket":
        packet.stream = self._stream
        packet.time_base = cast("Fraction", self._stream.time_base)
        packet.pts = packet.dts = self._next * AAC_SAMPLES
        packet.duration = AAC_SAMPLES
        packet.is_keyframe = True
        self._next += 1
        return packet


class _EncodedAudio(AudioTrack):
    """Audio that is encoded again, to the sample; `_next` is the number of the next sample."""

    def __init__(self, container: "OutputContainer", template: "AudioStream") -> None:
        self._rate = template.rate if template.rate in _AAC_RATES else 48000
        self._layout = {1: "mono", 6: "5.1"}.get(template.channels, "stereo")
        self._stream = container.add_stream("aac", rate=self._rate, layout=self._layout)
        self._stream.bit_rate = _BITS_A_SECOND * self._stream.channels
        self._next = 0

    def begin(self, span: Span) -> None:
        super().begin(span)
        self._start = rounded(span.start * self._rate)
        self._stop = rounded((span.start + span.length) * self._rate)
        self._expected: Fraction | None = None
        self._skipped = 0
        self._resampler = self._new_resampler()

    def _new_resampler(self) -> "AudioResampler":
        from av import AudioResampler

        return AudioResampler("fltp", self._layout, self._rate)

    def push(self, packet: "AnyPacket") -> "Iterator[AnyPacket]":
        for frame in self._span.source.decode(packet):
            yield from self._take(cast("AudioFrame", frame))

    def _take(self, frame: "AudioFrame") -> "Iterator[AnyPacket]":
        at = (frame.pts or 0) * cast("Fraction", frame.time_base) - self._span.shown_from
        if self._expected is None or abs(at - self._expected) > _SHORTEST_GAP:
            yield from self._resampled(None)
            yield from self._jump(self._start + rounded(at * self._rate))
        self._expected = at + Fraction(frame.samples, frame.sample_rate)
        yield from self._resampled(frame)

    def _jump(self, sample: int) -> "Iterator[AnyPacket]":
        """Go on with the sample of that number: after silence, or after some that are skipped."""
        yield from self._silent_until(min(sample, self._stop))
        self._skipped = max(0, self._next - sample)
        self._resampler = self._new_resampler()

    def _resampled(self, frame: "AudioFrame | None") -> "Iterator[AnyPacket]":
        for resampled in self._resampler.resample(frame):
            yield from self._cut(resampled)

    def _cut(self, frame: "AudioFrame") -> "Iterator[AnyPacket]":
        """Encode what of a frame lies within the clip's time."""
        from av import AudioFifo

        frame.pts = None
        fifo = AudioFifo()
        fifo.write(frame)
        skipped = min(self._skipped, fifo.samples)
        self._skipped -= skipped
        if skipped:
            fifo.read(skipped)
        kept = min(fifo.samples, self._stop - self._next)
        if kept > 0:
            yield from self._encode(cast("AudioFrame", fifo.read(kept)))

    def advance(self, seconds: Fraction) -> "Iterator[AnyPacket]":
        if not self._span.source.audio:
            yield from self._silent_until(min(rounded(seconds * self._rate), self._stop))

    def end(self) -> "Iterator[AnyPacket]":
        yield from self._resampled(None)
        yield from self._silent_until(self._stop)

    def finish(self) -> "Iterator[AnyPacket]":
        yield from cast("list[AnyPacket]", self._stream.encode(None))

    def _silent_until(self, sample: int) -> "Iterator[AnyPacket]":
        while self._next < sample:
            count = min(AAC_SAMPLES, sample - self._next)
            yield from self._encode(_silent_frame(self._rate, self._layout, count))

    def _encode(self, frame: "AudioFrame") -> "list[AnyPacket]":
        frame.pts, frame.time_base = self._next, Fraction(1, self._rate)
        self._next += frame.samples
        return cast("list[AnyPacket]", self._stream.encode(frame))


def _silent_packet(rate: int, layout: str) -> bytes:
    """Return a packet of AAC that is silent, whatever stands before it."""
    from av import CodecContext

    encoder = CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.format, encoder.layout = rate, "fltp", layout
    packets: list[AnyPacket] = []
    for _ in range(4):
        packets += encoder.encode(_silent_frame(rate, layout, AAC_SAMPLES))
    packets += encoder.encode(None)
    return bytes(packets[2])


def _silent_frame(rate: int, layout: str, samples: int) -> "AudioFrame":
    from av import AudioFrame

    frame = AudioFrame(format="fltp", layout=layout, samples=samples)
    frame.sample_rate = rate
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame
