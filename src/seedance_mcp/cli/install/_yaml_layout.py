"""Writes values as YAML, with the indentation of the text around them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ._places import Json
from ._yaml_nodes import Member, is_mapping, members

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9/_.-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_LINE_END = re.compile(r"\r\n|\r|\n")
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How lines are written.

    Attributes:
        indent: How many spaces a member begins with.
        unit: How many more each level has.
        line_end: How a line ends.
    """

    indent: int
    unit: int
    line_end: str

    def block(self, key: str, value: Json) -> str:
        """Return a member in block style, without the last line end."""
        return self.line_end.join(self._lines(key, value, self.indent))

    def _lines(self, key: str, value: Json, indent: int) -> Iterator[str]:
        head = " " * indent + scalar(key) + ":"
        if not isinstance(value, Mapping) or not value:
            yield f"{head} {scalar(value)}"
            return
        yield head
        for name, each in value.items():
            yield from self._lines(name, each, indent + self.unit)


def layout_in(text: str, path: Sequence[Member], inside: Sequence[Member]) -> Layout:
    """Return the layout of the members of a mapping that a path leads to."""
    outer = path[-1].column if path else None
    units = [unit for member in inside if (unit := _unit(text, member)) > 0]
    if inside:
        indent = inside[-1].column
        step = indent - outer if outer is not None else 0
        unit = units[0] if units else step if step > 0 else 2
    else:
        unit = 2
        indent = 0 if outer is None else outer + unit
    return Layout(indent=indent, unit=unit, line_end=line_end(text))


def flow(key: str, value: Json, *, quoted: bool) -> str:
    """Return a member in flow style."""
    return f"{_flow(key) if quoted else scalar(key)}: {_flow(value)}"


def scalar(value: Json) -> str:
    """Return a value on one line, without quotes if it can only be read as that text."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return _flow(value)


def line_end(text: str) -> str:
    """Return how the first line of a text ends."""
    match = _LINE_END.search(text)
    return match.group() if match else "\n"


def line_end_after(text: str, position: int) -> int:
    """Return where the line of a position ends, the line end included."""
    match = _LINE_END.search(text, position)
    return match.end() if match else len(text)


def line_start(text: str, position: int) -> int:
    """Return where the line of a position begins."""
    return max(text.rfind("\n", 0, position), text.rfind("\r", 0, position)) + 1


def _flow(value: Json) -> str:
    """Return a value as JSON, which is YAML, too, if what ends a line in YAML is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _unit(text: str, member: Member) -> int:
    """Return how much more the members of a member are indented."""
    if not is_mapping(member.node) or member.node.flow_style:
        return 0
    return next(members(text, member.node)).column - member.column
