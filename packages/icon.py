"""Draw the icon again: `python -m packages.icon`.

A clip in the colours of dusk, with a play mark and, behind it, the one that it continues.
"""

# Pillow's stubs leave types out.
# pyright: reportUnknownMemberType=false
from collections.abc import Sequence
from math import hypot

from PIL import Image, ImageChops, ImageDraw

from ._project import ICON, PLUGIN, ROOT

SIZE = 512
"""Pixels, as Claude Desktop, Claude Code and Docker's catalogue want them."""
FINER = 4
"""It is drawn this many times larger, so that its edges are smooth."""
DUSK = ((24, 27, 74), (92, 52, 140), (232, 96, 110), (255, 178, 102))
"""The colours of the sky from top to bottom."""
CORNER, MARGIN = 108, 4
FRONT, BEHIND = 220, 116
"""Where the marks begin, without their rounding."""
ROUNDING, GAP = 30, 16


def sky() -> Image.Image:
    """Return the sky, from top to bottom."""
    column = Image.new("RGB", (1, len(DUSK)))
    column.putdata(DUSK)
    return column.resize((SIZE * FINER, SIZE * FINER), Image.Resampling.BICUBIC)


def mask(corners: Sequence[tuple[float, float]], rounding: float) -> Image.Image:
    """Return where a convex shape is that is larger than its corners by a rounding."""
    image = Image.new("L", (SIZE * FINER, SIZE * FINER))
    drawing, reach = ImageDraw.Draw(image), rounding * FINER
    points = [(x * FINER, y * FINER) for x, y in corners]
    drawing.polygon(points, fill=255)
    for (x, y), (to_x, to_y) in zip(points, [*points[1:], points[0]], strict=True):
        length = hypot(to_x - x, to_y - y)
        right, down = (to_y - y) / length * reach, (x - to_x) / length * reach
        side = [(x + right, y + down), (to_x + right, to_y + down)]
        other_side = [(to_x - right, to_y - down), (x - right, y - down)]
        drawing.polygon(side + other_side, fill=255)
        drawing.ellipse((x - reach, y - reach, x + reach, y + reach), fill=255)
    return image


def play(left: float, rounding: float) -> Image.Image:
    """Return where a play mark is that begins at the left."""
    middle = SIZE / 2
    return mask([(left, middle - 100), (left + 160, middle), (left, middle + 100)], rounding)


def draw() -> Image.Image:
    """Return the icon."""
    near, far = CORNER + MARGIN, SIZE - CORNER - MARGIN
    tile = mask([(near, near), (far, near), (far, far), (near, far)], CORNER)
    around = ImageChops.invert(play(FRONT, ROUNDING + GAP))
    faint = ImageChops.multiply(play(BEHIND, ROUNDING), around).point(lambda value: value * 0.55)
    image = sky()
    for shape in (faint, play(FRONT, ROUNDING)):
        image.paste((255, 255, 255), mask=shape)
    image.putalpha(tile)
    return image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    path = ROOT / PLUGIN / ICON
    path.parent.mkdir(parents=True, exist_ok=True)
    draw().save(path, optimize=True)
