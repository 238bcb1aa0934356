"""Places in a configuration, and what is said of them, in any format."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from seedance_mcp.errors import SeedanceError
from seedance_mcp.text import quoted

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]

MOST_LEVELS = 100
"""How deep a configuration may be nested; real ones have fewer than ten levels."""

_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Item:
    """The element of an array of objects whose member `key` is `value`."""

    key: str
    value: str


Keys = tuple[str | Item, ...]
"""A place: the keys that lead to it from the top."""


@dataclass(frozen=True, kw_only=True)
class Undo:
    """What has to be known to take a value out again as if it had never been put in.

    Attributes:
        made: The containers that had to be made for it, the outermost first; `()` is the top.
        filler: What was in the container, which was there and empty: spaces and comments.
        replaced: The text of the value that was in its place.
    """

    made: tuple[Keys, ...] = ()
    filler: str | None = None
    replaced: str | None = None


class UneditableFile(SeedanceError):
    """A configuration cannot be parsed, or not be changed without harm; it was left alone."""


def refuse(text: str, position: int, problem: str) -> NoReturn:
    """Raise what is wrong with a text, and where.

    Raises:
        UneditableFile: Always.
    """
    lines = _LINE_END.split(text[:position])
    raise UneditableFile(f"line {len(lines)}, column {len(lines[-1]) + 1}: {problem}")


def name_of(keys: Keys) -> str:
    """Return how a person would call a place."""
    return quoted(".".join(k if isinstance(k, str) else k.value for k in keys)) if keys else "it"


def names_of(keys: Keys) -> tuple[str, ...]:
    """Return keys that name no element of an array.

    Raises:
        UneditableFile: One does; only JSON is changed there.
    """
    names = tuple(key for key in keys if isinstance(key, str))
    if len(names) < len(keys):
        raise UneditableFile(f"{name_of(keys)} is in an array")
    return names


def nested(keys: Keys, value: Json) -> Json:
    """Return what has to be put below a place for a value to be at the place that keys lead to."""
    for key in reversed(keys):
        if isinstance(key, str):
            value = {key: value}
        elif isinstance(value, Mapping):
            value = [{key.key: key.value, **value}]
        else:
            raise UneditableFile(f"{name_of((key,))} can only be an object")
    return value


def child(value: Json, key: str | Item) -> Json | None:
    """Return what a key leads to, None if it leads nowhere."""
    if isinstance(key, str):
        return value.get(key) if isinstance(value, Mapping) else None
    elements = value if isinstance(value, list | tuple) else ()
    return next((e for e in elements if is_item(e, key)), None)


def is_item(element: Json, item: Item) -> bool:
    """Return whether an element of an array is the one that is meant."""
    return isinstance(element, Mapping) and element.get(item.key) == item.value


def restored(rest: str, undo: Undo) -> str:
    """Return what was in an empty container, by what is in it now."""
    squeezed = "".join(rest.split())
    if undo.filler is not None and squeezed == "".join(undo.filler.split()):
        return undo.filler
    return rest if squeezed else ""


def same(one: Json, other: Json) -> bool:
    """Return whether values are equal; 1, 1.0 and true are not, and the order is no matter."""
    return _canonical(one) == _canonical(other)


def same_but_for(keys: Keys, one: Json, other: Json) -> bool:
    """Return whether values are equal but for a place, and empty containers on the way to it."""
    return same(_pruned(one, keys), _pruned(other, keys))


def _canonical(value: Json) -> str:
    """Return a text that is the same for equal values only."""
    return json.dumps(value, sort_keys=True, default=repr)


def _pruned(value: Json, keys: Keys) -> Json:
    """Return a value without a place, None if nothing is left of it."""
    if not keys:
        return None
    key, *rest = keys
    if isinstance(key, str) and isinstance(value, Mapping):
        inner = _pruned(value.get(key), tuple(rest))
        others = {k: v for k, v in value.items() if k != key}
        return (others if inner is None else {**others, key: inner}) or None
    if isinstance(key, Item) and isinstance(value, list | tuple):
        kept = [_pruned(e, tuple(rest)) if is_item(e, key) else e for e in value]
        return [e for e in kept if e is not None] or None
    return value
