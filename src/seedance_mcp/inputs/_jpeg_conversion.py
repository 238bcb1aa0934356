"""Converts images of any kind to JPEGs that are small enough and within the rules.

Everything here blocks, takes memory for every pixel, and belongs in a worker thread.
"""

import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from math import sqrt
from typing import TYPE_CHECKING, Any, cast

from seedance_mcp.models.model import FileRule

from ._errors import RuleViolated, UnusableFile
from ._image_header import Header, Size
from ._rules import check_rules

if TYPE_CHECKING:
    from PIL import Image

MAX_PROFILE_BYTES = 256 * 1024
"""The largest colour profile that is kept; few are larger than 4 KB."""

_MAX_SOURCE_PROFILE_BYTES = 4 * 1024 * 1024  # a printer's profile has megabytes
_PROFILED_MODES = {b"CMYK": "CMYK", b"GRAY": "L"}

_ORIENTATION_TAG = 274
_QUALITIES = (92, 85)


def pillow_errors() -> tuple[type[Exception], ...]:
    """Return what Pillow raises for images that it cannot read, warnings turned errors included."""
    from PIL import Image

    return (
        *(OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError),
        *(struct.error, MemoryError, OverflowError, Warning, Image.DecompressionBombError),
    )


def is_upright(image: "Image.Image") -> bool:
    """Return whether an image is shown as it is stored."""
    with suppress(*pillow_errors()):
        return image.getexif().get(_ORIENTATION_TAG) not in range(2, 9)
    return True


def turn_upright(image: "Image.Image") -> "Image.Image":
    """Return an image as it is shown, 8 bits a channel at most; the given one is used up."""
    from PIL import ImageOps

    with suppress(*pillow_errors()):  # a damaged tag counts as upright
        ImageOps.exif_transpose(image, in_place=True)
    if not image.mode.startswith("I;16") and image.mode != "I":
        return image
    # Pillow would clip these at 255 (its stubs leave point and resize partly untyped).
    wide, profile = image.convert("I"), image.info.get("icc_profile", b"")
    image = wide.point(lambda value: value * (1 / 256)).convert("L")  # pyright: ignore[reportUnknownMemberType]
    image.info = {"icc_profile": profile}
    return image


def flatten(image: "Image.Image") -> "Image.Image":
    """Return an image from `turn_upright` as a JPEG can hold it: of RGB, on white.

    Of the file's metadata only the colour profile stays: no location, no camera, no comment. The
    given image is used up.
    """
    from PIL import Image

    given, profile = image, image.info.get("icc_profile", b"")
    if "A" in image.mode or "transparency" in image.info:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.new("RGB", layer.size, "white")
        image.paste(layer, mask=layer)
    elif image.mode != "RGB":
        image = _to_rgb(image, profile)
    if image is not given:
        given.close()  # callers may still refer to it, but its pixels take memory
    # A profile for grey or CMYK means nothing once the pixels are RGB.
    keep = profile[16:20] == b"RGB " and len(profile) <= MAX_PROFILE_BYTES
    image.info = {"icc_profile": profile} if keep else {}
    return image


def _to_rgb(image: "Image.Image", profile: bytes) -> "Image.Image":
    """Convert an image to RGB, through its own profile where it has one for grey or CMYK."""
    from PIL import ImageCms

    fits = _PROFILED_MODES.get(profile[16:20]) == image.mode
    if fits and len(profile) <= _MAX_SOURCE_PROFILE_BYTES:
        with suppress(*pillow_errors(), ImageCms.PyCMSError, ImportError):
            printed = ImageCms.ImageCmsProfile(BytesIO(profile))
            screen = cast("Any", ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownMemberType]
            shown = ImageCms.profileToProfile(image, printed, screen, outputMode="RGB")
            if shown is not None:
                return shown
    return image.convert("RGB")


def convert_to_jpeg(
    image: "Image.Image",
    rules: Sequence[FileRule],
    max_bytes: int,
    check_cancelled: Callable[[], object],
) -> tuple[bytes, Header]:
    """Convert an image that `flatten` returned, scaled down only where the JPEG is too large.

    `check_cancelled` is called between the steps, and raises if the call was cancelled.

    Raises:
        UnusableFile: No such JPEG is small enough.
        RuleViolated: The image breaks a rule before it is scaled.
    """
    size = image.size
    while True:
        header = Header(kind="JPEG", width=size[0], height=size[1])
        check_rules(rules, header)
        scaled = image
        if size != image.size:
            scaled = image.resize(size, reducing_gap=2.0)  # pyright: ignore[reportUnknownMemberType]
        data = b""
        for quality in _QUALITIES:
            check_cancelled()
            data = _encode(scaled, quality)
            if len(data) <= max_bytes:
                check_rules(rules, header, len(data))
                return data, header
        del scaled
        # The bytes of a JPEG grow with its area, so with the square of its width.
        scale = min(0.95, sqrt(max_bytes / len(data)))
        size = _scale_down(size, scale, rules)


def _scale_down(size: Size, scale: float, rules: Sequence[FileRule]) -> Size:
    """Return a smaller size, rounded so that the rules still hold."""
    width, height = int(size[0] * scale), int(size[1] * scale)
    for near in ((width, height), (width + 1, height), (width, height + 1)):
        try:
            check_rules(rules, Header(kind="JPEG", width=max(1, near[0]), height=max(1, near[1])))
        except RuleViolated:
            continue
        return near
    raise UnusableFile("it cannot be made small enough to send within the rules")


def _encode(image: "Image.Image", quality: int) -> bytes:
    sink = BytesIO()
    image.save(sink, "JPEG", quality=quality, icc_profile=image.info.get("icc_profile"))
    return sink.getvalue()
