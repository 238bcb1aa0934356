"""Compares a model's file with the input schema that RunComfy publishes today."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from seedance_mcp.errors import UnreadableAnswer
from seedance_mcp.text import quoted

from .model import Model, published_rules, read_rule
from .published import bounded, read_schema

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_OTHERS = ("multipleOf", "uniqueItems")


class _Difference(NamedTuple):
    """A difference, and whether a call that the file allows may be refused for it."""

    contradicts: bool
    line: str


def differences(model: Model, published: Any) -> list[str]:
    """Return how a published input schema differs from a model's file, a line each.

    Titles and descriptions are not compared. What is not understood is named too.
    """
    try:
        _, problems = read_schema(published)
    except UnreadableAnswer as error:
        return [error.message.removesuffix(".")]
    return bounded([found.line for found in _compare(model, published)] + problems)


def contradictions(model: Model, published: Any) -> list[str]:
    """Return the differences for which RunComfy may refuse a call that a model's file allows.

    None can be known if the published schema is unreadable.
    """
    try:
        return bounded([found.line for found in _compare(model, published) if found.contradicts])
    except UnreadableAnswer:
        return []


def _compare(model: Model, published: Any) -> Iterator[_Difference]:
    schema, _ = read_schema(published)
    theirs: dict[str, Any] = schema["properties"]
    required, ours = set(schema["required"]), set(model.input_schema.get("required", ()))
    for name, prop in model.properties.items():
        if name not in published["properties"]:
            yield _Difference(contradicts=True, line=f"{name} is gone")
        elif name in theirs:
            yield from _compare_property(name, prop, theirs[name])
            yield from _compare_rules(name, model, theirs[name])
    for name in required - ours:
        if name not in model.properties:
            yield _Difference(contradicts=True, line=f"{name} is a new required argument")
        else:
            # A default is always sent.
            always = "default" in model.properties[name]
            yield _Difference(contradicts=not always, line=f"{name} is now required")
    for name in theirs.keys() - model.properties.keys() - required:
        yield _Difference(contradicts=False, line=f"{name} is a new argument")
    for name in ours - required & theirs.keys():
        yield _Difference(contradicts=False, line=f"{name} is no longer required")


def _compare_property(
    name: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> Iterator[_Difference]:
    """Yield the differences of one argument, or of the items of a list."""
    before, now = ours.get("type"), theirs.get("type")
    if before and now and before != now:
        wider = (before, now) == ("integer", "number")
        yield _Difference(not wider, f"{name} is now of type {now}, not {before}")
    if before and not now:
        yield _Difference(contradicts=False, line=f"{name} has no type any more")
    yield from _compare_values(name, ours.get("enum"), theirs.get("enum"))
    for key in (*_LOWER, *_UPPER, *_OTHERS):
        yield from _compare_bound(name, key, ours, theirs)
    if ours.get("format") != theirs.get("format"):
        both = "format" in ours and "format" in theirs
        yield _Difference(both, _changed(name, "format", ours, theirs))
    if ours.get("default") != theirs.get("default"):
        yield _Difference(contradicts=False, line=_changed(name, "default", ours, theirs))
    items = [part.get("items") for part in (ours, theirs)]
    if all(isinstance(part, Mapping) for part in items):
        before_items, now_items = cast("list[Mapping[str, Any]]", items)
        yield from _compare_property(f"{name}[]", before_items, now_items)


def _compare_values(name: str, before: Any, now: Any) -> Iterator[_Difference]:
    if before == now:
        return
    if before is None:
        yield _Difference(contradicts=True, line=f"{name} now takes only {_listed(now)}")
    elif now is None:
        yield _Difference(contradicts=False, line=f"{name} has no list of values any more")
    else:
        if gone := [value for value in before if value not in now]:
            yield _Difference(contradicts=True, line=f"{name} no longer takes {_listed(gone)}")
        if new := [value for value in now if value not in before]:
            yield _Difference(contradicts=False, line=f"{name} now also takes {_listed(new)}")


def _compare_bound(
    name: str, key: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> Iterator[_Difference]:
    # Nothing is shorter than nothing.
    neutral = 0 if key in {"minLength", "minItems"} else None
    before: Any = ours.get(key, neutral)
    now: Any = theirs.get(key, neutral)
    if before == now:
        return
    if now is neutral:
        tighter = False
    elif "enum" in ours:
        tighter = any(_is_outside(value, key, now) for value in ours["enum"])
    elif before is neutral or key in _OTHERS:
        tighter = True
    else:
        tighter = bool(now > before if key in _LOWER else now < before)
    yield _Difference(tighter, _changed(name, key, ours, theirs))


def _is_outside(value: Any, key: str, bound: Any) -> bool:
    """Return whether a value of a list is beyond a bound."""
    size = len(value) if key.endswith("Length") and isinstance(value, str) else value
    if isinstance(size, bool) or not isinstance(size, int | float):
        return False
    match key:
        case "exclusiveMinimum":
            return size <= bound
        case "exclusiveMaximum":
            return size >= bound
        case _:
            return size < bound if key in _LOWER else size > bound


def _compare_rules(name: str, model: Model, theirs: Mapping[str, Any]) -> Iterator[_Difference]:
    """Yield the differences of an argument's rules about files."""
    published, now = (
        _rules(published_rules(model.properties[name])),
        _rules(published_rules(theirs)),
    )
    # RunComfy states some of ours elsewhere.
    ours = published | _rules(model.validations.get(name, ()))
    for rule in sorted(now - ours):
        yield _Difference(contradicts=True, line=f"{name} has a new rule, {rule}")
    for rule in sorted(published - now):
        yield _Difference(contradicts=False, line=f"{name} has no rule {rule} any more")


def _rules(written: Iterable[Any]) -> set[str]:
    rules = filter(None, map(read_rule, written))
    return {f"{rule.quantity}{rule.comparison}{rule.bound:g}" for rule in rules}


def _changed(name: str, key: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    before, now = (_shown(part.get(key)) for part in (ours, theirs))
    return f"the {key} of {name} is now {now}, not {before}"


def _listed(values: list[Any]) -> str:
    more = f" and {len(values) - 8} more" if len(values) > 8 else ""
    return ", ".join(map(_shown, values[:8])) + more


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return quoted(value, 40) if isinstance(value, str) else json.dumps(value)[:40]
