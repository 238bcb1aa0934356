"""What a caller's value for a file means: a URL, data, a path, or base64 by mistake.

People and models write paths as a shell, a file manager or a chat shows them.
"""

import base64
import binascii
import os
import re

# Besides white space: marks that copying from Windows or a web page leaves at the ends.
_BLANK = (
    " \t\n\r\v\f\u0085\u00a0\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202f\u205f\u2060\u3000\ufeff"
)
_QUOTES = frozenset({'""', "''", "``", "“”", "\u2018\u2019", "„“", "«»"})
_ESCAPED = re.compile(r"\\([^\w\\/])")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):(//)?", re.IGNORECASE | re.ASCII)
_KNOWN = frozenset({"http", "https", "file", "data"})

_BASE64_HEAD = re.compile(r"(?:image/[a-z0-9.+-]{1,20};)?base64,", re.IGNORECASE | re.ASCII)
_BASE64 = re.compile(r"[a-z0-9+/_=\s-]+", re.IGNORECASE | re.ASCII)
_MIN_BASE64_CHARACTERS = 64
_MOST_MATCHED_CHARACTERS = 4096
_MAX_PATH_CHARACTERS = 4096
_MEDIA_TYPES = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG": "image/png",
    b"RIFF": "image/webp",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
}


def trimmed(value: str) -> str:
    """Return a value without the white space and the quotes around it."""
    text = value.strip(_BLANK)
    if text[:1] + text[-1:] in _QUOTES and len(text) > 2:
        text = text[1:-1].strip(_BLANK)
    return text


def path_spellings(value: str) -> tuple[str, ...]:
    """Return how a path may be meant: as it is written, then without what stands around it."""
    text = trimmed(value)
    # On Windows, backslashes separate folders.
    unescaped = text if os.sep == "\\" else _ESCAPED.sub(r"\1", text)
    return tuple(name for name in dict.fromkeys((value, text, unescaped)) if name)


def scheme(value: str) -> str:
    """Return the scheme that a value begins with, in lower case, "" for a path."""
    found = _SCHEME.match(value)
    # A file's name may have a colon in it: shot10:30.jpg.
    return found[1].lower() if found and (found[2] or found[1].lower() in _KNOWN) else ""


def is_local(value: str) -> bool:
    """Return whether a value means an image of this machine: a path, file: or data:."""
    return scheme(value) in {"", "file", "data"}


def without_blanks(value: str) -> str:
    """Return a URL or data: URI without what stands around it; others as they are."""
    text = trimmed(value)
    return value if scheme(text) in {"", "file"} else text


def base64_type(value: str) -> str | None:
    """Return the media type of an image whose base64 a value is, without `data:`; else None."""
    text = trimmed(value)
    head = _BASE64_HEAD.match(text)
    at = head.end() if head else 0
    body = text[at : at + _MOST_MATCHED_CHARACTERS]
    if not _BASE64.fullmatch(body) or len(body) < _MIN_BASE64_CHARACTERS:
        return None
    letters = "".join(body.split()).replace("-", "+").replace("_", "/")[:48]
    try:
        start = base64.b64decode(letters, validate=True)
    except (binascii.Error, ValueError):
        return None
    known = (name for magic, name in _MEDIA_TYPES.items() if start.startswith(magic))
    # No path is that long.
    unknown = "image/jpeg" if head or len(value) > _MAX_PATH_CHARACTERS else None
    return next(known, unknown)
