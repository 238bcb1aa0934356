import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from seedance_mcp.mcp_server.tools._schemas import model_schema
from seedance_mcp.models.model import (
    FileArgument,
    FileRule,
    Model,
    load_models,
    replace_values,
)
from tests.support.list_model import LIST_MODEL

FACTS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "facts" / "seedance-1-0-lite-image-to-video.json").read_text(
        "utf-8"
    )
)
MODELS = load_models()
MODEL = MODELS["bytedance/seedance-1-0/lite/image-to-video"]
IMAGES = ("first_frame_image_url", "last_frame_image_url")
FRAME_TOO = " Or seedance://jobs/ID/last-frame."
OURS = {
    "wait_seconds": {"type": "integer", "description": "How long."},
    "force_new": {"type": "boolean", "description": "Whether to pay.", "default": False},
}

RULE = {"validation_rule": "width_pixels>", "validation_value": 300, "validation_error": "No."}
SMALL = {
    "validation_rule": "file_size_mb<",
    "validation_value": 15,
    "validation_error": "Too large.",
}
UNDER_15_MB = FileRule(quantity="file_size_mb", comparison="<", bound=15, message="Too large.")
TEXT: dict[str, Any] = {"type": "string"}


def made_up(**properties: Any) -> Model:
    """Return a model with only these properties."""
    return Model(
        model_id="someone/made-up",
        short_name="made-up",
        source="this test",
        read_on="2026-11-29",
        input_schema={"type": "object", "properties": properties},
        output_schema={"type": "object"},
        descriptions={},
    )


def keys(value: object) -> Iterator[str]:
    """Yield every key of a JSON value, at any depth."""
    match value:
        case dict():
            for key, part in value.items():  # pyright: ignore[reportUnknownVariableType]
                yield str(key)  # pyright: ignore[reportUnknownArgumentType]
                yield from keys(part)  # pyright: ignore[reportUnknownArgumentType]
        case list():
            for part in value:  # pyright: ignore[reportUnknownVariableType]
                yield from keys(part)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return


def upstream(name: str) -> Mapping[str, Any]:
    """Return a property as RunComfy publishes it."""
    return FACTS["input_schema"]["properties"][name]


@pytest.mark.parametrize("part", ["model_id", "input_schema", "output_schema"])
def test_the_bundled_model_is_verbatim_what_runcomfy_publishes(part: str) -> None:
    # As text, since the order of keys is a part of it.
    assert json.dumps(getattr(MODEL, part)) == json.dumps(FACTS[part])


def test_every_bundled_model_is_listed_under_its_own_id() -> None:
    assert "bytedance/seedance-1-0/lite/image-to-video" in MODELS
    assert [(known_as, model.model_id) for known_as, model in MODELS.items()] == [
        (model_id, model_id) for model_id in MODELS
    ]


def test_the_tools_schema_has_the_models_properties_without_validations_then_ours() -> None:
    schema = model_schema(MODEL, OURS)

    expected = json.loads(json.dumps(FACTS["input_schema"]))
    for name, prop in expected["properties"].items():
        prop.pop("validations", None)
        prop["description"] = schema["properties"][name]["description"]
    expected["properties"] |= OURS
    assert json.dumps(schema) == json.dumps(expected)


@pytest.mark.parametrize("name", FACTS["input_schema"]["properties"])
def test_runcomfys_description_is_kept_and_an_empty_one_is_filled(name: str) -> None:
    described = model_schema(MODEL, {})["properties"][name]["description"]

    frame_too = FRAME_TOO if name in MODEL.file_arguments else ""
    assert described == (upstream(name)["description"] or MODEL.descriptions[name]) + frame_too
    assert described.strip()


def test_our_descriptions_state_the_rules_and_the_defaults() -> None:
    properties = model_schema(MODEL, {})["properties"]

    assert {name: prop["description"] for name, prop in properties.items()} == {
        "prompt": (
            "What happens in the clip: subject, movement, camera. At most 1,900 characters."
        ),
        "first_frame_image_url": (
            "Public https URL of the clip's first frame. Over 300 and under 6000 pixels"
            f" wide and high, width/height over 0.4 and under 2.5, under 30 MB.{FRAME_TOO}"
        ),
        "last_frame_image_url": (
            "Note: The last frame image will not take effect when the resolution is set to 1080P."
            f"{FRAME_TOO}"
        ),
        "resolution": "Height of the clip in pixels. Default 480p.",
        "duration": "Length of the clip in seconds. Default 5.",
    }


def test_every_argument_of_a_bundled_model_has_a_description() -> None:
    undescribed = [
        (model_id, name)
        for model_id, model in MODELS.items()
        for name, prop in model_schema(model, {})["properties"].items()
        if not prop["description"].strip()
    ]
    assert undescribed == []


