"""Finds where the parts of a TOML text are, which has been parsed by `tomllib` before."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

BLANK = " \t\r\n"

# Two quotes before the closing three belong to what is in them.
_LONG = r'"""(?s:[^\\]|\\.)*?"""(?:"{0,2})|' + r"'''(?s:.)*?'''(?:'{0,2})"
_SHORT = r'"(?:[^"\\\n]|\\.)*+"|' + r"'[^'\n]*+'"
_STRING = f"{_LONG}|{_SHORT}"
_TOKEN = re.compile(
    rf"(?P<comment>#[^\n]*+)|(?P<space>[ \t\r\n]++)|(?P<string>{_STRING})"
    r"|(?P<mark>[\[\]{},=.])|(?P<bare>[^\s\[\]{},=.#\"']++)"
)
_KEY_PART = re.compile(rf"[ \t]*+({_STRING}|[A-Za-z0-9_-]++)[ \t]*+")
_BLANK = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The header of a table, or a key and its value.

    Attributes:
        start: Where its first line begins.
        end: Where its last line ends, the line end included.
        table: The table that it is in; a header is in none.
        keys: What it defines, from the top.
        value: From where to where its value goes, None for a header.
    """

    start: int
    end: int
    table: tuple[str, ...]
    keys: tuple[str, ...]
    value: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A key and its value in an inline table, and the comma after it, if there is one."""

    start: int
    keys: tuple[str, ...]
    value: tuple[int, int]
    comma: int | None


def statements(text: str) -> Iterator[Statement]:
    """Yield the statements of a text."""
    table: tuple[str, ...] = ()
    position = _blank_end(text, 0)
    while position < len(text):
        start = text.rfind("\n", 0, position) + 1
        if text[position] == "[":
            brackets = 2 if text.startswith("[[", position) else 1
            table, position = _keys(text, position + brackets)
            end = _line_end(text, position + brackets)
            yield Statement(start=start, end=end, table=(), keys=table, value=None)
        else:
            keys, position = _keys(text, position)
            value = _value(text, position + 1)
            end = _line_end(text, value[1])
            yield Statement(start=start, end=end, table=table, keys=table + keys, value=value)
        position = _blank_end(text, end)


def pairs(text: str, start: int) -> Iterator[Pair]:
    """Yield what is in an inline table, which begins with a brace."""
    position = _blank_end(text, start + 1)
    while text[position] != "}":
        keys, equals = _keys(text, position)
        value = _value(text, equals + 1)
        end = _blank_end(text, value[1])
        comma = end if text[end] == "," else None
        yield Pair(start=position, keys=keys, value=value, comma=comma)
        position = end if comma is None else _blank_end(text, comma + 1)


def line_end(text: str) -> str:
    """Return how the first line of a text ends."""
    end = text.find("\n")
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"


def _keys(text: str, position: int) -> tuple[tuple[str, ...], int]:
    """Return the keys, with dots between them, at a position, and where they end."""
    keys: list[str] = []
    while match := _KEY_PART.match(text, position):
        part, position = match.group(1), match.end()
        keys.append(tomllib.loads(f"key = {part}")["key"] if part[0] in "\"'" else part)
        if text[position] != ".":
            break
        position += 1
    return tuple(keys), position


def _value(text: str, position: int) -> tuple[int, int]:
    """Return where a value begins and ends that comes next."""
    start = end = position = _blank_end(text, position)
    depth = 0
    while match := _TOKEN.match(text, position):
        kind, token = match.lastgroup, match.group()
        if depth == 0 and _ends_value(kind or "", token):
            break
        depth += (token in {"[", "{"}) - (token in {"]", "}"})
        position = match.end()
        end = end if kind == "space" else position
    return start, end


def _ends_value(kind: str, token: str) -> bool:
    """Return whether a token after a value is no part of it; a date and a time have a space."""
    return kind == "comment" or token in {",", "}", "]"} or (kind == "space" and "\n" in token)


def _blank_end(text: str, position: int) -> int:
    """Return where something else than spaces, line ends and comments begins."""
    match = _BLANK.match(text, position)
    return match.end() if match else position


def _line_end(text: str, position: int) -> int:
    """Return where the line of a position ends, the line end included."""
    return text.find("\n", position) + 1 or len(text)
