"""Something to look at: a small image of a clip that was saved.

It needs PyAV and Pillow (the extra `video`), which are imported only when a clip is looked at.
"""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
import logging
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from PIL.Image import Image

logger = logging.getLogger(__name__)

MAX_PREVIEW_BYTES = 60_000
MAX_PREVIEW_SIDE = 640

# A frame beyond 8K is nobody's clip, and decoding it would take the memory of a small machine.
_MAX_FRAME_PIXELS = 8192 * 4320
# The first that fits is taken; nearly always that is the first of all.
_ATTEMPTS = [
    (side, quality) for side in (MAX_PREVIEW_SIDE, 480, 320, 160) for quality in (80, 60, 40)
]


def never() -> bool:
    """Say that there is time for all of it."""
    return False


def middle_frame(path: Path, late: Callable[[], bool] = never) -> bytes | None:
    """Make a JPEG of the frame in the middle of an MP4; it blocks for a moment.

    Args:
        path: The clip.
        late: Whether nobody waits for it any more, asked before every frame.

    Returns:
        At most 60 KB and 640 pixels a side; None where the clip cannot be read, what reads it
        is not installed, or it got late.
    """
    try:
        import av
        import PIL.Image  # noqa: F401  # pyright: ignore[reportUnusedImport] - for PyAV
    except ImportError:
        return None
    try:
        # Named, the format cannot be one that makes FFmpeg open other files, as playlists do.
        with av.open(
            str(path), "r", format="mp4", options={"protocol_whitelist": "file"}
        ) as container:
            frame = _middle(container, late)
            return frame and _small(_image(frame))
    except Exception as error:  # noqa: BLE001 - PyAV raises whatever it stumbles over
        logger.info("%s has no frame to show: %r", path, error)
        return None


def _middle(container: "InputContainer", late: Callable[[], bool]) -> "VideoFrame | None":
    """Give the frame that is shown when half of the clip is over."""
    stream = next(iter(container.streams.video), None)
    if stream is None or not 0 < stream.width * stream.height <= _MAX_FRAME_PIXELS:
        return None
    middle = (stream.start_time or 0) + (stream.duration or 0) // 2
    # Back to the last key frame before it.
    container.seek(middle, stream=stream)
    shown = None
    for frame in container.decode(stream):
        if late():
            return None
        if shown and (frame.pts is None or frame.pts > middle):
            break
        shown = frame
    return shown


def _image(frame: "VideoFrame") -> "Image":
    shrunk = min(1.0, MAX_PREVIEW_SIDE / max(frame.width, frame.height))
    width, height = (max(1, round(side * shrunk)) for side in (frame.width, frame.height))
    return cast("Image", frame.to_image(width=width, height=height))


def _small(image: "Image") -> bytes | None:
    """Write an image as a JPEG that is small enough."""
    for side, quality in _ATTEMPTS:
        image.thumbnail((side, side))
        jpeg = BytesIO()
        image.save(jpeg, "JPEG", quality=quality, optimize=True)
        if jpeg.tell() <= MAX_PREVIEW_BYTES:
            return jpeg.getvalue()
    return None
