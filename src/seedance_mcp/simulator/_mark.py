"""The word SIMULATED in the lower left corner of every frame, drawn once and taken off again.

A clip may begin with a frame of another one. Its mark would move with the image, under a second.
"""

from statistics import correlation

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

_PLATE = (0, 0, 0, 110)
_LETTERS = (255, 255, 255, 225)
# Of the brightness under the mark with what the mark looks like: images without it have about 0.
_MARKED = 0.7


def draw_mark(frame: Image.Image) -> None:
    """Draw the mark into an image."""
    mark = _mark(frame.size)
    frame.paste(mark, _corner(frame, mark), mark)


def take_off_mark(image: Image.Image) -> Image.Image:
    """Return an image with what was under its mark, or the image itself if it has none."""
    mark = _mark(image.size)
    corner = _corner(image, mark)
    marked = image.crop((*corner, mark.width, image.height))
    if not _has_mark(marked, mark):
        return image
    uncovered = image.copy()
    uncovered.paste(_uncovered(marked, mark), corner)
    return uncovered


def _corner(image: Image.Image, mark: Image.Image) -> tuple[int, int]:
    return 0, image.height - mark.height


def _mark(size: tuple[int, int]) -> Image.Image:
    letters = _letter_height(size)
    font = ImageFont.load_default(size=letters)
    left, top, right, bottom = (round(edge) for edge in font.getbbox("SIMULATED"))
    pad, margin = letters // 2, letters
    plate = (margin, 0, margin + right - left + 2 * pad, bottom - top + 2 * pad)
    mark = Image.new("RGBA", (plate[2] + 1, plate[3] + 1 + margin))
    draw = ImageDraw.Draw(mark)
    draw.rounded_rectangle(plate, radius=pad, fill=_PLATE)
    draw.text((margin + pad - left, pad - top), "SIMULATED", font=font, fill=_LETTERS)
    return mark.crop((0, 0, min(mark.width, size[0]), mark.height))


def _letter_height(size: tuple[int, int]) -> int:
    return max(12, min(size[1] // 18, size[0] // 10))


def _has_mark(corner: Image.Image, mark: Image.Image) -> bool:
    alpha = mark.getchannel("A")
    light = ImageChops.multiply(mark.convert("L"), alpha)
    pixels = zip(corner.convert("L").tobytes(), light.tobytes(), alpha.tobytes(), strict=True)
    try:
        seen, expected = zip(*((a, b) for a, b, covered in pixels if covered), strict=True)
        return correlation(seen, expected) > _MARKED
    except ValueError:  # it has one brightness, or the image is narrower than the margin
        return False


def _uncovered(corner: Image.Image, mark: Image.Image) -> Image.Image:
    """Return the corner of an image without the mark on it."""
    alpha = mark.getchannel("A")
    covers = alpha.tobytes()
    bands = [
        Image.frombytes("L", corner.size, bytes(map(_under, band, light, covers)))
        for band, light in zip(_bands(corner), _bands(mark.convert("RGB")), strict=True)
    ]
    found = Image.merge("RGB", bands)
    # Little of what was under the letters is left, so its surroundings stand in for it.
    around = found.filter(ImageFilter.MedianFilter(2 * (_letter_height(corner.size) // 8) + 3))
    letters = bytes(255 if cover > _PLATE[3] else 0 for cover in covers)
    return Image.composite(around, found, Image.frombytes("L", corner.size, letters))


def _bands(image: Image.Image) -> list[bytes]:
    return [band.tobytes() for band in image.split()]


def _under(value: int, light: int, cover: int) -> int:
    """Return what a pixel was before `light` was laid over it."""
    return max(0, min(255, round((255 * value - cover * light) / (255 - cover))))
