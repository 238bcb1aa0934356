"""Frames as a player shows them, computed sample by sample, without swscale."""

from itertools import product

import av
from PIL import Image

# Kr and Kb of ISO/IEC 23091-2, by the number of the matrix.
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114)}


def rgb(y: float, cb: float, cr: float, *, matrix: int, full: bool) -> tuple[int, int, int]:
    """Return the colour of a sample of 8 bits."""
    kr, kb = WEIGHTS[matrix]
    cb, cr = cb - 128, cr - 128
    if not full:
        y, cb, cr = (y - 16) * 255 / 219, cb * 255 / 224, cr * 255 / 224
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    red, green, blue = (max(0, min(255, round(value))) for value in (red, green, blue))
    return red, green, blue


def shown_by_hand(frame: av.VideoFrame, *, matrix: int, full: bool) -> Image.Image:
    """Return a frame of 4:2:0 with 8 or 10 bits as an image that is not turned."""
    deep = "10" in frame.format.name
    planes = [memoryview(bytes(plane)).cast("H" if deep else "B") for plane in frame.planes]
    lines = [plane.line_size // (2 if deep else 1) for plane in frame.planes]
    scale = 4 if deep else 1
    pixels = bytearray()
    for y, x in product(range(frame.height), range(frame.width)):
        at = lines[0] * y + x, lines[1] * (y // 2) + x // 2, lines[2] * (y // 2) + x // 2
        samples = [plane[place] / scale for plane, place in zip(planes, at, strict=True)]
        pixels += bytes(rgb(*samples, matrix=matrix, full=full))
    return Image.frombytes("RGB", (frame.width, frame.height), bytes(pixels))
