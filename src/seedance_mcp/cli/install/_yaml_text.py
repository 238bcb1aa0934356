"""Changes one place of a YAML text, in block or flow style."""

import re
from typing import Any

from ._places import Json, Keys, Undo, name_of, names_of, nested, refuse, restored, same
from ._yaml_layout import flow, layout_in, line_end, line_end_after, line_start
from ._yaml_nodes import Member, colon_end, compose, is_empty, is_mapping, members, plain, shared

_COMMENT_LINE = re.compile(r"( *)#[^\r\n]*(?:\r\n|\r|\n|$)")
_EMPTY = re.compile(r"[ \t]*(?:\{[ \t]*\}|~|null|Null|NULL)")
_COMMA = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*+,")


def load(text: str, keys: Keys = ()) -> Json | None:
    """Return all that a text holds, None if it holds nothing.

    Raises:
        UneditableFile: It cannot be parsed, has several documents, or two members on the way have
            the same key.
    """
    top = compose(text)
    _path(text, top, names_of(keys))
    return None if top is None else plain(top)


def put(text: str, keys: Keys, value: Json) -> tuple[str, Undo]:
    """Return a text with a value at a place, and how to take it out again.

    Raises:
        UneditableFile: It cannot be parsed, or has something else where a mapping should be.
    """
    names = names_of(keys)
    top = compose(text)
    made = tuple(names[:n] for n in range(len(names)))
    if top is None:
        member = layout_in(text, [], []).block(names[0], nested(names[1:], value))
        return _with_lines(text, len(text), member), Undo(made=made, filler=text)
    path = _path(text, top, names)
    known = len(path)
    nodes = [top, *(member.node for member in path)]
    for node in nodes[: len(names)]:
        if shared(node, top):
            refuse(text, node.start_mark.index, "what is here is also used elsewhere, by an alias")
    if known == len(names):
        return _replaced(text, nodes[-2], path, value)
    member = (names[known], nested(names[known + 1 :], value))
    if opened := _opened(text, nodes, path, member):
        changed, filler = opened
    elif is_mapping(nodes[-1]):
        changed, filler = _appended(text, nodes[-1], path, member)
    else:
        refuse(text, nodes[-1].start_mark.index, f"{name_of(names[:known])} should be a mapping")
    return changed, Undo(made=made[known + 1 :], filler=filler)


def take(text: str, keys: Keys, undo: Undo) -> str:
    """Return a text without the value at a place, and without what was made for it.

    Raises:
        UneditableFile: It cannot be parsed.
    """
    names = names_of(keys)
    top = compose(text)
    if top is None:
        return text
    path = _path(text, top, names)
    if len(path) == len(names) and undo.replaced is not None:
        return text[: path[-1].start] + undo.replaced + text[path[-1].end :]
    gone = min(len(names), len(path) + 1)
    while gone > 1 and names[: gone - 1] in undo.made and _has_only(text, path, gone):
        gone -= 1
    if gone > len(path):
        return text
    node, member = path[gone - 2].node if gone > 1 else top, path[gone - 1]
    inside = list(members(text, node))
    index = next(n for n, each in enumerate(inside) if each.start == member.start)
    if node.flow_style:
        return _without_flow(text, node, inside, index, undo)
    text = _without_lines(text, member)
    if gone == 1:
        return restored(text, undo) if () in undo.made else text
    colon = colon_end(text, path[gone - 2].colon)
    beside = undo.filler if undo.filler and len(inside) == 1 else ""
    return text[:colon] + beside + text[colon:]


def _path(text: str, top: Any, names: tuple[str, ...]) -> list[Member]:
    """Return the members that keys lead to, as far as there are any.

    Raises:
        UneditableFile: Two members of one mapping have the same key.
    """
    path: list[Member] = []
    node = top
    for name in names:
        inside = members(text, node) if node is not None and is_mapping(node) else ()
        found = [member for member in inside if member.key == name]
        if len(found) > 1:
            refuse(text, found[1].start, f"{name_of((name,))} is there twice")
        if not found:
            break
        path.append(found[0])
        node = found[0].node
    return path


