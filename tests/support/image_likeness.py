"""How alike two images are."""

from math import inf, log10

from PIL import Image, ImageChops, ImageStat


def psnr(one: Image.Image, other: Image.Image) -> float:
    """Return the peak signal-to-noise ratio of two RGB images of one size, in decibels."""
    assert (one.mode, one.size) == (other.mode, other.size) == ("RGB", one.size)
    squares = ImageStat.Stat(ImageChops.difference(one, other)).sum2
    error = sum(squares) / (3 * one.width * one.height)
    return 10 * log10(255**2 / error) if error else inf
