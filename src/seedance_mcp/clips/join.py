"""Joining of clips to one MP4: by copying their packets where they are alike, else by encoding.

It needs PyAV (the extra `video`), which is imported by the first call.
"""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from seedance_mcp.errors import JoinFailed

from ._audio import AudioTrack, add_audio
from ._compatibility import may_copy_video
from ._copying import CopiedVideo
from ._decoding import open_clip, require_pyav
from ._encoding import EncodedVideo
from ._scanning import read_source
from ._source import Source
from ._target import open_target
from ._timeline import VideoTrack

if TYPE_CHECKING:
    from ._source import AnyPacket

_FRAMES_A_REPORT = 12
_MAX_FRAMES = 100_000
_MAX_PIXELS = _MAX_FRAMES * 1920 * 1088


@dataclass(frozen=True, kw_only=True)
class Part:
    """A clip to be joined; one that continues the one before it adds its frames from the second on.

    `continues` says that its first frame is the last one of the part before it.
    """

    path: Path
    continues: bool = False


def join_clips(
    parts: Sequence[Part],
    target: Path,
    on_frames: Callable[[int, int], object],
    check_cancelled: Callable[[], object],
) -> float:
    """Write one MP4 of all parts, and return its length in seconds; it blocks.

    Args:
        target: The file to be written; it is removed if it does not get complete.
        on_frames: Called now and then with how many frames are written, and of how many.
        check_cancelled: Called before every packet; what it raises ends the call.

    Raises:
        UnreadableClip: A part is not a clip, or a damaged one.
        JoinFailed: It would take too long.
        VideoExtraMissing: PyAV is not installed.
        OSError: The file cannot be written.
    """
    require_pyav("Joining clips")
    with ExitStack() as clips:
        sources = [
            read_source(part.path, *clips.enter_context(open_clip(part.path)), check_cancelled)
            for part in parts
        ]
        _check_amount(sum(len(source.pts) for source in sources))
        continues = [False, *(part.continues for part in parts[1:])]
        try:
            return float(_join(sources, continues, target, on_frames, check_cancelled))
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _join(
    sources: Sequence[Source],
    continues: Sequence[bool],
    target: Path,
    on_frames: Callable[[int, int], object],
    check_cancelled: Callable[[], object],
) -> Fraction:
    copies = may_copy_video(sources)
    track = CopiedVideo if copies else EncodedVideo
    with open_target(target) as container:
        video: VideoTrack = track(container, sources, continues)
        # A frame that is shown for long is encoded again and again.
        _check_amount(video.total, 0 if copies else prod(sources[0].form.size))
        audio = add_audio(container, video.spans)
        reported = 0
        for packets in _packets(video, audio, check_cancelled):
            container.mux(packets)
            if video.done >= min(reported + _FRAMES_A_REPORT, video.total) > reported:
                reported = video.done
                on_frames(reported, video.total)
    return video.spans[-1].start + video.spans[-1].length


def _check_amount(frames: int, pixels: int = 0) -> None:
    """Refuse what would take hours, where others wait: so many frames, of so many pixels each.

    Raises:
        JoinFailed: It is too much.
    """
    most = min(_MAX_FRAMES, _MAX_PIXELS // max(1, pixels))
    if frames > most:
        raise JoinFailed(
            f"The joined clip would have {frames:,} frames; at most {most:,} of this size can be"
            " joined. Join fewer or shorter clips."
        )


def _packets(
    video: VideoTrack, audio: AudioTrack, check_cancelled: Callable[[], object]
) -> "Iterator[list[AnyPacket]]":
    """Yield the packets of the joined clip, about in the order of their times."""

    def checked(packets: "Iterator[AnyPacket]") -> "Iterator[list[AnyPacket]]":
        for packet in packets:
            check_cancelled()
            yield [packet]

    for number, span in enumerate(video.spans):
        video.begin(number)
        audio.begin(span)
        for packet in span.source.packets(check_cancelled):
            if packet.stream_index == span.source.video.index:
                for packets in video.push(packet):
                    # A frame may be shown for an hour.
                    check_cancelled()
                    yield packets
                    yield from checked(audio.advance(video.seconds))
            else:
                yield from checked(audio.push(packet))
        video.end()
        yield from checked(audio.end())
    yield video.finish()
    yield from checked(audio.finish())
