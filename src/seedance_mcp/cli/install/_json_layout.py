"""How a JSON file is laid out, so that what is added looks like the rest of it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ._json_parser import SPACE, Node
from ._places import Json

_LINE_END = re.compile(r"\r\n|\r|\n")
_COLON = re.compile(r"[ \t]*:[ \t]*")
_INDENT = re.compile(r"[ \t]*")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a value is written at a place.

    Attributes:
        line_end: None if all of it goes on one line.
        indent: What a line begins with.
        unit: By how much more each level is indented.
        comma: What separates values on one line.
        colon: What separates a key from its value.
    """

    line_end: str | None
    indent: str
    unit: str
    comma: str
    colon: str

    def lead(self) -> str:
        """Return what is between a comma and what comes after it: a new line or a space."""
        return self.comma[1:] if self.line_end is None else self.line_end + self.indent

    def render(self, value: Json) -> str:
        """Return a value as text."""
        if self.line_end is None:
            return json.dumps(value, ensure_ascii=False, separators=(self.comma, self.colon))
        # Line ends inside of strings are escaped.
        lines = json.dumps(
            value, ensure_ascii=False, indent=self.unit, separators=(",", self.colon)
        ).split("\n")
        return (self.line_end + self.indent).join(lines)


def layout_in(text: str, path: Sequence[Node]) -> Layout:
    """Return the layout of what is in the last node of a path that begins at the top."""
    top, container = path[0], path[-1]
    children = container.children
    unit = next(filter(None, (_unit(text, node) for node in reversed(path))), "  ")
    spaced = '": ' in text or not top.children
    colon, comma = (": ", ", ") if spaced else (":", ",")
    if not children:
        several_lines = not top.children or bool(_LINE_END.search(text, top.start, top.end))
        indent = indent_at(text, container.start) + unit
    else:
        gap = _gap(text, children[-1].start)
        several_lines = bool(_LINE_END.search(gap))
        indent = indent_at(text, children[-1].start)
        comma = "," + gap if len(children) > 1 else comma
        colon = next((c.colon for c in children if _COLON.fullmatch(c.colon)), colon)
    return Layout(
        line_end=_line_end_near(text, container.start) if several_lines else None,
        indent=indent,
        unit=unit,
        comma=comma if several_lines or comma.isprintable() else ",",
        colon=colon,
    )


def layout_for(text: str, path: Sequence[Node]) -> Layout:
    """Return the layout of what takes the place of the last node of a path."""
    node = path[-1]
    layout = layout_in(text, path[:-1])
    several_lines = layout.line_end or _LINE_END.search(text, node.start, node.end)
    return replace(
        layout,
        line_end=_line_end_near(text, node.start) if several_lines else None,
        indent=indent_at(text, node.start),
    )


def layout_of_new(text: str) -> Layout:
    """Return the layout of a file that has only spaces and comments."""
    end = _line_end_near(text, 0)
    return Layout(line_end=end, indent="", unit="  ", comma=", ", colon=": ")


def indent_at(text: str, position: int) -> str:
    """Return the spaces that the line of a position begins with."""
    start = max(text.rfind("\n", 0, position), text.rfind("\r", 0, position)) + 1
    match = _INDENT.match(text, start, position)
    return match.group() if match else ""


def _gap(text: str, position: int) -> str:
    """Return the spaces before a position."""
    return text[len(text[:position].rstrip(SPACE)) : position]


def _line_end_near(text: str, start: int) -> str:
    """Return the first line end after a position, else the first of all."""
    match = _LINE_END.search(text, start) or _LINE_END.search(text)
    return match.group() if match else "\n"


def _unit(text: str, node: Node) -> str:
    """Return by how much the children of a node are indented more than itself."""
    if not node.children or not _LINE_END.search(_gap(text, node.children[0].start)):
        return ""
    outer, inner = indent_at(text, node.start), indent_at(text, node.children[0].start)
    return inner.removeprefix(outer) if inner.startswith(outer) else ""
