"""Parses JSON with comments and trailing commas, and says where each part of it is."""

import json
import re
from dataclasses import dataclass, field

from ._places import MOST_LEVELS, Json, refuse

SPACE = " \t\r\n"
COMMENT = r"(?://[^\r\n]*+|/\*(?s:.*?)\*/)"

_SKIPPED = re.compile(rf"(?:[{SPACE}]++|{COMMENT})*+")
_ESCAPE = r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
_PLAIN = r'[^"\\\x00-\x1f]*+'
_STRING = re.compile(rf'"{_PLAIN}(?:{_ESCAPE}{_PLAIN})*+"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![\w.+-])")
_WORD = re.compile(r"(?:true|false|null)(?!\w)")

_MOST_DIGITS = 400
"""Longer numbers are infinite to every client, and too slow to compute with."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A value, from `start` up to `end`.

    Attributes:
        kind: `{` is an object, `[` an array, anything else another value.
    """

    start: int
    end: int
    kind: str
    value: Json = None
    children: "list[Child]" = field(default_factory=list["Child"])


@dataclass(frozen=True, kw_only=True)
class Child:
    """A member of an object or an element of an array.

    Attributes:
        start: Where its key begins, or the element.
        colon: What is between its key and its value.
        comma: Where the comma after it is.
    """

    start: int
    key: str | None
    colon: str
    node: Node
    comma: int | None


def parse(text: str) -> Node | None:
    """Return the value that a text is, None if it has only spaces and comments.

    Raises:
        UneditableFile: It is no JSON, even with comments and trailing commas.
    """
    start = _skip(text, 0)
    if start == len(text):
        return None
    node = _value(text, start, 0)
    end = _skip(text, node.end)
    if end < len(text):
        refuse(text, end, "the file should end here")
    return node


def plain(node: Node) -> Json:
    """Return the value of a node; of members with the same key, the last counts."""
    if node.kind == "{":
        return {child.key or "": plain(child.node) for child in node.children}
    if node.kind == "[":
        return [plain(child.node) for child in node.children]
    return node.value


def _skip(text: str, position: int) -> int:
    """Return where the next token is."""
    match = _SKIPPED.match(text, position)
    return match.end() if match else position


def _value(text: str, start: int, level: int) -> Node:
    """Return the value that begins at a position."""
    if level > MOST_LEVELS:
        refuse(text, start, "it is nested too deep")
    kind = text[start : start + 1]
    if kind in {"{", "["}:
        return _container(text, start, level)
    if match := _STRING.match(text, start) or _WORD.match(text, start):
        value = json.loads(match.group())
    elif match := _NUMBER.match(text, start):
        digits = match.group()
        value = json.loads(digits) if len(digits) <= _MOST_DIGITS else float(digits)
    else:
        refuse(text, start, "a value is missing" if kind in "}],:" else "this is not JSON")
    return Node(start=start, end=match.end(), kind=kind, value=value)


def _container(text: str, start: int, level: int) -> Node:
    """Return the object or array that begins at a position."""
    kind = text[start]
    closing = {"{": "}", "[": "]"}[kind]
    children: list[Child] = []
    position = _skip(text, start + 1)
    while not text.startswith(closing, position):
        if children and children[-1].comma is None:
            refuse(text, position, f"a comma or {closing} is missing")
        children.append(_child(text, position, kind, level))
        last = children[-1]
        position = _skip(text, last.node.end if last.comma is None else last.comma + 1)
    return Node(start=start, end=position + 1, kind=kind, children=children)


def _child(text: str, start: int, kind: str, level: int) -> Child:
    """Return the member or the element that begins at a position."""
    key, colon, position = None, "", start
    if kind == "{":
        match = _STRING.match(text, start)
        if match is None:
            refuse(text, start, "a key in double quotes or } is missing")
        key = json.loads(match.group())
        position = _skip(text, match.end())
        if not text.startswith(":", position):
            refuse(text, position, "a colon is missing")
        position = _skip(text, position + 1)
        colon = text[match.end() : position]
    node = _value(text, position, level + 1)
    comma = _skip(text, node.end)
    return Child(
        start=start,
        key=key,
        colon=colon,
        node=node,
        comma=comma if text.startswith(",", comma) else None,
    )
