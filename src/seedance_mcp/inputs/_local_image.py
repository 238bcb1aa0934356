"""Images of this machine, as the data: URIs in which they are sent: files, and data: URIs.

Only what decodes as an image leaves, and only regular files are read. Everything here blocks and
belongs in a worker thread; Pillow is imported when the first such image comes.
"""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import unquote

from seedance_mcp.models.model import ImageRule
from seedance_mcp.text import one_line

from ._errors import NotAnImage, RuleViolated, UnsupportedImage, UnusableImage
from ._image_header import Header, read_header
from ._jpeg import URI_LIMIT, LocalImage, converted, data_uri, faults, flat, uri_length
from ._local_file import READ_LIMIT, read_regular_file
from ._rules import hold

if TYPE_CHECKING:
    from PIL import Image

SENT_AS_THEY_ARE = {"JPEG": "image/jpeg", "PNG": "image/png"}
"""What surely every service takes; all else is converted."""

# What Pillow reads by itself, without running other programs (as it would for EPS).
_FORMATS = (
    *("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"),
    *("JPEG2000", "ICO", "PSD", "PPM"),
)
_DATA_URI = re.compile(r"data:[a-z0-9.+/;=\"-]{0,200}?;base64,", re.IGNORECASE | re.ASCII)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):(//)?", re.IGNORECASE | re.ASCII)


def is_local(value: str) -> bool:
    """Tell whether an argument means an image of this machine: a path, file: or data:."""
    scheme = _SCHEME.match(value)
    if scheme is None or scheme[1].lower() in {"file", "data"}:
        return True
    # A file's name may have a colon in it: shot10:30.jpg.
    return scheme[1].lower() not in {"http", "https"} and not scheme[2]


def local_image(
    value: str, rules: Sequence[ImageRule], still_wanted: Callable[[], object]
) -> LocalImage:
    """Read an image of this machine and make it what can be sent.

    Args:
        value: A path, a file: URL or a data: URI.
        rules: The rules that it must keep, and that what is made of it keeps too.
        still_wanted: Called between the steps; it raises where nobody waits any more.

    Raises:
        UnusableImage: It is no image, or it cannot be read.
        RuleViolated: It breaks a rule.
    """
    named = value[:5].lower() != "data:"
    try:
        return _prepared(
            read_regular_file(value) if named else _from_uri(value), rules, still_wanted
        )
    except NotAnImage as error:
        raise UnusableImage(f"{one_line(value, 200) if named else 'it'} is {error}") from None


def _prepared(
    data: bytes, rules: Sequence[ImageRule], still_wanted: Callable[[], object]
) -> LocalImage:
    known = _known(data)
    hold(rules, known)
    image = _opened(data, f"a {known.kind}" if known else "an image", rules)
    header = _measured(image, known)
    hold(rules, header)
    still_wanted()
    _decode(image, header.kind)
    header = _measured(image, known)
    media_type = SENT_AS_THEY_ARE.get(header.kind)
    if media_type and uri_length(media_type, len(data)) <= URI_LIMIT:
        hold(rules, header, len(data))
        return LocalImage(uri=data_uri(media_type, data), header=header)
    # Each may be of 100 MB and more: none is kept beside what is made of it.
    del data
    still_wanted()
    try:
        image = flat(image)
        return converted(image, rules, still_wanted)
    except faults():
        raise NotAnImage(f"a {header.kind} that cannot be converted here") from None


def _measured(image: "Image.Image", known: Header | None) -> Header:
    header = known or Header(kind=str(image.format), width=0, height=0)
    return replace(header, width=image.width, height=image.height)


def _from_uri(uri: str) -> bytes:
    head = _DATA_URI.match(uri)
    if head is None:
        raise UnusableImage("a data: URI must hold base64")
    if len(uri) > READ_LIMIT * 4 // 3:
        raise UnusableImage(f"it is larger than {READ_LIMIT // 1024**2} MB")
    body = uri[head.end() :]
    # Many programs wrap its lines, and some leave out what fills it up.
    body = "".join((unquote(body) if "%" in body else body).split()).rstrip("=")
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise UnusableImage("its base64 is damaged") from None


def _known(data: bytes) -> Header | None:
    """Read a header without Pillow, so that no file is opened only to find it far too large."""
    try:
        return read_header(data, whole=True)
    except UnsupportedImage:
        return None
    except NotAnImage:
        if re.match(rb"P[1-6]\s", data):  # a PPM, perhaps, which Pillow will tell
            return None
        raise


def _opened(data: bytes, kind: str, rules: Sequence[ImageRule]) -> "Image.Image":
    from PIL import Image

    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]
    try:
        return Image.open(BytesIO(data), formats=formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        pixels = (r for r in rules if (r.quantity, r.comparison) == ("width_pixels", "<"))
        message = next((rule.message for rule in pixels), "It has too many pixels.")
        raise RuleViolated(f"{message} It is a decompression bomb.") from None
    except faults():
        raise NotAnImage(f"{kind} that cannot be read here") from None


def _decode(image: "Image.Image", kind: str) -> None:
    """Decode the first frame: damage shows now, while it costs nothing."""
    try:
        image.load()
    except faults():
        raise NotAnImage(f"a damaged {kind}") from None
