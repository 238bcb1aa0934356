"""Reads what RunComfy's catalogue publishes about a model.

The catalogue has oddities: `type: "float"`, `default: null`, `required` naming a property that is
not there, formats and rules of its own (client). What is understood becomes a schema that is safe
to list and to check calls by. The rest is left out, and each part of it is named in a problem.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from seedance_mcp.errors import UnreadableAnswer
from seedance_mcp.text import one_line, quoted

from ._keywords import KEYWORDS, contradictory, fits
from .model import JSONObject, Model, read_rule

MAX_PROPERTIES = 64
MAX_SCHEMA_BYTES = 32 * 1024
"""The longest input schema, as JSON, that is worth listing: a quarter of it fills a tools/list."""

MAX_PROBLEMS = 20
_SHORT_NAME_LENGTH = 25
"""With it, the name of a tool has 40 characters at most."""

MODEL_ID = re.compile(r"(?=.{1,120}\Z)[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)+", re.ASCII)
_PROPERTY_NAME = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)
_OUR_ARGUMENTS = {"wait_seconds", "force_new", "dry_run"}
_UNDERSTOOD = {
    *("$schema", "type", "title", "description"),
    *("properties", "required", "additionalProperties"),
}
# How the ids of other models say what one makes a clip of; from an image is the usual way.
_WORDS = {
    **dict.fromkeys(("bytedance", "image-to-video"), ""),
    **{f"{word}-to-video": word for word in ("text", "video", "reference")},
    "first-last-frame": "frames",
}


def read_entry(entry: Any) -> tuple[Model, list[str]]:
    """Return the model that an entry of the catalogue describes, and what was not understood.

    Its short name may be another model's too, and the day on which it was read is empty.

    Raises:
        UnreadableAnswer: The entry has no valid id, or no input schema that can be used.
    """
    fields = _fields(entry)
    model_id = fields.get("model_id")
    if not isinstance(model_id, str) or not MODEL_ID.fullmatch(model_id):
        raise UnreadableAnswer("The catalogue's entry has no valid model_id.")
    schema, problems = read_schema(fields.get("input_schema"))
    lengths = [name for name in ("duration", "seconds") if name in schema["properties"]]
    model = Model(
        model_id=model_id,
        short_name=short_name(model_id),
        source="RunComfy's catalogue",
        read_on="",
        input_schema=schema,
        output_schema={},
        descriptions={},
        pricing={"seconds": lengths[0]} if lengths else {},
    )
    return model, problems


def read_schema(published: Any) -> tuple[JSONObject, list[str]]:
    """Return an input schema as far as it is understood, and what was not, a line each.

    Raises:
        UnreadableAnswer: It has no properties, or is too large.
    """
    written = _fields(published)
    found: dict[str, JSONObject] = {}
    problems: list[str] = []
    for name, prop in _fields(written.get("properties")).items():
        if problem := _unusable(name, prop, len(found)):
            problems.append(problem)
        else:
            found[name] = _read_property(name, _fields(prop), problems)
    if not found:
        raise UnreadableAnswer("The catalogue publishes no input schema with usable properties.")
    required = list(_required(written, found, problems))
    problems += [f"unknown keyword {quoted(key)}" for key in written if key not in _UNDERSTOOD]
    if written.get("type", "object") != "object":
        problems.append("its type is not object")
    schema: JSONObject = {"type": "object", "properties": found, "required": required}
    if len(json.dumps(schema)) > MAX_SCHEMA_BYTES:
        raise UnreadableAnswer(f"The published schema is longer than {MAX_SCHEMA_BYTES:,} bytes.")
    return schema, bounded(problems)


def bounded(lines: list[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = len(lines) - MAX_PROBLEMS
    return lines if more <= 0 else [*lines[:MAX_PROBLEMS], f"and {more} more"]


def short_name(model_id: str) -> str:
    """Return a name for settings and tools from a model's id; others may have the same."""
    parts = [part.removeprefix("seedance-") for part in model_id.lower().split("/")]
    words = [_WORDS.get(part, part) for part in parts]
    name = "-".join(filter(None, words)) or "model"
    return name[:_SHORT_NAME_LENGTH].rstrip("-._")


