"""JPEGs within bounds: the quality is lowered first, then the size."""

from io import BytesIO
from random import Random

import pytest
from PIL import Image

from seedance_mcp.clips.small_jpeg import JpegBounds, small_jpeg

NOISE = Random(1).randbytes(80 * 80 * 3)
"""Of the images of a size, the one that compresses worst."""


@pytest.mark.parametrize(
    ("max_bytes", "side"),
    [(2_600, 64), (1_300, 64), (900, 48), (500, 32), (320, 16), (200, None)],
)
def test_what_compresses_badly_is_made_smaller_until_it_fits_or_is_left_out(
    max_bytes: int, side: int | None
) -> None:
    image = Image.frombytes("RGB", (80, 80), NOISE)
    jpeg = small_jpeg(image, JpegBounds(max_side=64, max_bytes=max_bytes))
    assert jpeg is None or len(jpeg) <= max_bytes
    assert (jpeg and Image.open(BytesIO(jpeg)).size) == (side and (side, side))
