"""Checks a call's arguments against its tool's schema before anything else happens."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Any, cast
from unicodedata import category

from seedance_mcp.errors import InputError
from seedance_mcp.jobs.job import REQUEST_ID_PATTERN
from seedance_mcp.models.model import JSONObject, values_by_path
from seedance_mcp.text import one_line

_PATTERNS = {
    REQUEST_ID_PATTERN: " of 1 to 128 letters, digits, - or _, as returned by generate_video"
}

_FROM_CLIENTS = frozenset({"toolCallId", "sessionId", "_meta"})
"""What some clients add to the arguments of every call."""

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "a string",
}
_BOUNDS = {
    "minimum": "of at least",
    "maximum": "of at most",
    "exclusiveMinimum": "over",
    "exclusiveMaximum": "under",
    "multipleOf": "in steps of",
}

MOST_ITEMS = 100
"""How many items a list may have where the model names no bound; each may be a file to check."""

MOST_BLANKS = 10_000
"""After how many characters that cannot be seen a text counts as empty."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Zs", "Zl", "Zp", "Mn", "Me"})
_FILLERS = "\u2800\u115f\u1160\u3164\uffa0"  # symbols and letters that are blank

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_SURROGATES = re.compile("[\ud800-\udfff]")


def check_arguments(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> JSONObject:
    """Return the raw arguments with every default filled in, in the order of the tool's schema.

    Several clients send numbers, booleans and lists as strings; such a string is taken as the
    value that it means. Others send every argument: one that is not required and is null or blank
    was left out.

    Raises:
        InputError: In one line, which argument is wrong and what is allowed.
    """
    properties: Mapping[str, Mapping[str, Any]] = schema["properties"]
    required: list[str] = schema.get("required", [])
    arguments = {n: v for n, v in arguments.items() if n in properties or n not in _FROM_CLIENTS}
    _check_names(properties, required, arguments)
    completed: JSONObject = {}
    for name, prop in properties.items():
        value = arguments.get(name)
        if name in required or not is_left_out(value):
            completed[name] = _unstringified(value, prop)
            if problem := _problem(name, completed[name], prop):
                raise InputError(name, f"{problem}.")
        elif "default" in prop:
            completed[name] = prop["default"]
    return completed


def parse_object(arguments: Any) -> JSONObject | None:
    """Return arguments that were sent as an object, or as a string of one; None for others."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return None
    return cast("JSONObject", arguments) if isinstance(arguments, dict) else None


def is_left_out(value: Any) -> bool:
    """Return whether an argument that is not required counts as left out."""
    return value is None or (isinstance(value, str) and not value.strip())


def _is_visible(character: str) -> bool:
    return category(character) not in _INVISIBLE and character not in _FILLERS


def _check_names(
    properties: Mapping[str, Mapping[str, Any]],
    required: Iterable[str],
    arguments: Mapping[str, Any],
) -> None:
    """Refuse unknown arguments, then missing ones."""
    unknown = next((name for name in arguments if name not in properties), None)
    if unknown is not None:
        missing = [name for name in required if name not in arguments]
        raise InputError(one_line(unknown), _unknown_argument(unknown, properties, missing))
    for name in required:
        if name not in arguments:
            raise InputError(name, f"{name} is required: {_allowed(properties[name])}.")


def _unknown_argument(name: str, properties: Iterable[str], missing: Iterable[str]) -> str:
    """Return the refusal of an unknown argument, with the nearest valid name.

    A required argument that is missing is the likeliest one to be misspelt, so it comes first.
    """
    valid = list(properties)
    nearest = (get_close_matches(name[:100], names, n=1, cutoff=0.5) for names in (missing, valid))
    match = next((names[0] for names in nearest if names), None)
    hint = f" Did you mean {match}?" if match else ""
    return (
        f"Unknown argument {one_line(name) or '(empty)'}.{hint}"
        f" Valid arguments: {', '.join(valid)}."
    )


def _unstringified(value: Any, prop: Mapping[str, Any]) -> Any:
    match prop.get("type"), value.strip() if isinstance(value, str) else value:
        case "integer", str(text) if re.fullmatch(r"[+-]?[0-9]{1,15}", text, re.ASCII):
            return int(text)
        case "integer", float(number) if number.is_integer():
            return int(number)
        case "number", str(text) if _NUMBER.fullmatch(text):
            return float(text) if set(text) & set(".eE") else int(text)
        case "boolean", str(text) if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        case "array", str(text) if text.startswith("["):
            parsed = _parsed_list(text)
            return value if parsed is None else parsed
        case _:
            return value


def _parsed_list(text: str) -> list[Any] | None:
    """Return the list that a string holds as JSON, None if it holds none."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, list):
        return None
    items = cast("list[Any]", parsed)
    # No argument is a list of lists or objects; refusing these also bounds the depth.
    return None if any(isinstance(item, list | dict) for item in items) else items


def _problem(name: str, value: Any, prop: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a value, as a sentence without its full stop."""
    if _is_too_long(value, prop):
        return f"{name} must be {_allowed({'maxItems': MOST_ITEMS} | dict(prop))}"
    return _unreadable_part(name, value, prop) or _broken_rule(name, value, prop)


def _unreadable_part(name: str, value: Any, prop: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a text or number, whatever the property allows."""
    parts = values_by_path(name, value) if prop.get("type") == "array" else [(name, value)]
    for path, part in parts:
        if isinstance(part, float) and not isfinite(part):  # JSON has no such numbers
            return f"{path} must be {_allowed(prop if path == name else _items(prop))}"
        if not isinstance(part, str):
            continue
        # Data of many megabytes is ASCII, which is known at once.
        if not part.isascii() and _SURROGATES.search(part):
            return f"{path} contains half of a surrogate pair; send valid Unicode"
        if not any(map(_is_visible, part[:MOST_BLANKS])):
            return f"{path} must not be empty: {_allowed(prop if path == name else _items(prop))}"
        if "\0" in part:
            return f"{path} contains a NUL character; leave it out"
    return None


def _broken_rule(name: str, value: Any, prop: Mapping[str, Any]) -> str | None:
    """Return which rule of the property a value breaks."""
    broken = dict(_broken_keywords(value, prop))
    if not broken:
        return None
    if broken.keys() == {"maxLength"} and not broken["maxLength"]:
        limit = f"{prop['maxLength']:,}"
        return f"{name} may have at most {limit} characters; it has {len(value):,}"
    where = next(iter(broken.values()))
    if where and _items(prop):
        return f"{name}[{where[0]}] must be {_allowed(_items(prop))}"
    return f"{name} must be {_allowed(prop)}{_nearest(value, prop)}"


def _is_too_long(value: Any, prop: Mapping[str, Any]) -> bool:
    if prop.get("type") != "array" or not isinstance(value, list):
        return False
    return len(cast("list[Any]", value)) > prop.get("maxItems", MOST_ITEMS)


def _broken_keywords(value: Any, prop: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield each JSON Schema keyword that a value breaks, and where inside the value."""
    from jsonschema import Draft202012Validator

    # The stubs leave iter_errors partly untyped.
    errors = cast("Iterable[Any]", Draft202012Validator(prop).iter_errors(value))  # pyright: ignore[reportUnknownMemberType]
    yield from ((error.validator, list(error.path)) for error in errors)


def _items(prop: Mapping[str, Any]) -> Mapping[str, Any]:
    return prop.get("items", {})


def _allowed(prop: Mapping[str, Any]) -> str:
    """Return what a property allows, in a few words."""
    if "enum" in prop:
        return "one of " + ", ".join(json.dumps(choice) for choice in prop["enum"])
    if prop.get("type") == "array":
        return _allowed_list(prop)
    allowed = _TYPES.get(str(prop.get("type")), f"of type {prop.get('type')}")
    bounds = [f"{word} {prop[bound]}" for bound, word in _BOUNDS.items() if bound in prop]
    if "minimum" in prop and "maximum" in prop:
        bounds[:2] = [f"from {prop['minimum']} to {prop['maximum']}"]
    allowed += "".join(f" {bound}" for bound in bounds)
    if "minLength" in prop or "maxLength" in prop:
        allowed += f" of {_span(prop.get('minLength', 0), prop.get('maxLength'))} characters"
    if "pattern" in prop:
        allowed += _PATTERNS.get(prop["pattern"], f" that matches {prop['pattern']}")
    return allowed


def _allowed_list(prop: Mapping[str, Any]) -> str:
    least, most = prop.get("minItems", 0), prop.get("maxItems")
    if not least and most is None:
        return "a list"
    return f"a list of {_span(least, most)} item{'' if (most or least) == 1 else 's'}"


def _span(least: int, most: int | None) -> str:
    """Return how many there may be, in words."""
    if most is None:
        return f"at least {least:,}"
    return f"{least:,} to {most:,}" if least else f"at most {most:,}"


def _nearest(value: Any, prop: Mapping[str, Any]) -> str:
    """Return a hint at the nearest of an enum's strings."""
    choices = [choice for choice in prop.get("enum", ()) if isinstance(choice, str)]
    nearest = get_close_matches(str(value)[:100], choices, n=1, cutoff=0.5)
    return f" (did you mean {json.dumps(nearest[0])}?)" if nearest else ""