def _unusable(name: str, prop: Any, count: int) -> str | None:
    """Return why a property is left out, or None."""
    shown = quoted(name)
    if not isinstance(prop, Mapping):
        return f"property {shown} is not an object, and is left out"
    if not _PROPERTY_NAME.fullmatch(name):
        return f"property {shown} has no usable name, and is left out"
    if name in _OUR_ARGUMENTS:
        return f"property {shown} is named like an argument of this server, and is left out"
    return f"property {shown} is one too many, and is left out" if count >= MAX_PROPERTIES else None


def _required(
    written: Mapping[str, Any], found: Mapping[str, Any], problems: list[str]
) -> Iterator[str]:
    """Yield the names of required properties that are there."""
    names = written.get("required", [])
    if not isinstance(names, list):
        problems.append("required is not a list")
        return
    texts = (name if isinstance(name, str) else _shown(name) for name in cast("list[Any]", names))
    for name in dict.fromkeys(texts):
        if name in found:
            yield name
        else:
            problems.append(f"required names {quoted(name)}, which is not among the properties")


def _read_property(path: str, written: Mapping[str, Any], problems: list[str]) -> JSONObject:
    """Return a property, or the items of a list, as far as it is understood."""
    prop: JSONObject = {}
    for key, value in _without_null(written).items():
        if key == "items" and isinstance(value, Mapping) and not path.endswith("[]"):
            prop[key] = _read_property(f"{path}[]", _fields(value), problems)
        elif key == "validations" and isinstance(value, list):
            prop[key] = list(_rules(path, cast("list[Any]", value), problems))
        elif key not in KEYWORDS:
            problems.append(f"{path}: unknown keyword {quoted(key)}")
        elif (read := KEYWORDS[key](value)) is None:
            problems.append(f"{path}: its {key} {quoted(_shown(value))} is not understood")
        else:
            prop[key] = read
    for key in contradictory(prop):
        del prop[key]
        problems.append(f"{path}: its {key} contradicts the rest, and is left out")
    if "default" in prop and not fits(prop["default"], prop):
        problems.append(f"{path}: its default is not among its values, and is left out")
        del prop["default"]
    return {key: value for key, value in prop.items() if value != [] or key != "validations"}


def _without_null(written: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a property without the ways to say that it may be null: that means left out."""
    merged = dict(written)
    options: Any = merged.get("anyOf", merged.get("oneOf"))
    if isinstance(options, list):
        others = [_fields(one) for one in cast("list[Any]", options) if one != {"type": "null"}]
        if len(others) == 1:
            merged = {k: v for k, v in merged.items() if k not in {"anyOf", "oneOf"}} | {
                **others[0]
            }
    if merged.get("default", 0) is None:
        del merged["default"]
    if isinstance(merged.get("nullable"), bool):
        del merged["nullable"]
    return merged


def _rules(path: str, written: list[Any], problems: list[str]) -> Iterator[Any]:
    """Yield the rules about files that are understood."""
    for rule in written[:1000]:
        read = read_rule(rule)
        if read and type(read.bound) is not bool and abs(read.bound) < 1e12:
            yield {**rule, "validation_error": one_line(read.message, 300)}
        else:
            shown = quoted(_shown(_fields(rule).get("validation_rule", rule)))
            problems.append(f"{path}: unknown rule {shown}")


def _shown(value: Any) -> str:
    """Return some JSON as a short text, however deep or long it is."""
    try:
        return json.dumps(value)
    except (ValueError, RecursionError):
        return f"that cannot be shown ({type(value).__name__})"


def _fields(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
