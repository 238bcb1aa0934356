"""Changes one place of a JSON text, comments and trailing commas allowed."""

import re

from ._json_layout import Layout, indent_at, layout_for, layout_in, layout_of_new
from ._json_parser import COMMENT, SPACE, Child, Node, parse, plain
from ._places import Item, Json, Keys, Undo, is_item, name_of, nested, refuse, restored, same

_COMMENTS_ON_LINE = re.compile(rf"(?:[ \t]*+{COMMENT})*+")
_COMMENT = re.compile(COMMENT)
_LINE_ENDS_HERE = re.compile(r"[ \t]*+(?:[\r\n\]}]|$)")
_LINE_END = re.compile(r"[\r\n]")


def load(text: str, keys: Keys = ()) -> Json | None:
    """Return all that a text holds, None if it holds nothing.

    Raises:
        UneditableFile: It cannot be parsed, or two members on the way have the same key.
    """
    top = parse(text)
    if top is None:
        return None
    _path(text, top, keys)
    return plain(top)


def put(text: str, keys: Keys, value: Json) -> tuple[str, Undo]:
    """Return a text with a value at a place, and how to take it out again.

    Raises:
        UneditableFile: It cannot be parsed, or has something else where a container should be.
    """
    top = parse(text)
    if top is None:
        return _new(text, keys, value)
    path = _path(text, top, keys)
    known = len(path) - 1
    if known == len(keys):
        return _replaced(text, path, value)
    container = path[-1]
    if container.kind != ("{" if isinstance(keys[known], str) else "["):
        kind = "an object" if isinstance(keys[known], str) else "an array"
        refuse(text, container.start, f"{name_of(keys[:known])} should be {kind}")
    made = tuple(keys[:n] for n in range(known + 1, len(keys)))
    layout = layout_in(text, path)
    member = _member(layout, keys[known:], value)
    if container.children:
        return _append(text, container.children[-1], member, layout), Undo(made=made)
    start, end = container.start + 1, container.end - 1
    filled = _filled(text[start:end], member, layout, indent_at(text, container.start))
    return text[:start] + filled + text[end:], Undo(made=made, filler=text[start:end])


def take(text: str, keys: Keys, undo: Undo) -> str:
    """Return a text without the value at a place, and without what was made for it.

    Raises:
        UneditableFile: It cannot be parsed.
    """
    top = parse(text)
    if top is None:
        return text
    path = _path(text, top, keys)
    gone = len(keys)
    if gone < len(path) and undo.replaced is not None:
        return text[: path[-1].start] + undo.replaced + text[path[-1].end :]
    gone = min(gone, len(path))
    while gone > 0 and keys[: gone - 1] in undo.made and _has_only(text, path, gone):
        gone -= 1
    if gone == len(path):
        return text
    if gone == 0:
        return restored(text[: top.start] + text[top.end :], undo)
    container, node = path[gone - 1], path[gone]
    index = next(i for i, c in enumerate(container.children) if c.node is node)
    if len(container.children) > 1:
        return _without(text, container, index)
    before, after = _around(text, container, index)
    before, after = before[container.start + 1 :], after[: container.end - 1 - len(text)]
    inside = restored(before + after, undo)
    return text[: container.start + 1] + inside + text[container.end - 1 :]


def _new(text: str, keys: Keys, value: Json) -> tuple[str, Undo]:
    """Return a text that had only spaces and comments, with a value at a place."""
    layout = layout_of_new(text)
    before = layout.lead() if text and text[-1] not in "\r\n" else ""
    after = layout.lead()
    made = tuple(keys[:n] for n in range(len(keys)))
    new = layout.render(nested(keys, value))
    return text + before + new + after, Undo(made=made, filler=text)


def _path(text: str, top: Node, keys: Keys) -> list[Node]:
    """Return the nodes that keys lead to, from the top as far as there are any.

    Raises:
        UneditableFile: Two of the children of one have the same key.
    """
    path = [top]
    for key in keys:
        found = [c for c in path[-1].children if _is_called(c, key)]
        if len(found) > 1:
            refuse(text, found[1].start, f"{name_of((key,))} is there twice")
        if not found:
            break
        path.append(found[0].node)
    return path