def test_our_descriptions_are_only_for_arguments_that_runcomfy_leaves_undescribed() -> None:
    needless = [
        (model_id, name)
        for model_id, model in MODELS.items()
        for name in model.descriptions
        if name not in model.properties or model.properties[name].get("description")
    ]
    assert needless == []


def test_validations_never_reach_the_tool() -> None:
    assert "validations" in set(keys(dict(MODEL.input_schema)))
    assert [i for i, m in MODELS.items() if "validations" in set(keys(model_schema(m, OURS)))] == []


def test_validations_inside_a_list_of_images_never_reach_the_tool() -> None:
    item = {"type": "string", "validations": [{"validation_rule": "width_pixels<"}]}
    schema = model_schema(made_up(images={"type": "array", "items": item}), {})

    assert schema["properties"]["images"]["items"] == {"type": "string"}


def test_building_a_tools_schema_changes_neither_the_model_nor_the_additions() -> None:
    ours = json.loads(json.dumps(OURS))
    schema = model_schema(MODEL, ours)
    for prop in schema["properties"].values():
        prop["description"] = "changed"
    schema["required"].clear()

    assert json.dumps(MODEL.input_schema) == json.dumps(FACTS["input_schema"])
    assert ours == OURS


@pytest.mark.parametrize("name", IMAGES)
def test_the_image_rules_are_runcomfys_in_its_order(name: str) -> None:
    too_large = "The uploaded image width and height must not exceed 6000 pixels."
    too_small = "The uploaded image width and height must not be less than 300 pixels."
    shape = "The aspect ratio range should be between 0.4 and 2.5."
    rows: list[tuple[str, Literal["<", ">"], float, str]] = [
        ("width_pixels", "<", 6000, too_large),
        ("height_pixels", "<", 6000, too_large),
        ("width_pixels", ">", 300, too_small),
        ("height_pixels", ">", 300, too_small),
        ("width/height", ">", 0.4, shape),
        ("width/height", "<", 2.5, shape),
        ("file_size_mb", "<", 30, "File size must be less than 30 MB."),
    ]
    assert file_named(MODEL, name).rules == tuple(
        FileRule(quantity=quantity, comparison=comparison, bound=bound, message=message)
        for quantity, comparison, bound, message in rows
    )


def file_named(model: Model, name: str) -> FileArgument:
    (found,) = [file for file in model.files() if file.name == name]
    return found


def test_only_the_images_of_the_lite_model_are_files() -> None:
    assert [(file.path, file.kind) for file in MODEL.files()] == [
        (name, "image") for name in IMAGES
    ]


@pytest.mark.parametrize(
    ("rule", "kept", "broken"),
    [
        ("width_pixels<", 5999, 6001),
        ("height_pixels<", 5999, 6001),
        ("width_pixels>", 301, 299),
        ("height_pixels>", 301, 299),
        ("width/height>", 0.4000001, 0.3999999),
        ("width/height<", 2.4999999, 2.5000001),
        ("file_size_mb<", 29.9999999, 30.0000001),
    ],
)
@pytest.mark.parametrize("name", IMAGES)
def test_a_bound_itself_breaks_its_rule(name: str, rule: str, kept: float, broken: float) -> None:
    rules = file_named(MODEL, name).rules
    (found,) = [r for r in rules if r.quantity + r.comparison == rule]

    assert (found.holds(kept), found.holds(found.bound), found.holds(broken)) == (
        True,
        False,
        False,
    )


@pytest.mark.parametrize("rule", ["width_pixels<=", "width_pixels", "> width_pixels", "≤", "", "<"])
def test_a_rule_that_cannot_be_read_is_left_out(rule: str) -> None:
    unread = RULE | {"validation_rule": rule}
    mixed = TEXT | {"validations": [unread, RULE, {}, None]}
    alone = TEXT | {"validations": [unread]}
    (file,) = made_up(image=mixed, prompt=alone).files()
    assert (file.path, file.kind, [known.bound for known in file.rules]) == (
        "image",
        "image",
        [300],
    )


def test_a_model_without_formats_and_rules_has_no_files() -> None:
    assert list(made_up(prompt={"type": "string"}).files({"prompt": "A lake"})) == []


