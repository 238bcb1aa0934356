"""Reads and writes data: URIs of base64 (RFC 2397)."""

import base64
import binascii
import re
from urllib.parse import unquote

from ._errors import UnusableFile
from ._local_file import MAX_FILE_BYTES

MAX_URI_CHARACTERS = 6 * 1024 * 1024
"""The longest data: URI that RunComfy's own clients send (client)."""

_DATA_URI = re.compile(r"data:[a-z0-9.+/;=\"-]{0,200}?;base64,", re.IGNORECASE | re.ASCII)


def is_data(value: str) -> bool:
    """Return whether a value is a data: URI."""
    return value[:5].lower() == "data:"


def encode_uri(media_type: str, data: bytes) -> str:
    """Return data as a data: URI."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def max_uri_bytes(media_type: str) -> int:
    """Return how many bytes of a type a URI of `MAX_URI_CHARACTERS` holds."""
    return (MAX_URI_CHARACTERS - len(encode_uri(media_type, b""))) // 4 * 3


def decode_uri(uri: str) -> bytes:
    """Return the bytes of a data: URI.

    Raises:
        UnusableFile: It has no base64, or too much.
    """
    head = _DATA_URI.match(uri)
    if head is None:
        raise UnusableFile("a data: URI must hold base64")
    if len(uri) > MAX_FILE_BYTES * 4 // 3:
        raise UnusableFile(f"it is larger than {MAX_FILE_BYTES // 1024**2} MB")
    body = uri[head.end() :]
    # Many programs wrap the lines of base64, and some leave out its padding.
    body = "".join((unquote(body) if "%" in body else body).split()).rstrip("=")
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise UnusableFile("its base64 is invalid") from None
