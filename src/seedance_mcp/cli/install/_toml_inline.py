"""Changes what is in an inline table of TOML, which is on one line and has no comments."""

from collections.abc import Mapping

from ._places import Json, Undo, child, name_of, nested, refuse
from ._toml_scanner import Pair, Statement, pairs
from ._toml_values import toml_key, toml_value

_Names = tuple[str, ...]


def put_inline(
    text: str, outer: Statement, names: _Names, value: Mapping[str, Json]
) -> tuple[str, Undo]:
    """Return a text with a value in an inline table, and how to take it out again.

    Raises:
        UneditableFile: A key with dots in it is in the way.
    """
    start, end, rest, pair = _find(text, outer, names)
    if pair is not None:
        first, last = pair.value
        old, new = text[first:last], toml_value(value)
        return text[:first] + new + text[last:], Undo(replaced=old)
    made = tuple(names[:n] for n in range(len(names) - len(rest) + 1, len(names)))
    member = f"{toml_key(rest[0])} = {toml_value(nested(rest[1:], value))}"
    inside = list(pairs(text, start))
    if inside:
        place = inside[-1].value[1]
        return f"{text[:place]}, {member}{text[place:]}", Undo(made=made)
    filler = text[start + 1 : end - 1]
    return f"{text[: start + 1]} {member} {text[end - 1 :]}", Undo(made=made, filler=filler)


def take_inline(text: str, outer: Statement, names: _Names, undo: Undo, loaded: Json) -> str:
    """Return a text without a value of an inline table, and without what was made for it."""
    while names[:-1] in undo.made and _only(loaded, names):
        names = names[:-1]
    start, end, _, pair = _find(text, outer, names)
    if pair is None:
        return text
    if undo.replaced is not None:
        return text[: pair.value[0]] + undo.replaced + text[pair.value[1] :]
    inside = list(pairs(text, start))
    index = inside.index(pair)
    if len(inside) == 1:
        return text[: start + 1] + (undo.filler or "") + text[end - 1 :]
    if pair.comma is not None and index + 1 < len(inside):
        return text[: pair.start] + text[inside[index + 1].start :]
    return text[: inside[index - 1].value[1]] + text[pair.value[1] :]


def _find(text: str, outer: Statement, names: _Names) -> tuple[int, int, _Names, Pair | None]:
    """Return where the innermost table begins and ends that is there, and what is in it.

    Raises:
        UneditableFile: A key with dots in it is in the way.
    """
    start, end = outer.value or (0, 0)
    rest = names[len(outer.keys) :]
    while True:
        for pair in pairs(text, start):
            known = len(pair.keys)
            if pair.keys[: len(rest)] == rest and known > len(rest):
                refuse(text, pair.start, f"{name_of(names)} is written with dots here")
            if pair.keys == rest[:known]:
                break
        else:
            return start, end, rest, None
        if known == len(rest):
            return start, end, rest, pair
        if text[pair.value[0]] != "{":
            refuse(text, pair.start, f"{name_of(names[:-1])} should be a table")
        (start, end), rest = pair.value, rest[known:]


def _only(loaded: Json, names: _Names) -> bool:
    """Return whether a container has one thing, or nothing."""
    for name in names[:-1]:
        loaded = child(loaded, name)
    return isinstance(loaded, Mapping) and not loaded.keys() - {names[-1]}