@pytest.mark.parametrize(
    ("prop", "kind"),
    [
        (TEXT | {"format": "image_uri"}, "image"),
        (TEXT | {"format": "video_uri"}, "video"),
        (TEXT | {"format": "audio_uri"}, "audio"),
        (TEXT | {"validations": [RULE]}, "image"),
        ({"type": "array", "format": "image_uris"}, "image"),
        ({"type": "array", "format": "video_uris", "items": TEXT}, "video"),
        ({"type": "array", "items": TEXT | {"format": "audio_uri"}}, "audio"),
        ({"type": "array", "items": TEXT | {"validations": [RULE]}}, "image"),
        ({"type": "array", "items": TEXT, "validations": [RULE]}, "image"),
        ({"type": "array", "items": TEXT | {"format": "uri"}}, None),
        ({"type": "array", "items": False}, None),
        (TEXT | {"format": "date"}, None),
    ],
)
def test_a_file_is_known_by_its_format_or_its_rules(prop: dict[str, Any], kind: str | None) -> None:
    files = list(made_up(file=prop).files())
    assert [(file.path, file.kind) for file in files] == ([("file", kind)] if kind else [])
    ruled_prop = "validations" in prop or "validations" in (prop.get("items") or {})
    assert [len(file.rules) for file in files] == [int(ruled_prop)] * bool(kind)


def test_of_a_videos_rules_only_those_about_its_bytes_are_read() -> None:
    video = TEXT | {"format": "video_uri", "validations": [RULE, SMALL]}
    (file,) = made_up(video=video).files()
    assert (file.kind, file.rules) == ("video", (UNDER_15_MB,))


def test_a_rule_that_the_schema_does_not_have_is_the_files_own() -> None:
    model = replace(made_up(audio=TEXT | {"format": "audio_uri"}), validations={"audio": [SMALL]})
    (file,) = model.files()
    assert file.rules == (UNDER_15_MB,)


def test_the_first_frame_of_a_clip_is_an_argument_of_models_that_begin_with_an_image() -> None:
    named = {model.short_name: model.first_frame for model in MODELS.values()}
    with_one = {name: argument for name, argument in named.items() if argument}
    assert with_one == {
        "lite": "first_frame_image_url",
        "2.0-mini": "image",
        **dict.fromkeys(["2.5-480p", "2.5-720p", "2.5-1080p", "2.5-4k"], "image"),
        **dict.fromkeys(["2.5-frames-480p", "2.5-frames-720p"], "first_frame"),
    }


def test_every_file_of_a_call_is_yielded_in_the_schemas_order() -> None:
    call = {
        "audio": "https://a.example/c.mp3",
        "videos": [],
        "images": ["https://a.example/a.png", "lake.jpg"],
        "prompt": "A lake",
    }
    files = list(LIST_MODEL.files(call))
    assert [(file.name, file.path, file.kind, file.value) for file in files] == [
        ("images", "images[0]", "image", "https://a.example/a.png"),
        ("images", "images[1]", "image", "lake.jpg"),
        ("audio", "audio", "audio", "https://a.example/c.mp3"),
    ]
    assert [file.in_list for file in files] == [True, True, False]
    assert files[0].rules == files[1].rules == file_named(MODEL, IMAGES[0]).rules


def test_values_are_replaced_by_their_paths_in_a_copy() -> None:
    call = {"images": ["a", "b"], "image": "c", "prompt": "A lake"}
    replaced = replace_values(call, {"images[1]": "B", "image": "C"})
    assert replaced == {"images": ["a", "B"], "image": "C", "prompt": "A lake"}
    assert call["images"] == ["a", "b"]


@pytest.mark.parametrize(
    ("known", "length", "usual"),
    [
        ({"5": 47, "10": 85}, 5, 47),
        ({"5": 47, "10": 85}, 10, 85),
        ({"5": 47, "10": 85}, 7, 62.6),
        ({"5": 47, "10": 85}, 20, 153.2),
        ({"10": 85, "5": 47}, 2.5, 26.1),
        ({"5": 100}, 10, 180.3),
        ({"5": 100}, None, 100),
        ({"5": 100}, "5", 100),
        ({}, 5, None),
    ],
)
def test_the_usual_seconds_of_a_clip_follow_from_those_of_known_lengths(
    known: dict[str, float], length: object, usual: float | None
) -> None:
    model = replace(made_up(), usual_seconds=known, pricing={"seconds": "duration"})
    seconds = model.expected_seconds({"duration": length})
    assert seconds == (usual and pytest.approx(usual, rel=0.01))


def test_the_usual_seconds_of_bundled_models_are_for_lengths_that_they_make() -> None:
    lite = MODEL
    assert [lite.expected_seconds({"duration": seconds}) for seconds in (5, 10)] == [47, 85]
    for model in MODELS.values():
        prop = model.properties["duration"]
        lengths = prop.get("enum") or range(prop["minimum"], prop["maximum"] + 1)
        assert {int(length) for length in model.usual_seconds} <= set(lengths)
        assert all(20 < seconds < 2000 for seconds in model.usual_seconds.values())
