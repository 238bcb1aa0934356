"""What RunComfy publishes today, compared with a model's file."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema.validators import validator_for

from seedance_mcp.models.differences import contradictions, differences
from seedance_mcp.models.model import Model, load_models
from tests.support.json_values import json_values

MODELS = load_models()
LITE = MODELS["bytedance/seedance-1-0/lite/image-to-video"]
PRO = MODELS["bytedance/seedance-2.0/pro"]
REFERENCE = MODELS["bytedance/seedance-2.5/reference-to-video/4k"]


def changed(model: Model, **properties: Any) -> dict[str, Any]:
    """Return a model's input schema with keywords of properties changed; None takes one away."""
    schema: dict[str, Any] = deepcopy(dict(model.input_schema))
    for name, keywords in properties.items():
        if keywords is None:
            del schema["properties"][name]
            continue
        prop = schema["properties"].setdefault(name, {}) | keywords
        schema["properties"][name] = {k: v for k, v in prop.items() if v is not None}
    return schema


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.short_name)
def test_a_schema_as_in_the_file_has_no_differences(model: Model) -> None:
    odd: dict[str, Any] = deepcopy(dict(model.input_schema))
    for prop in odd["properties"].values():
        prop |= {"title": "Another", "description": "Another."}
        prop.setdefault("default", None)
        prop["type"] = {"integer": "int", "number": "float"}.get(prop["type"], prop["type"])
    assert differences(model, model.input_schema) == differences(model, odd) == []


RULE = {"validation_rule": "width_pixels>", "validation_value": 400, "validation_error": "No."}
RULES = list(LITE.properties["first_frame_image_url"]["validations"])
RESOLUTION = "resolution no longer takes"
CONTRADICTIONS: list[tuple[Model, dict[str, Any], str]] = [
    (LITE, changed(LITE, last_frame_image_url=None), "last_frame_image_url is gone"),
    (LITE, changed(LITE, resolution={"enum": ["480p", "720p"]}), f'{RESOLUTION} "1080p"'),
    (LITE, changed(LITE, duration={"enum": [5, 6]}), "duration no longer takes 10"),
    (LITE, changed(LITE, duration={"type": "string", "enum": None, "default": None}), "of type"),
    (LITE, changed(LITE, duration={"maximum": 9}), "the maximum of duration is now 9, not none"),
    (LITE, changed(LITE, prompt={"maxLength": 500}), "maxLength of prompt is now 500, not 1900"),
    (LITE, changed(LITE, first_frame_image_url={"validations": [*RULES, RULE]}), "width_pixels>40"),
    (PRO, changed(PRO, duration={"maximum": 12}), "the maximum of duration is now 12, not 15"),
    (PRO, changed(PRO, duration={"minimum": 5}), "the minimum of duration is now 5, not 4"),
    (PRO, changed(PRO, duration={"enum": [5, 10]}), "duration now takes only 5, 10"),
    (PRO, changed(PRO, images={"maxItems": 4}), "the maxItems of images is now 4, not 9"),
    (PRO, changed(PRO, images={"items": {"type": "integer"}}), "images[] is now of type integer"),
    (PRO, changed(PRO, images={"format": "video_uris"}), 'now "video_uris", not "image_uris"'),
    (PRO, changed(PRO) | {"required": ["prompt", "seed"]}, "seed is now required"),
    (
        PRO,
        changed(PRO, mood={"type": "string"}) | {"required": ["prompt", "mood"]},
        "mood is a new required argument",
    ),
]


@pytest.mark.parametrize(
    ("model", "published", "line"),
    CONTRADICTIONS,
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_makes_runcomfy_refuse_a_valid_call_contradicts_the_file(
    model: Model, published: dict[str, Any], line: str
) -> None:
    found = contradictions(model, published)
    assert [text for text in found if line in text]
    assert set(found) <= set(differences(model, published))


HARMLESS: list[tuple[Model, dict[str, Any], str]] = [
    (LITE, changed(LITE, seed={"type": "integer"}), "seed is a new argument"),
    (LITE, changed(LITE, resolution={"enum": ["480p", "720p", "1080p", "4k"]}), 'also takes "4k"'),
    (LITE, changed(LITE, resolution={"default": "720p"}), 'is now "720p", not "480p"'),
    (LITE, changed(LITE, duration={"minimum": 2, "maximum": 12}), "minimum of duration is now 2"),
    (LITE, changed(LITE) | {"required": ["prompt"]}, "first_frame_image_url is no longer required"),
    (LITE, changed(LITE, last_frame_image_url={"validations": RULES[1:]}), "has no rule width_pix"),
    (PRO, changed(PRO) | {"required": ["prompt", "duration"]}, "duration is now required"),
    (PRO, changed(PRO, duration={"type": "double"}), "duration is now of type number, not integer"),
    (REFERENCE, changed(REFERENCE, videos={"minItems": None}), "minItems of videos is now none"),
    (PRO, changed(PRO, seed={"pattern": "x"}), 'seed: unknown keyword "pattern"'),
]


@pytest.mark.parametrize(
    ("model", "published", "line"),
    HARMLESS,
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_allows_more_is_a_difference_and_no_contradiction(
    model: Model, published: dict[str, Any], line: str
) -> None:
    assert [text for text in differences(model, published) if line in text]
    assert contradictions(model, published) == []


def test_an_unreadable_schema_contradicts_nothing_and_is_named() -> None:
    line = "The catalogue publishes no input schema with usable properties"
    schemas: list[Any] = [None, [], "schema", {}, {"properties": {}}, {"properties": {"a": 7}}]
    for published in schemas:
        assert (differences(LITE, published), contradictions(LITE, published)) == ([line], [])


@settings(max_examples=30)
@given(json_values(), st.sampled_from([*MODELS.values()]))
def test_any_json_is_compared_in_some_short_lines(published: Any, model: Model) -> None:
    odd = changed(model, prompt=None) | {"required": published}
    odd["properties"]["prompt"] = published
    for schema in (published, odd, changed(model, prompt={"enum": published, "type": published})):
        lines = differences(model, schema)
        assert len(lines) <= 21
        assert all(line.isprintable() and len(line) < 500 for line in lines)
        assert set(contradictions(model, schema)) <= set(lines)


NUMBERS = st.integers(0, 6)
PROPERTIES = st.fixed_dictionaries(
    {"type": st.sampled_from(["integer", "number", "string"])},
    optional={
        "enum": st.lists(NUMBERS | st.sampled_from(["a", "bb"]), min_size=1, max_size=4),
        **dict.fromkeys(["minimum", "maximum", "minLength", "maxLength"], NUMBERS),
    },
)


VALUES = [*range(7), 2.5, "", "a", "bb", "ccc"]


@settings(max_examples=60)
@given(PROPERTIES, PROPERTIES)
def test_a_call_of_the_file_that_the_published_schema_refuses_shows_a_contradiction(
    ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    schemas = [{"type": "object", "properties": {"x": prop}} for prop in (ours, theirs)]
    before, now = (validator_for(schema)(schema) for schema in schemas)
    refused = [v for v in VALUES if before.is_valid({"x": v}) and not now.is_valid({"x": v})]
    model = replace(LITE, input_schema=schemas[0], validations={})
    # A published property that contradicts itself is read as far as it goes.
    if refused and not any(
        "contradicts the rest" in line for line in differences(model, schemas[1])
    ):
        assert contradictions(model, schemas[1])
