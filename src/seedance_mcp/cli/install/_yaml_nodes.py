"""Parses YAML into what it holds and where that is; nothing is ever written by the library."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from seedance_mcp.text import one_line

from ._places import Json, UneditableFile, refuse

_MOST_CHARACTERS = 1_000_000
"""How long a text may be; Goose's own has a few thousand characters, and parsing is slow."""

_ALIAS = re.compile(r"[^*]*+\*[^\s,\[\]{}]++")
_LAST_LINE_END = re.compile(r"(?:\r\n|\r|\n)?\Z")
_ODD_LINE_END = re.compile("[\x85\u2028\u2029]")
_COLON = re.compile(r"[ \t]*+:")

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{,99})")

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member of a mapping.

    Attributes:
        key: Its key, None if that is no text.
        start: Where its key begins.
        colon: Where its key ends.
        column: How far its key is indented.
        end: Where its value ends, without a comment or a line end.
        node: What the library says of its value.
    """

    key: str | None
    start: int
    colon: int
    column: int
    end: int
    node: Any


def compose(text: str) -> Any:
    """Return the node at the top of a text, None if it has only comments.

    Raises:
        UneditableFile: It cannot be parsed, or has several documents.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(text) > _MOST_CHARACTERS:
        raise UneditableFile(f"it has more than {_MOST_CHARACTERS:,} characters")
    if odd := _ODD_LINE_END.search(text):
        refuse(text, odd.start(), "it has a character that only some take for a line end")
    parser: Any = YAML(typ="safe", pure=True)
    try:
        with warnings.catch_warnings(action="ignore"):  # that an anchor is defined again
            top = parser.compose(text)
    except MarkedYAMLError as marked:
        error: Any = marked
        mark = error.problem_mark or error.context_mark
        refuse(text, mark.index, one_line(str(error.problem or error.context), 200))
    except YAMLError as unmarked:
        raise UneditableFile(one_line(str(unmarked).partition("\n")[0], 200)) from None
    except RecursionError:
        raise UneditableFile("it is nested too deep") from None
    return None if top is not None and is_empty(top) else top


def plain(node: Any) -> Json:
    """Return what a node holds; what is not plain JSON is a text that says what it is.

    What an anchor stands for is written out at its first place only.
    """
    return _plain(node, {})


def members(text: str, node: Any) -> Iterator[Member]:
    """Yield the members of a mapping."""
    for key, value in node.value:
        is_text = _kind(key) == "scalar" and key.tag == f"{_TAG}str"
        yield Member(
            key=key.value if is_text else None,
            start=key.start_mark.index,
            colon=key.end_mark.index,
            column=key.start_mark.column,
            end=_end(text, value, key.end_mark.index),
            node=value,
        )


def is_mapping(node: Any) -> bool:
    """Return whether a node is a mapping."""
    return _kind(node) == "mapping"


def is_empty(node: Any) -> bool:
    """Return whether a node is a null of which nothing is written."""
    return _kind(node) == "scalar" and node.value == "" and not node.style and _is_null(node)


def shared(node: Any, top: Any) -> bool:
    """Return whether a node has an anchor, and is used in more than one place."""
    return bool(node.anchor) and _uses(top, node, set()) > 1


def colon_end(text: str, position: int) -> int:
    """Return where the colon after a key ends, the position itself if none comes next."""
    colon = _COLON.match(text, position)
    return colon.end() if colon else position


def _kind(node: Any) -> str:
    """Return `scalar`, `sequence` or `mapping`."""
    return node.id


def _is_null(node: Any) -> bool:
    return node.tag == f"{_TAG}null"


def _end(text: str, node: Any, earliest: int) -> int:
    """Return where a value ends that comes after a position."""
    start, end = node.start_mark.index, node.end_mark.index
    if start < earliest:  # an alias, whose node is where its anchor is
        alias = _ALIAS.match(text, earliest)
        return alias.end() if alias else earliest
    if is_empty(node) and start == end:
        return colon_end(text, earliest)
    if _kind(node) == "scalar" and node.style in {"|", ">"}:  # blank lines may be a part of it
        last = _LAST_LINE_END.search(text, start, end)
        return last.start() if last else end
    if _kind(node) == "scalar" or node.flow_style:
        return start + len(text[start:end].rstrip(" \t\r\n"))
    earliest = start
    for key, value in _pairs(node):
        if key is None and is_empty(value):
            earliest = max(earliest, value.end_mark.index)  # behind its dash
        else:
            earliest = _end(text, value, key.end_mark.index if key else earliest)
    return earliest


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    """Return the keys and values of a mapping, or None and each element of a sequence."""
    return node.value if _kind(node) == "mapping" else [(None, each) for each in node.value]


def _uses(node: Any, wanted: Any, seen: set[int]) -> int:
    """Return how often a node is found below another one."""
    found = int(node is wanted)
    if id(node) in seen or _kind(node) == "scalar":
        return found
    seen.add(id(node))
    parts = [part for pair in _pairs(node) for part in pair if part is not None]
    return found + sum(_uses(part, wanted, seen) for part in parts)


def _plain(node: Any, anchors: dict[int, str]) -> Json:
    if id(node) in anchors:
        return anchors[id(node)]
    if node.anchor:
        anchors[id(node)] = f"*{len(anchors)}"
    if _kind(node) == "mapping":
        return {_key(key, anchors): _plain(value, anchors) for key, value in node.value}
    if _kind(node) == "sequence":
        return [_plain(each, anchors) for each in node.value]
    return _scalar(node.tag.removeprefix(_TAG), node.value)


def _key(node: Any, anchors: dict[int, str]) -> str:
    """Return a key as text, marked if it is no text."""
    value = _plain(node, anchors)
    return value if isinstance(value, str) else f"\0{value!r}"


def _scalar(kind: str, text: str) -> Json:
    """Return a value that JSON has, else a text that says what it is."""
    match kind:
        case "str":
            return text
        case "null":
            return None
        case "bool" if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        case "int" if _INTEGER.fullmatch(text):
            return int(text)
        case _:
            return f"\0{kind} {text}"
