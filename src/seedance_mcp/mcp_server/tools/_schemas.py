"""The parts of schemas that tools share."""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any, cast

import mcp_types as types
from pydantic import BaseModel

from seedance_mcp.jobs.job import REQUEST_ID_PATTERN
from seedance_mcp.models.model import JSONObject, Model

_LOCAL_TOO = " Or a file's absolute path."
_LOCAL_TOO_IN_BRIEF = " Or a path."
_DATA_TOO = " Or a data: URI."
_FRAME_TOO = " Or seedance://jobs/ID/last-frame."


def model_schema(
    model: Model,
    additions: Mapping[str, JSONObject],
    *,
    local_files: bool = False,
    brief: bool = False,
) -> JSONObject:
    """Return the input schema of the tool that makes clips with a model.

    `validations` are left out, since several MCP clients reject unknown keywords. Every empty
    description is filled from the model's file, and each of an image says what else works: the
    frame of a clip, and with `local_files` a path. The additions, our own properties, come last. A
    brief schema has few words of ours.
    """
    schema: JSONObject = _without_validations(model.input_schema)
    properties: dict[str, JSONObject] = schema["properties"]
    for name, prop in properties.items():
        prop["description"] = prop.get("description") or model.descriptions.get(name, "")
    local_too = _LOCAL_TOO_IN_BRIEF if brief else _LOCAL_TOO
    for file in model.files():
        if file.kind == "image":
            properties[file.name]["description"] += _FRAME_TOO + (local_too if local_files else "")
    if taken := set(properties) & set(additions):
        raise ValueError(f"the model has arguments named like ours: {taken}")
    properties.update(deepcopy(dict(additions)))
    return schema


def without_paths(schema: JSONObject) -> JSONObject:
    """Return an input schema for callers who may send images, but name no files of this machine."""
    properties = {name: {**prop} for name, prop in schema["properties"].items()}
    for prop in properties.values():
        for local_too in (_LOCAL_TOO, _LOCAL_TOO_IN_BRIEF):
            prop["description"] = prop["description"].replace(local_too, _DATA_TOO)
    return {**schema, "properties": properties}


def job_schema(**additions: JSONObject) -> JSONObject:
    """Return the input schema of a tool that takes a `request_id`, and some properties more."""
    request_id: JSONObject = {
        "description": "The request_id of a job, from generate_video or list_jobs.",
        "type": "string",
        "pattern": REQUEST_ID_PATTERN,
    }
    return {
        "type": "object",
        "properties": {"request_id": request_id, **additions},
        "required": ["request_id"],
    }


def wait_property(default: int) -> JSONObject:
    """Return the property `wait_seconds`."""
    return {
        "description": f"How many seconds this call may wait; 0 for no wait. Default {default}.",
        "type": "integer",
        "minimum": 0,
        "maximum": 900,
        "default": default,
    }


def flag_property(description: str) -> JSONObject:
    """Return a property that is true or false, and false by default."""
    return {"description": description, "type": "boolean", "default": False}


@cache
def output_schema(answer: type[BaseModel], facts: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """Return the JSON Schema of an answer, without the titles, which models do not need.

    It lists all of its facts, and which are never left out, or some.
    """
    schema = answer.model_json_schema(mode="serialization")
    plain = _plain_schema(schema, schema.get("$defs", {}))
    if facts:
        shown = {name: plain["properties"][name] for name in facts}
        return {"type": plain["type"], "properties": shown}
    return plain | {"required": schema["required"]}


def hints(*, read_only: bool, destructive: bool, idempotent: bool) -> types.ToolAnnotations:
    """Return all four hints; every tool talks to RunComfy, which is the open world."""
    return types.ToolAnnotations(
        read_only_hint=read_only,
        destructive_hint=destructive,
        idempotent_hint=idempotent,
        open_world_hint=True,
    )


def portable_schema(part: Any) -> Any:
    """Return a schema as Gemini takes it.

    Its enums are of strings, so one of numbers becomes bounds and words. Of formats of strings it
    takes only "enum" and "date-time".
    """
    if isinstance(part, list):
        return [portable_schema(value) for value in cast("list[Any]", part)]
    if not isinstance(part, Mapping):
        return part
    shown = {key: portable_schema(value) for key, value in cast("JSONObject", part).items()}
    if isinstance(shown.get("format"), str):  # an argument of that name would be an object
        del shown["format"]
    given: Any = shown.get("enum")
    choices = cast("list[Any]", given) if isinstance(given, list) else []
    if choices and all(type(value) in {int, float} for value in choices):
        del shown["enum"]
        words = f"Allowed: {', '.join(map(str, choices))}."
        shown["description"] = f"{shown.get('description', '')} {words}".strip()
        shown |= {"minimum": min(choices), "maximum": max(choices)}
    return shown


def _without_validations(part: Any) -> Any:
    """Copy a schema without the `validations` arrays at any depth."""
    if isinstance(part, Mapping):
        fields = cast("Mapping[str, Any]", part)
        return {
            key: _without_validations(value)
            for key, value in fields.items()
            if not (key == "validations" and isinstance(value, list))
        }
    if isinstance(part, list):
        return [_without_validations(value) for value in cast("list[Any]", part)]
    return part


def _plain_schema(part: Any, definitions: Mapping[str, Any]) -> Any:
    """Resolve references, which several clients do not follow, and drop what only describes.

    Every byte counts: what may be null has both types in one list, in place of `anyOf`, and the
    facts of a listed job are not said to be required.
    """
    if isinstance(part, list):
        return [_plain_schema(value, definitions) for value in cast("list[Any]", part)]
    if not isinstance(part, dict):
        return part
    fields = cast("dict[str, Any]", part)
    if "$ref" in fields:
        return _plain_schema(definitions[fields["$ref"].rsplit("/", 1)[-1]], definitions)
    match fields.get("anyOf"):
        case [{"type": str(kind), **rest}, {"type": "null"}] if not rest:
            return {"type": [kind, "null"]}
        case _:
            pass
    dropped = {"title", "description", "default", "required", "$defs"}
    return {k: _plain_schema(v, definitions) for k, v in fields.items() if k not in dropped}