def _replaced(text: str, outer: Any, path: list[Member], value: Json) -> tuple[str, Undo]:
    """Return a text with a value in place of the last member of a path."""
    member = path[-1]
    old = text[member.start : member.end].rstrip(" \t\r\n")
    if same(plain(member.node), value):
        return text, Undo(replaced=old)
    key = member.key or ""
    if outer.flow_style:
        new = flow(key, value, quoted=text[member.start] == '"')
    else:
        inside = list(members(text, outer))
        new = layout_in(text, path[:-1], inside).block(key, value).lstrip(" ")
    after = text[member.start + len(old) :]
    return text[: member.start] + new + after, Undo(replaced=old)


def _opened(
    text: str, nodes: list[Any], path: list[Member], member: tuple[str, Json]
) -> tuple[str, str] | None:
    """Return a text with a first member below a key, and what was beside that key.

    None if there is more than nothing, null or {}, or something else than a key.
    """
    if not path or nodes[-2].flow_style:
        return None
    start, end = colon_end(text, path[-1].colon), path[-1].end
    filler = text[start:end]
    if not (filler == "" or _EMPTY.fullmatch(filler)):
        return None
    lines = layout_in(text, path, []).block(*member)
    text = text[:start] + text[end:]
    return _with_lines(text, line_end_after(text, start), lines), filler


def _appended(
    text: str, node: Any, path: list[Member], member: tuple[str, Json]
) -> tuple[str, str | None]:
    """Return a text with another member in a mapping, and what was in it if it was empty."""
    inside = list(members(text, node))
    if node.flow_style:
        quoted = bool(inside) and text[inside[0].start] == '"'
        return _with_flow(text, node, inside, flow(*member, quoted=quoted))
    layout = layout_in(text, path, inside)
    place = _comments_end(text, line_end_after(text, inside[-1].end), layout.indent)
    return _with_lines(text, place, layout.block(*member)), None


def _with_lines(text: str, place: int, lines: str) -> str:
    """Return a text with more lines at the end of a line; its last one ends as it did."""
    end = line_end(text)
    if place == len(text) and text and text[-1] not in "\r\n":
        return text + end + lines
    return text[:place] + lines + end + text[place:]


def _comments_end(text: str, place: int, column: int) -> int:
    """Return where the comments end that are indented like the members before them."""
    while (match := _COMMENT_LINE.match(text, place)) and len(match.group(1)) >= column:
        place = match.end()
    return place


def _with_flow(text: str, node: Any, inside: list[Member], member: str) -> tuple[str, str | None]:
    """Return a text with another member in braces, and what was in them if they were empty."""
    if not inside:
        start, end = text.index("{", node.start_mark.index) + 1, node.end_mark.index - 1
        filler = text[start:end]
        return text[:start] + member + (filler if filler.strip() else "") + text[end:], filler
    end = inside[-1].end
    if comma := _COMMA.match(text, end):
        return f"{text[: comma.end()]} {member},{text[comma.end() :]}", None
    return f"{text[:end]}, {member}{text[end:]}", None


def _has_only(text: str, path: list[Member], gone: int) -> bool:
    """Return whether a container has nothing, or only what is taken out, and no comment."""
    outer = path[gone - 2]
    inside = list(members(text, outer.node)) if is_mapping(outer.node) else []
    if gone > len(path):
        return not inside and (is_mapping(outer.node) or is_empty(outer.node))
    before = text[outer.end if not inside else outer.start : path[gone - 1].start]
    return len(inside) == 1 and "#" not in before


def _without_lines(text: str, member: Member) -> str:
    """Return a text without the lines of a member.

    Raises:
        UneditableFile: Something else is before it on its line.
    """
    start, end = line_start(text, member.start), line_end_after(text, member.end)
    if text[start : member.start].strip(" "):
        refuse(text, member.start, "it is not on a line of its own")
    before = text[:start]
    if end == len(text) and text[-1] not in "\r\n":
        before = before.removesuffix("\n").removesuffix("\r")
    return before + text[end:]


def _without_flow(text: str, node: Any, inside: list[Member], index: int, undo: Undo) -> str:
    """Return a text without one of the members in braces."""
    member = inside[index]
    if index + 1 < len(inside):
        return text[: member.start] + text[inside[index + 1].start :]
    comma = _COMMA.match(text, member.end)
    if index == 0:
        start, end = text.index("{", node.start_mark.index) + 1, node.end_mark.index - 1
        after = text[comma.end() if comma else member.end : end]
        return text[:start] + restored(text[start : member.start] + after, undo) + text[end:]
    if comma and (before := _COMMA.match(text, inside[index - 1].end)):
        return text[: before.end()] + text[comma.end() :]
    return text[: inside[index - 1].end] + text[member.end :]
