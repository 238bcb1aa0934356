"""The first or the last frame of a clip, as a PNG.

It needs PyAV (the extra `video`), which is imported by the first call.
"""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from seedance_mcp.errors import UnreadableClip
from seedance_mcp.file_locks import replacing

from ._decoding import open_clip, require_pyav, to_image, unreadable

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream
    from PIL.Image import Image

# An hour of 24 frames a second has 86,400.
_MAX_FRAMES = 100_000
_LATEST = (1 << 63) - 1  # that FFmpeg has a number for
_TOO_LONG = f"has more than {_MAX_FRAMES:,} frames"
_NOTHING_SHOWN = "has no frame that is shown"


def write_frame(
    clip: Path,
    which: Literal["first", "last"],
    image: Path,
    check_cancelled: Callable[[], object],
) -> None:
    """Write the first or the last frame that a clip shows as an 8-bit RGB PNG; it blocks.

    The image appears under its name when it is complete, in place of what had the name.

    Args:
        check_cancelled: Called before every packet; what it raises ends the call.

    Raises:
        UnreadableClip: It is not a clip, or a damaged one.
        VideoExtraMissing: PyAV is not installed.
        OSError: The image cannot be written.
    """
    require_pyav(f"Reading the {which} frame of a clip")
    read = _first_frame if which == "first" else _last_frame
    shown = read(clip, check_cancelled)
    check_cancelled()
    with replacing(image) as file:
        shown.save(file, "PNG")


def _first_frame(clip: Path, check_cancelled: Callable[[], object]) -> "Image":
    with open_clip(clip) as (container, stream):
        _read_index(clip, stream)
        for frame in _decode(clip, container, stream, check_cancelled):
            return to_image(frame)
    raise unreadable(clip, _NOTHING_SHOWN)


def _last_frame(clip: Path, check_cancelled: Callable[[], object]) -> "Image":
    # What follows the last key frame is enough, unless nothing of it is shown, some of it needs
    # what is before it, or it is not a key frame at all.
    with suppress(UnreadableClip):
        return _last_shown(clip, check_cancelled, from_last_key=True)
    return _last_shown(clip, check_cancelled, from_last_key=False)


def _last_shown(
    clip: Path, check_cancelled: Callable[[], object], *, from_last_key: bool
) -> "Image":
    """Return the last frame that is shown; each that the index promises must be there."""
    with open_clip(clip) as (container, stream):
        index = _read_index(clip, stream)
        start = max((n for n, entry in enumerate(index) if entry.is_key), default=0)
        if from_last_key and start:
            # Behind the end, of which the last key frame before it is sought, by its PTS.
            end = 2 * index[-1].timestamp - index[0].timestamp + 1
            container.seek(min(end, _LATEST), stream=stream)
        frames = 0
        last = None
        for frame in _decode(clip, container, stream, check_cancelled):
            frames += 1
            if last is None or (frame.pts or 0) >= (last.pts or 0):
                last = frame
        # A fragmented clip's index has grown meanwhile.
        index = _read_index(clip, stream)[start if from_last_key else 0 :]
        promised = sum(entry.is_shown for entry in index)
        if last is None:
            raise unreadable(clip, _NOTHING_SHOWN)
        if frames != promised:
            raise unreadable(clip, f"is damaged: {frames} of {promised} frames can be read")
        return to_image(last)


def _decode(
    clip: Path,
    container: "InputContainer",
    stream: "VideoStream",
    check_cancelled: Callable[[], object],
) -> Iterator["VideoFrame"]:
    """Yield the frames that are shown, from where the container stands to its end."""
    for packets, packet in enumerate(container.demux(stream)):
        check_cancelled()
        if packets > _MAX_FRAMES:
            raise unreadable(clip, _TOO_LONG)
        for frame in packet.decode():
            if frame.is_corrupt:
                raise unreadable(clip, "is damaged: not all of its frames can be read")
            yield frame


class _IndexEntry(NamedTuple):
    """What the index says of a frame; `timestamp` is its DTS."""

    timestamp: int
    is_key: bool
    is_shown: bool


def _read_index(clip: Path, stream: "VideoStream") -> list[_IndexEntry]:
    """Return the index of a clip, in the order of decoding; the file must hold all that it names.

    FFmpeg's own entries move in memory as it reads on, so that they must not be kept.
    """
    if len(stream.index_entries) > _MAX_FRAMES:
        raise unreadable(clip, _TOO_LONG)
    size = clip.stat().st_size
    if any(entry.pos + entry.size > size for entry in stream.index_entries):
        raise unreadable(clip, "is damaged: the end of it is missing")
    return [
        _IndexEntry(entry.timestamp, entry.is_keyframe, not entry.is_discard)
        for entry in stream.index_entries
    ]
