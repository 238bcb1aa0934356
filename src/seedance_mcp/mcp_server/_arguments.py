"""Checks of a call's arguments: whatever the schema rules out is refused before money is spent."""

import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, cast

from jsonschema import Draft202012Validator

from seedance_mcp.errors import InputError
from seedance_mcp.jobs.job import REQUEST_ID_PATTERN
from seedance_mcp.models.model import JSONObject
from seedance_mcp.text import one_line

_PATTERNS = {REQUEST_ID_PATTERN: " of 1 to 128 letters, digits, - or _, as generate_video gave it"}


def check_arguments(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> JSONObject:
    """Check the raw arguments of a call, before anything else happens.

    A number or boolean that a client sent as a string is taken as what it means, as several
    clients stringify them.

    Args:
        schema: The tool's input schema.
        arguments: What the client sent.

    Returns:
        The arguments with every default filled in, in the schema's order.

    Raises:
        InputError: In one line, which argument is wrong and what is allowed.
    """
    properties: Mapping[str, Mapping[str, Any]] = schema["properties"]
    unknown = next((name for name in arguments if name not in properties), None)
    if unknown is not None:
        missing = [name for name in schema.get("required", ()) if name not in arguments]
        raise InputError(one_line(unknown), _unknown_argument(unknown, properties, missing))
    for name in schema.get("required", ()):
        if name not in arguments:
            raise InputError(name, f"{name} is required: {_allowed(properties[name])}.")
    completed: JSONObject = {}
    for name, prop in properties.items():
        if name in arguments:
            completed[name] = _unstringified(arguments[name], prop)
            if problem := _problem(completed[name], prop):
                null = arguments[name] is None and name not in schema.get("required", ())
                hint = "; leave it out instead of sending null" if null else ""
                raise InputError(name, f"{name} {problem}{hint}.")
        elif "default" in prop:
            completed[name] = prop["default"]
    return completed


def _unknown_argument(name: str, properties: Iterable[str], missing: Iterable[str]) -> str:
    """Say that an argument is unknown, and which was meant: one that is missing, if any."""
    known = list(properties)
    nearest = (get_close_matches(name[:100], among, n=1, cutoff=0.5) for among in (missing, known))
    meant = next((names[0] for names in nearest if names), None)
    hint = f"did you mean {meant}? It takes" if meant else "it takes"
    return (
        f"{one_line(name) or '(nothing)'} is no argument of this tool; {hint} {', '.join(known)}."
    )


def _unstringified(value: Any, prop: Mapping[str, Any]) -> Any:
    kind = prop.get("type")
    if isinstance(value, str):
        text = value.strip()
        if kind == "integer" and re.fullmatch(r"[+-]?[0-9]{1,15}", text, re.ASCII):
            return int(text)
        if kind == "boolean" and text.lower() in {"true", "false"}:
            return text.lower() == "true"
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _problem(value: Any, prop: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a value, as the end of a sentence that begins with its name."""
    if isinstance(value, str):
        if not value.strip():
            return f"must not be empty: {_allowed(prop)}"
        if any("\ud800" <= c <= "\udfff" for c in value):
            return "holds half of a surrogate pair, which is no character; send valid text"
    broken = _broken_keywords(value, prop)
    if not broken:
        return None
    if broken == {"maxLength"}:
        return f"may have at most {prop['maxLength']:,} characters; it has {len(value):,}"
    return f"must be {_allowed(prop)}{_nearest(value, prop)}"


def _broken_keywords(value: Any, prop: Mapping[str, Any]) -> set[str]:
    # The stubs leave iter_errors partly untyped.
    errors = cast("Iterable[Any]", Draft202012Validator(prop).iter_errors(value))  # pyright: ignore[reportUnknownMemberType]
    return {error.validator for error in errors}


def _allowed(prop: Mapping[str, Any]) -> str:
    """Say what a property allows, in a few words."""
    article = {"integer": "a whole number", "boolean": "true or false", "string": "a string"}
    if "enum" in prop:
        return "one of " + ", ".join(json.dumps(choice) for choice in prop["enum"])
    words = article.get(prop.get("type", ""), f"of type {prop.get('type')}")
    if "minimum" in prop and "maximum" in prop:
        words += f" from {prop['minimum']} to {prop['maximum']}"
    if "maxLength" in prop:
        words += f" of at most {prop['maxLength']:,} characters"
    if "pattern" in prop:
        words += _PATTERNS.get(prop["pattern"], f" that matches {prop['pattern']}")
    return words


def _nearest(value: Any, prop: Mapping[str, Any]) -> str:
    """Offer the nearest of an enum's strings."""
    choices = [choice for choice in prop.get("enum", ()) if isinstance(choice, str)]
    nearest = get_close_matches(str(value)[:100], choices, n=1, cutoff=0.5)
    return f" (did you mean {json.dumps(nearest[0])}?)" if nearest else ""
