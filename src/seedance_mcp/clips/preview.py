"""A preview of a downloaded clip: the frame in its middle, as a small JPEG.

It needs PyAV (the extra `video`) and Pillow, which are imported by the first preview.
"""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
import logging
from collections.abc import Callable
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from PIL.Image import Image

logger = logging.getLogger(__name__)

MAX_PREVIEW_BYTES = 60_000
MAX_PREVIEW_SIDE = 640  # pixels

# 8K; decoding a larger frame could take all the memory of a small machine.
_MAX_FRAME_PIXELS = 8192 * 4320


def middle_frame(path: Path, is_cancelled: Callable[[], bool] | None = None) -> bytes | None:
    """Return a JPEG of the frame in the middle of an MP4; it blocks for a moment.

    It has at most 60 KB and 640 pixels a side. None if the clip cannot be read, PyAV or Pillow is
    not installed, or `is_cancelled`, called before every frame, returned True.
    """
    try:
        import av

        # With the format given, FFmpeg does not read playlists, which would open other files.
        options = {"protocol_whitelist": "file"}
        with av.open(str(path), "r", format="mp4", options=options) as container:
            frame = _decode_middle(container, is_cancelled)
            return frame and _small_jpeg(_to_image(frame))
    except ImportError:
        return None
    except Exception as error:  # noqa: BLE001 - FFmpeg's errors have no common class
        logger.info("Cannot make a preview of %s: %r", path, error)
        return None


def _decode_middle(
    container: "InputContainer", is_cancelled: Callable[[], bool] | None
) -> "VideoFrame | None":
    """Return the frame that is shown when half of the clip is over."""
    stream = next(iter(container.streams.video), None)
    if stream is None or not 0 < stream.width * stream.height <= _MAX_FRAME_PIXELS:
        return None
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


def _to_image(frame: "VideoFrame") -> "Image":
    scale = min(1.0, MAX_PREVIEW_SIDE / max(frame.width, frame.height))
    width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    return cast("Image", frame.to_image(width=width, height=height))


def _small_jpeg(image: "Image") -> bytes | None:
    """Return an image as a JPEG of at most `MAX_PREVIEW_BYTES`, None if it never gets so small."""
    # Nearly always the very first is small enough.
    for side, quality in product((MAX_PREVIEW_SIDE, 480, 320, 160), (80, 60, 40)):
        image.thumbnail((side, side))
        jpeg = BytesIO()
        image.save(jpeg, "JPEG", quality=quality, optimize=True)
        if jpeg.tell() <= MAX_PREVIEW_BYTES:
            return jpeg.getvalue()
    return None