def _is_called(child: Child, key: str | Item) -> bool:
    """Return whether a key leads to a child."""
    if isinstance(key, str):
        return child.key == key
    return child.key is None and is_item(plain(child.node), key)


def _member(layout: Layout, keys: Keys, value: Json) -> str:
    """Return the text of a member or an element, with what is to be made below it."""
    if isinstance(keys[0], str):
        value = nested(keys[1:], value)
        return layout.render(keys[0]) + layout.colon + layout.render(value)
    return layout.render(nested(keys[1:], value) if keys[1:] else value)


def _replaced(text: str, path: list[Node], value: Json) -> tuple[str, Undo]:
    """Return a text with a value in place of the last node of a path."""
    node = path[-1]
    old = text[node.start : node.end]
    new = old if same(plain(node), value) else layout_for(text, path).render(value)
    return text[: node.start] + new + text[node.end :], Undo(replaced=old)


def _append(text: str, last: Child, member: str, layout: Layout) -> str:
    """Return a text with another member after the last one, and after the comment beside it."""
    end = last.node.end
    place = end if last.comma is None else last.comma + 1
    if layout.line_end and (comments := _COMMENTS_ON_LINE.match(text, place)):
        place = comments.end()
    member = layout.lead() + member
    if last.comma is None:
        return text[:end] + "," + text[end:place] + member + text[place:]
    return text[:place] + member + "," + text[place:]


def _filled(filler: str, member: str, layout: Layout, outer: str) -> str:
    """Return what is inside of a container that had only spaces and comments, with a member."""
    comments = filler[: _end_of_comments(filler, 0, len(filler))]
    if layout.line_end is None:
        return f"{comments} {member} " if comments else member
    return comments + layout.lead() + member + layout.line_end + outer


def _has_only(text: str, path: list[Node], gone: int) -> bool:
    """Return whether a container has nothing, or only what is taken out, and no comment."""
    container = path[gone - 1]
    start, end = container.start + 1, container.end - 1
    if gone == len(path):
        return not text[start:end].strip(SPACE)
    node = path[gone]
    (only, *others) = container.children
    around = text[start : only.start] + text[node.end : end]
    return not others and only.node is node and not around.strip(SPACE + ",")


def _without(text: str, container: Node, index: int) -> str:
    """Return a text without one of the children of a container."""
    before, after = _around(text, container, index)
    if container.children[index].comma is None:
        comma = container.children[index - 1].comma or 0  # there is one, since ours comes after it
        before = before[:comma] + before[comma + 1 :]
    return before + after


def _around(text: str, container: Node, index: int) -> tuple[str, str]:
    """Return what is before a child and after it, without its line or the space beside it."""
    child = container.children[index]
    previous = container.children[index - 1].node.end if index else container.start + 1
    end = child.node.end if child.comma is None else child.comma + 1
    comments = text[child.node.end : end].removesuffix(",").rstrip(SPACE)
    before, after = text[: _end_of_comments(text, previous, child.start)], text[end:]
    gap = text[len(before) : child.start]
    ends_line = _LINE_ENDS_HERE.match(after) is not None
    in_comment = _ends_in_comment(before[previous:]) and after.lstrip(" \t")[:1] not in {*"\r\n"}
    on_own_line = bool(_LINE_END.search(gap))
    if in_comment or (not ends_line if on_own_line else index == 0):
        return before + gap, comments + after.lstrip(" \t")
    return before, comments + after


def _end_of_comments(text: str, start: int, end: int) -> int:
    """Return where spaces begin that no comment has, between two positions."""
    for comment in _COMMENT.finditer(text, start, end):
        start = comment.end()
    return start + len(text[start:end].rstrip(SPACE))


def _ends_in_comment(between: str) -> bool:
    """Return whether what comes next on the line of spaces, commas and comments is a comment."""
    last = ""
    for comment in _COMMENT.finditer(between):
        last = comment.group() if comment.end() == len(between) else ""
    return last.startswith("//")
