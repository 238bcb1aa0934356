"""Loads images of this machine, files and data: URIs, as the data: URIs in which they are sent.

Only what decodes as an image leaves the machine, and no more of a file than its image: no location,
no camera, no other images, nothing behind its end. Only regular files are read. Loading blocks
and belongs in a worker thread. Pillow is imported with the first such image.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING

from seedance_mcp.models.model import FileRule
from seedance_mcp.text import one_line

from ._data_uri import MAX_URI_CHARACTERS, decode_uri, encode_uri, is_data, max_uri_bytes
from ._errors import MissingFile, NotAnImage, RuleViolated, UnsupportedImage, UnusableFile
from ._image_header import Header, read_header
from ._jpeg_conversion import (
    convert_to_jpeg,
    flatten,
    is_upright,
    pillow_errors,
    turn_upright,
)
from ._local_file import absolute_path, read_regular_file
from ._metadata import strip_metadata
from ._png_conversion import convert_to_png, is_deep
from ._rules import check_rules

if TYPE_CHECKING:
    from PIL import Image

SENT_AS_STORED = {"JPEG": "image/jpeg", "PNG": "image/png"}
"""The types that every model takes, without their metadata; all others are converted."""

# What Pillow reads by itself, without running other programs (as it would for EPS).
_FORMATS = (
    *("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"),
    *("JPEG2000", "ICO", "PSD", "PPM"),
)
# These cannot be read if they are damaged; others, such as HEIC or raw photos, may be whole.
_ALWAYS_READ = frozenset({"a JPEG", "a PNG", "a WebP", "a GIF", "a BMP"})


def identify_local_image(value: str) -> tuple[str, str]:
    """Return the absolute path of an image of this machine and the SHA-256 of its bytes.

    Data has no path. Where no regular file is that can be read, or an empty one, the hash is "".

    Raises:
        UnusableFile: It cannot be an image.
    """
    if is_data(value):
        return "", sha256(decode_uri(value)).hexdigest()
    data = b""
    with suppress(MissingFile):
        data = read_regular_file(value)
    return absolute_path(value), sha256(data).hexdigest() if data else ""


def local_path(value: str) -> str:
    """Return the absolute path of an image of this machine, "" for data."""
    return "" if is_data(value) else absolute_path(value)


def load_local_image(
    value: str, rules: Sequence[FileRule], check_cancelled: Callable[[], object]
) -> tuple[str, Header, str]:
    """Load an image of this machine: upright, without metadata, converted where that needs it.

    `check_cancelled` is called between the steps, and raises if the call was cancelled.

    Returns:
        The data: URI to send, at most `MAX_URI_CHARACTERS` long, the header of its image, and the
        SHA-256 of the image as it was read.

    Raises:
        UnusableFile: It is not an image, or cannot be read.
        RuleViolated: It breaks a rule.
    """
    try:
        # No name for the file's bytes here: `_prepare` must be the only one to hold them.
        return _prepare(_read(value), rules, check_cancelled)
    except NotAnImage as error:
        name = "it" if is_data(value) else one_line(absolute_path(value), 200)
        raise UnusableFile(f"{name} is {error}") from None


def _read(value: str) -> bytes:
    return decode_uri(value) if is_data(value) else read_regular_file(value)


def _prepare(
    data: bytes, rules: Sequence[FileRule], check_cancelled: Callable[[], object]
) -> tuple[str, Header, str]:
    content = sha256(data).hexdigest()
    known = _read_known_header(data)
    check_rules(rules, known)
    image = _open(data, _with_article(known), rules)
    header = _header(image, known)
    check_rules(rules, header)
    check_cancelled()
    _decode(image, header.kind)
    header = _header(image, known)
    stripped = strip_metadata(header.kind, data)
    if stripped is not None and _is_plain(image, stripped):
        media_type = SENT_AS_STORED[header.kind]
        if len(stripped) <= max_uri_bytes(media_type):
            header = replace(header, sideways=False, turned=False)
            check_rules(rules, header, len(stripped))
            return encode_uri(media_type, stripped), header, content
    png = data if header.kind == "PNG" and len(data) <= MAX_URI_CHARACTERS else None
    # Each may take 100 MB and more: the file is not kept beside its pixels.
    del data, stripped
    check_cancelled()
    try:
        return *_convert(image, png, rules, check_cancelled), content
    except pillow_errors():
        raise NotAnImage(f"a {header.kind} that cannot be converted here") from None


def _is_plain(image: "Image.Image", data: bytes) -> bool:
    """Return whether a JPEG or PNG is shown alike by programs that read no more than they must."""
    deep = image.format == "PNG" and is_deep(data)
    return is_upright(image) and image.mode != "CMYK" and not deep


def _convert(
    image: "Image.Image",
    png: bytes | None,
    rules: Sequence[FileRule],
    check_cancelled: Callable[[], object],
) -> tuple[str, Header]:
    """Convert an image to a JPEG, or where it was read from a `png`, to a PNG if that fits."""
    image = turn_upright(image)
    if png is not None:
        check_cancelled()
        data = convert_to_png(image, png)
        if len(data) <= max_uri_bytes("image/png"):
            header = Header(kind="PNG", width=image.width, height=image.height)
            check_rules(rules, header, len(data))
            return encode_uri("image/png", data), header
    image = flatten(image)
    data, header = convert_to_jpeg(image, rules, max_uri_bytes("image/jpeg"), check_cancelled)
    return encode_uri("image/jpeg", data), header


def _with_article(header: Header | None) -> str:
    if header is None:
        return "an image"
    return f"{'an' if header.kind[0] in 'AEIO' else 'a'} {header.kind}"


def _header(image: "Image.Image", known: Header | None) -> Header:
    header = known or Header(kind=str(image.format), width=0, height=0)
    return replace(header, width=image.width, height=image.height)


def _read_known_header(data: bytes) -> Header | None:
    # Without Pillow, so that an image that is far too large is never opened.
    if re.match(rb"P[1-6]\s", data):  # perhaps a PPM, which only Pillow recognizes
        return None
    with suppress(UnsupportedImage):
        return read_header(data, whole=True)
    return None


def _open(data: bytes, kind: str, rules: Sequence[FileRule]) -> "Image.Image":
    from PIL import Image

    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]
    try:
        return Image.open(BytesIO(data), formats=formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        pixels = (r for r in rules if (r.quantity, r.comparison) == ("width_pixels", "<"))
        message = next((rule.message for rule in pixels), "It has too many pixels.")
        raise RuleViolated(f"{message} It is a decompression bomb.") from None
    except pillow_errors():
        remedy = "" if kind in _ALWAYS_READ else "; export it as JPEG or PNG and pass that file"
        raise NotAnImage(f"{kind} that cannot be read here{remedy}") from None


def _decode(image: "Image.Image", kind: str) -> None:
    # The first frame: damage must show before money is spent.
    try:
        image.load()
    except pillow_errors():
        raise NotAnImage(f"a damaged {kind}") from None
