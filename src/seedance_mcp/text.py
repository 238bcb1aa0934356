"""Text from outside, made safe to show."""

import re

_SURROGATES = re.compile("[\ud800-\udfff]")
_QUOTES = str.maketrans(dict.fromkeys('"“”„«»', "'"))


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
