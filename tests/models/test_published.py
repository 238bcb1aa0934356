"""What RunComfy's catalogue publishes, read as a model that is safe to list and to check by."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema.validators import validator_for

from seedance_mcp.errors import UnreadableAnswer
from seedance_mcp.models.model import Model, load_models
from seedance_mcp.models.published import MODEL_ID, read_entry, read_schema, short_name
from tests.support.json_values import json_values

RULE = {"validation_rule": "width_pixels<", "validation_value": 6000, "validation_error": "No."}


def one(prop: Any, **schema: Any) -> tuple[Any, list[str]]:
    """Return what is read of the property `x` besides a fine one, and the problems."""
    properties = {"prompt": {"type": "string"}, "x": prop}
    read, problems = read_schema({"properties": properties} | schema)
    return read["properties"].get("x"), problems


@pytest.mark.parametrize("model", load_models().values(), ids=lambda model: model.short_name)
def test_a_bundled_model_is_read_as_its_file_has_it(model: Model) -> None:
    entry = {"model_id": model.model_id, "input_schema": model.input_schema}
    read, problems = read_entry(entry)
    assert (read.model_id, read.properties, problems) == (model.model_id, model.properties, [])
    assert read.input_schema["required"] == model.input_schema["required"]
    assert read.pricing == model.pricing


ODDITIES: list[tuple[Any, Any]] = [
    ({"type": "float", "default": None}, {"type": "number"}),
    (
        {"type": "int", "minimum": 4, "maximum": 15},
        {"type": "integer", "minimum": 4, "maximum": 15},
    ),
    ({"type": ["string", "null"], "nullable": True}, {"type": "string"}),
    (
        {"anyOf": [{"type": "bool"}, {"type": "null"}], "default": False},
        {"type": "boolean", "default": False},
    ),
    ({"enum": ["a", None], "title": "T\nU"}, {"enum": ["a"], "title": "T U"}),
    (
        {"type": "list", "items": {"type": "str"}, "format": "image_uris"},
        {"type": "array", "items": {"type": "string"}, "format": "image_uris"},
    ),
]


@pytest.mark.parametrize(("written", "read"), ODDITIES, ids=lambda value: str(value)[:40])
def test_the_catalogues_oddities_are_understood(written: Any, read: Any) -> None:
    assert one(written) == (read, [])


NOT_UNDERSTOOD: list[tuple[Any, Any, str]] = [
    ({"type": "matrix"}, {}, "x: its type \"'matrix'\" is not understood"),
    ({"format": "uri"}, {}, "x: its format \"'uri'\" is not understood"),
    ({"pattern": "(a+)+$"}, {}, 'x: unknown keyword "pattern"'),
    ({"$ref": "https://evil.example/s"}, {}, 'x: unknown keyword "$ref"'),
    ({"minimum": "4"}, {}, "x: its minimum \"'4'\" is not understood"),
    ({"maximum": float("inf")}, {}, 'x: its maximum "Infinity" is not understood'),
    ({"maxLength": -1}, {}, 'x: its maxLength "-1" is not understood'),
    ({"enum": []}, {}, 'x: its enum "[]" is not understood'),
    ({"enum": [{"a": 1}]}, {}, "x: its enum \"[{'a': 1}]\" is not understood"),
    ({"minimum": 10**5000}, {}, 'x: its minimum "that cannot be shown (int)" is not understood'),
    ({"minimum": 9, "maximum": 1}, {}, "x: its maximum contradicts the rest, and is left out"),
    ({"type": "integer", "enum": ["5"]}, {"enum": ["5"]}, "x: its type contradicts the rest"),
    ({"enum": ["a"], "default": "b"}, {"enum": ["a"]}, "x: its default is not among its values"),
    ({"type": "integer", "default": True}, {"type": "integer"}, "x: its default is not among"),
    (
        {"validations": [RULE, {"validation_rule": "colour="}, 7]},
        {"validations": [RULE]},
        "x: unknown rule \"'colour='\"",
    ),
    ({"validations": [RULE | {"validation_value": True}]}, {}, "x: unknown rule"),
    (
        {"type": "array", "items": {"items": {}}},
        {"type": "array", "items": {}},
        'x[]: unknown keyword "items"',
    ),
    ("text", None, 'property "x" is not an object, and is left out'),
]


@pytest.mark.parametrize(
    ("written", "read", "problem"), NOT_UNDERSTOOD, ids=[row[2][:40] for row in NOT_UNDERSTOOD]
)
def test_what_is_not_understood_is_left_out_and_named(
    written: Any, read: Any, problem: str
) -> None:
    found, problems = one(written)
    assert found == read
    assert any(line.startswith(problem) for line in problems)


def test_names_that_cannot_be_arguments_are_left_out_and_named() -> None:
    properties: dict[str, Any] = {"prompt": {}, "force_new": {}, "a b": {}, "\ud800": {}}
    required = ["prompt", "image", 7, "prompt"]
    read, problems = read_schema({"properties": properties, "required": required, "oneOf": []})
    assert (list(read["properties"]), read["required"]) == (["prompt"], ["prompt"])
    assert problems == [
        'property "force_new" is named like an argument of this server, and is left out',
        'property "a b" has no usable name, and is left out',
        'property "" has no usable name, and is left out',
        'required names "image", which is not among the properties',
        'required names "7", which is not among the properties',
        'unknown keyword "oneOf"',
    ]


def test_absurd_sizes_are_bounded() -> None:
    many = {f"p{number}": {"pattern": "x"} for number in range(1000)}
    read, problems = read_schema({"properties": many})
    assert (len(read["properties"]), len(problems), problems[-1]) == (64, 21, "and 980 more")
    wide = {"enum": ["x" * 99] * 100}
    with pytest.raises(UnreadableAnswer, match="longer than 32,768 bytes"):
        read_schema({"properties": dict.fromkeys(("a", "b", "c", "d"), wide)})


@pytest.mark.parametrize(
    "model_id", ["", "../../v2/balance", "a/../b", "/a", "a//b", "a b", "a" * 121, 7, "a\n"]
)
def test_an_entry_without_a_usable_id_is_refused(model_id: Any) -> None:
    with pytest.raises(UnreadableAnswer, match="no valid model_id"):
        read_entry({"model_id": model_id, "input_schema": {"properties": {"prompt": {}}}})


def test_short_names_are_made_from_ids() -> None:
    ids = {model.model_id: model.short_name for model in load_models().values()}
    made = {model_id: short_name(model_id) for model_id in ids}
    assert {made[model_id] for model_id in ids} - {*ids.values()} == {"1-0-lite"}
    assert short_name("kwaivgi/kling-v2/master/text-to-video") == "kwaivgi-kling-v2-master-t"
    assert short_name("bytedance/image-to-video") == "model"


KEYS = [
    "type",
    "enum",
    "default",
    "minimum",
    "maxLength",
    "items",
    "validations",
    "anyOf",
    "format",
]
WORDS = st.sampled_from(["string", "integer", "array", "null", 5, True, None, [], {}, RULE])
PROPERTIES = st.dictionaries(st.sampled_from(KEYS), WORDS | st.lists(WORDS) | json_values())


@settings(max_examples=60)
@given(
    json_values() | st.dictionaries(st.sampled_from(["x", "a b", "prompt"]), PROPERTIES),
    json_values(),
)
def test_any_json_is_read_as_a_valid_schema_or_refused(properties: Any, required: Any) -> None:
    entry = {"model_id": "a/b", "input_schema": {"properties": properties, "required": required}}
    try:
        model, problems = read_entry(entry)
    except UnreadableAnswer:
        return
    schema = dict(model.input_schema)
    validator_for(schema).check_schema(schema)
    json.dumps(schema, allow_nan=False).encode()
    assert set(schema["required"]) <= set(model.properties)
    assert all(line.isprintable() and len(line) < 300 for line in problems)
    defaults = {
        name: prop["default"] for name, prop in model.properties.items() if "default" in prop
    }
    assert [*validator_for(schema)(schema | {"required": []}).iter_errors(defaults)] == []
    assert all(file.kind in {"image", "video", "audio"} for file in model.files())
    assert MODEL_ID.fullmatch(model.model_id)
