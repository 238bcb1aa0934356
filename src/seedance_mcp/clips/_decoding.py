"""Opening of MP4s, and the frames in them as images: in the colours and the way up they are shown.

Only what has imported PyAV already, or may find it missing, calls this.
"""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from seedance_mcp.errors import UnreadableClip, VideoExtraMissing
from seedance_mcp.text import one_line

from ._index_size import has_bounded_index

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream
    from PIL.Image import Image

# 8K; decoding a larger frame could take all the memory of a small machine.
MAX_FRAME_PIXELS = 8192 * 4320

# As ISO/IEC 23091-2 and FFmpeg number them.
_BT709, _BT601 = 1, 6
_UNSPECIFIED, _RESERVED = 2, 3
_LIMITED_RANGE, _FULL_RANGE = 1, 2
_HD_LINES = 720
# swscale's flags: exact rounding, and for each pixel the chroma that it has. With PyAV's own, each
# clip that continues another one would be darker by a level.
_EXACT = 0x10 | 0x2000 | 0x40000


def require_pyav(purpose: str) -> None:
    """Check that PyAV is installed.

    Raises:
        VideoExtraMissing: It is not; `purpose` begins the message.
    """
    try:
        import_module("av")
    except ImportError:
        raise VideoExtraMissing(purpose) from None


def unreadable(path: Path, why: str) -> UnreadableClip:
    """Return the error that says why a clip is not usable, and what to do."""
    return UnreadableClip(
        f"{one_line(path.name, 120)} {why}. Delete the file and download the clip again, or use"
        " another clip."
    )


@contextmanager
def open_clip(path: Path) -> Generator[tuple["InputContainer", "VideoStream"]]:
    """Open an MP4 and its video track; what FFmpeg cannot read while it is open is refused too.

    Raises:
        UnreadableClip: It is not an MP4 with video in it, or a damaged one.
    """
    import av
    from av.error import FFmpegError

    _check_index(path)
    # With the format given, FFmpeg does not read playlists, which would open other files, as does
    # a track whose data are said to be elsewhere.
    options = {
        "protocol_whitelist": "file",
        "enable_drefs": "0",
        "max_pixels": str(MAX_FRAME_PIXELS),
    }
    try:
        with av.open(
            str(path.absolute()), "r", format="mp4", options=options, metadata_errors="replace"
        ) as container:
            yield container, _video_stream(path, container)
    except FFmpegError as error:
        reason = one_line(error.strerror or "")
        raise unreadable(path, f"is not an MP4 that can be read ({reason})") from None


def _check_index(path: Path) -> None:
    # A named pipe would be waited for.
    if path.exists() and not path.is_file():
        raise unreadable(path, "is not a regular file")
    try:
        is_bounded = has_bounded_index(path)
    except OSError as error:
        raise unreadable(path, f"cannot be read ({one_line(error.strerror or '')})") from None
    if not is_bounded:
        raise unreadable(path, "has an index that is too large")


def _video_stream(path: Path, container: "InputContainer") -> "VideoStream":
    from av.stream import Disposition

    # A track whose codec FFmpeg does not know has no size.
    videos = (
        video
        for video in container.streams.video
        if Disposition.attached_pic not in video.disposition and hasattr(video, "width")
    )
    stream = next(videos, None)
    if stream is None:
        raise unreadable(path, "has no video in it that can be read")
    if not 0 < stream.width * stream.height <= MAX_FRAME_PIXELS:
        raise unreadable(
            path,
            f"has frames of {stream.width} x {stream.height} pixels; at most 8192 x 4320 are read",
        )
    # Without this a damaged frame is made up from its neighbours.
    stream.codec_context.options = {
        "err_detect": "explode",
        "max_pixels": str(MAX_FRAME_PIXELS),
    }
    return stream


def to_image(frame: "VideoFrame", max_side: int | None = None) -> "Image":
    """Return a frame as it is shown; scaled down, if one of its sides is longer than `max_side`."""
    from PIL import Image

    scale = min(1.0, max_side / max(frame.width, frame.height)) if max_side else 1.0
    width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    turned = round(frame.rotation / 90) % 4 * 90
    fill_in_tags(frame)
    is_exact = scale == 1 and _is_planar_of_8_bits(frame)
    shown = (_repeat_chroma(frame) if is_exact else frame).reformat(
        width,
        height,
        "rgb24",
        dst_color_range=_FULL_RANGE,
        interpolation=_EXACT if is_exact else None,
    )
    plane = shown.planes[0]
    data = bytes(plane)
    image = Image.frombytes("RGB", (width, height), data, "raw", "RGB", plane.line_size, 1)
    # Both mean counter-clockwise; Pillow moves whole pixels at right angles.
    return image.rotate(turned, expand=True)


def fill_in_tags(frame: "VideoFrame") -> None:
    """Set what a frame does not say about its colours, as players take it."""
    # PyAV 17.0 refuses frames with reserved values in these two, and neither is converted.
    frame.color_trc = frame.color_primaries = _UNSPECIFIED
    if not frame.format.is_rgb:
        frame.colorspace, frame.color_range = known_tags(
            frame.colorspace, frame.color_range, frame.height
        )


def known_tags(colorspace: int, color_range: int, height: int) -> tuple[int, int]:
    """Return the matrix and the range, or what players take for them where they are not given."""
    if colorspace in {_UNSPECIFIED, _RESERVED}:
        colorspace = _BT709 if height >= _HD_LINES else _BT601
    if color_range not in {_LIMITED_RANGE, _FULL_RANGE}:
        color_range = _LIMITED_RANGE
    return colorspace, color_range


def _is_planar_of_8_bits(frame: "VideoFrame") -> bool:
    components = frame.format.components
    return (
        len(frame.planes) == len(components) == 3
        and all(component.bits == 8 for component in components)
        and not frame.format.is_rgb
    )


def _repeat_chroma(frame: "VideoFrame") -> "VideoFrame":
    """Return a frame in which each pixel has the chroma that it shared with its neighbours.

    Encoding it again so finds the same chroma; nothing in between is made up.
    """
    from av import VideoFrame
    from PIL import Image

    full = VideoFrame(frame.width, frame.height, "yuv444p")
    full.colorspace, full.color_range = frame.colorspace, frame.color_range
    for source, target in zip(frame.planes, full.planes, strict=True):
        width, height = source.width, source.height
        across, down = round(frame.width / width), round(frame.height / height)
        plane = Image.frombytes(
            "L", (width, height), bytes(source), "raw", "L", source.line_size, 1
        )
        plane = plane.resize((across * width, down * height), Image.Resampling.NEAREST)
        plane = plane.crop((0, 0, frame.width, frame.height))
        target.update(plane.tobytes("raw", "L", target.line_size, 1))
    return full
