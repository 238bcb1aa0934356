"""Text from outside, made safe to show."""

import re
from unicodedata import normalize

_SURROGATES = re.compile("[\ud800-\udfff]")
_QUOTES = str.maketrans(dict.fromkeys('"“”„«»', "'"))

_TYPOGRAPHIC = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
    | dict.fromkeys("\u1680\u2028\u2029", " ")
)
# Marks of direction, zero-width spaces and joiners, soft hyphens, and how an emoji is drawn.
_UNSEEN = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe0e\ufe0f\ufeff]"
)


def one_line(text: str, limit: int = 60) -> str:
    """Return a text as one printable line of at most `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def valid(text: str) -> str:
    """Return a text that can be sent: without halves of surrogate pairs.

    A path that is not UTF-8 has one for each byte that cannot be decoded.
    """
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def quoted(text: str, limit: int = 60) -> str:
    """Return a text as one line between quotes, so that it cannot be read as our own words."""
    return f'"{one_line(text, limit).translate(_QUOTES)}"'


def plain_spelling(text: str) -> str:
    """Return a text in one spelling, with typographic spaces, quotes and dashes as ASCII has them.

    Texts that are equal in it look alike, and are easily typed or copied for each other.
    """
    if text.isascii():
        return text
    return normalize("NFKC", _UNSEEN.sub("", text).translate(_TYPOGRAPHIC)).translate(_TYPOGRAPHIC)
