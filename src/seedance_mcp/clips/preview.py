"""A preview of a downloaded clip: the frame in its middle, as a small JPEG.

It needs PyAV (the extra `video`) and Pillow, which are imported by the first preview.
"""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ._decoding import open_clip, to_image
from .small_jpeg import PREVIEW, JpegBounds, small_jpeg

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

logger = logging.getLogger(__name__)


def middle_frame(
    path: Path, is_cancelled: Callable[[], bool] | None = None, *, bounds: JpegBounds = PREVIEW
) -> bytes | None:
    """Return a JPEG of the frame in the middle of an MP4; it blocks for a moment.

    None if the clip cannot be read, PyAV or Pillow is not installed, or `is_cancelled`, called
    before every frame, returned True.
    """
    try:
        with open_clip(path) as (container, stream):
            frame = _decode_middle(container, stream, is_cancelled)
            return frame and small_jpeg(to_image(frame, bounds.max_side), bounds)
    except ImportError:
        return None
    except Exception as error:  # noqa: BLE001 - no preview is worth an error
        logger.info("Cannot make a preview of %s: %r", path, error)
        return None


def _decode_middle(
    container: "InputContainer", stream: "VideoStream", is_cancelled: Callable[[], bool] | None
) -> "VideoFrame | None":
    """Return the frame that is shown when half of the clip is over."""
    middle = (stream.start_time or 0) + (stream.duration or 0) // 2
    # This goes back to the last key frame before it.
    container.seek(middle, stream=stream)
    shown = None
    for frame in container.decode(stream):
        if is_cancelled and is_cancelled():
            return None
        if shown and (frame.pts is None or frame.pts > middle):
            break
        shown = frame
    return shown
