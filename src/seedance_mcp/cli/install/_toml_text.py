"""Changes one place of a TOML text: a table of its own, or a value in the table that has it."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from seedance_mcp.text import one_line

from ._places import Json, Keys, Undo, UneditableFile, child, name_of, names_of, same
from ._toml_inline import put_inline, take_inline
from ._toml_scanner import BLANK, Statement, line_end, statements
from ._toml_values import toml_key, toml_value

_MOST_CHARACTERS = 1_000_000
"""How long a text may be; Codex's own has a few thousand characters."""

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def load(text: str, keys: Keys = ()) -> Json:
    """Return all that a text holds; TOML forbids to define anything twice.

    Raises:
        UneditableFile: It cannot be parsed, or keys name an element of an array.
    """
    names_of(keys)
    if len(text) > _MOST_CHARACTERS:
        raise UneditableFile(f"it has more than {_MOST_CHARACTERS:,} characters")
    try:
        loaded: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise UneditableFile("it is nested too deep") from None
    except tomllib.TOMLDecodeError as error:
        problem = str(error)
        if at := _AT.search(problem):
            where = f"line {at[1]}, column {at[2]}" if at[1] else "at its end"
            problem = f"{where}: {problem[: at.start()].lower()}"
        raise UneditableFile(one_line(problem, 200)) from None
    except ValueError:
        raise UneditableFile("it has a number of thousands of digits") from None
    return loaded


def put(text: str, keys: Keys, value: Json) -> tuple[str, Undo]:
    """Return a text with a value at a place, and how to take it out again.

    Raises:
        UneditableFile: It cannot be parsed, or has something else where a table should be.
    """
    names = names_of(keys)
    if not isinstance(value, Mapping):
        raise UneditableFile(f"{name_of(keys)} can only be a table")
    there = load(text)
    for n, name in enumerate(names):
        if not isinstance(there, Mapping):
            raise UneditableFile(f"{name_of(names[:n])} should be a table")
        there = child(there, name)
        if there is None:
            break
    found = list(statements(text))
    if outer := next((s for s in found if _is_inline(text, s, names)), None):
        return put_inline(text, outer, names, value)
    blocks = _blocks(found, names)
    if not blocks:
        return _append(text, names, value)
    if len(blocks) > 1 and any(block[0].value for block in blocks):
        # Side by side, a line without a header would come back in another table.
        raise UneditableFile(f"{name_of(keys)} is written in several ways")
    old = "".join(text[block[0].start : block[-1].end] for block in blocks)
    if same(there, value):
        return text, Undo(replaced=old)
    return _exchange(text, blocks, _written(text, blocks, names, value)), Undo(replaced=old)


def take(text: str, keys: Keys, undo: Undo) -> str:
    """Return a text without the value at a place, and without what was made for it.

    Raises:
        UneditableFile: It cannot be parsed.
    """
    names = names_of(keys)
    loaded = load(text)
    found = list(statements(text))
    if outer := next((s for s in found if _is_inline(text, s, names)), None):
        return take_inline(text, outer, names, undo, loaded)
    blocks = _blocks(found, names)
    if not blocks:
        return text
    if undo.replaced is not None:
        return _exchange(text, blocks, undo.replaced)
    for block in reversed(blocks):
        before, after = text[: block[0].start], text[block[-1].end :]
        if block[0].value is None:
            before, after = _closed(before, after, undo)
        text = before + after
    return text


def _is_inline(text: str, statement: Statement, names: tuple[str, ...]) -> bool:
    """Return whether a statement is an inline table that a place is in."""
    n = len(statement.keys)
    value = statement.value
    inside = n < len(names) and statement.keys == names[:n]
    return inside and value is not None and text[value[0]] == "{"


def _blocks(found: Sequence[Statement], names: tuple[str, ...]) -> list[list[Statement]]:
    """Return the statements that make up a place: several blocks if others are in between."""
    blocks: list[list[Statement]] = []
    adjacent = False
    for statement in found:
        ours = statement.keys[: len(names)] == names
        if ours and adjacent:
            blocks[-1].append(statement)
        elif ours:
            blocks.append([statement])
        adjacent = ours
    return blocks


def _append(text: str, names: tuple[str, ...], value: Mapping[str, Json]) -> tuple[str, Undo]:
    """Return a text with another table at its end, which ends as the text did."""
    end = line_end(text)
    body = text.rstrip(BLANK)
    tail = text[len(body) :]
    lead = "" if not text or text[-1] == "\n" else end
    if body and tail.count("\n") < 2:
        lead += end
    table = _table("", names, value, end)
    return text + lead + (table.removesuffix(end) if text and text[-1] != "\n" else table), Undo(
        filler=tail
    )


def _table(indent: str, names: tuple[str, ...], value: Mapping[str, Json], end: str) -> str:
    """Return a table as it is written."""
    header = f"[{'.'.join(map(toml_key, names))}]"
    lines = [header, *(f"{toml_key(key)} = {toml_value(each)}" for key, each in value.items())]
    return "".join(indent + line + end for line in lines)


def _written(
    text: str, blocks: list[list[Statement]], names: tuple[str, ...], value: Mapping[str, Json]
) -> str:
    """Return what is written in the place of blocks, in the way that the first one is."""
    first = blocks[0][0]
    line = text[first.start : first.end]
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    if first.value is None:
        return _table(indent, names, value, line_end(text))
    keys = ".".join(map(toml_key, names[len(first.table) :]))
    return f"{indent}{keys} = {toml_value(value)}{line_end(text)}"


def _exchange(text: str, blocks: list[list[Statement]], new: str) -> str:
    """Return a text with something else in place of the first block, and without the others."""
    for block in reversed(blocks[1:]):
        text = text[: block[0].start] + text[block[-1].end :]
    before, after = text[: blocks[0][0].start], text[blocks[0][-1].end :]
    ends = after or text[blocks[0][-1].end - 1] == "\n"
    if not ends:
        new = new.rstrip("\r\n")
    elif not new.endswith("\n"):
        new += line_end(text)
    return before + new + after


def _closed(before: str, after: str, undo: Undo) -> tuple[str, str]:
    """Return what is before and after a table that is taken out, without its blank line."""
    body = before.rstrip(BLANK)
    tail = before[len(body) :]
    if after:
        blank = after.startswith(("\n", "\r\n")) and tail.count("\n") != 1
        return before, after.split("\n", 1)[1] if blank else after
    if undo.filler is not None and tail.startswith(undo.filler):
        return body + undo.filler, ""
    return body + tail[: tail.find("\n") + 1], ""
