import json
import re
import time
from typing import Any
from unicodedata import category

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from seedance_mcp.errors import InputError
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.mcp_server._arguments import check_arguments
from seedance_mcp.mcp_server.app import build_tools
from seedance_mcp.models.model import load_models
from tests.support.list_model import LIST_MODEL
from tests.support.wording import NOT_A_BOOLEAN, NOT_A_DURATION, NOT_A_WAIT, PROMPT_TOO_LONG

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
TOOLS = build_tools([MODEL], wait_seconds=45)
SCHEMA = TOOLS[0].definition.input_schema
PROPERTIES: dict[str, Any] = SCHEMA["properties"]
GOOD = {"prompt": "A lake", "first_frame_image_url": "https://images.example/lake.jpg"}
OURS = {"wait_seconds": 45, "force_new": False, "dry_run": False}
COMPLETED = GOOD | {"resolution": "480p", "duration": 5} | OURS
VALID = (
    " Valid arguments: prompt, first_frame_image_url, last_frame_image_url, resolution, duration,"
    " wait_seconds, force_new, dry_run."
)
TEXT = "a string of at most 1,900 characters"
RESOLUTIONS = 'one of "480p", "720p", "1080p"'


def visible(character: str) -> bool:
    return category(character) not in {"Cc", "Cf", "Cn", "Zs", "Zl", "Zp", "Mn", "Me"} and (
        character not in "\u2800\u115f\u1160\u3164\uffa0"
    )


def refusal(arguments: dict[str, Any]) -> InputError:
    """Return the error that arguments are refused with."""
    with pytest.raises(InputError) as refused:
        check_arguments(SCHEMA, arguments)
    return refused.value


async def line(arguments: dict[str, Any]) -> str:
    """Return the whole line that arguments are refused with, nothing where they pass."""
    preflight = Preflight(check=False, allow_private=False, local_files=False)
    try:
        await preflight.check(MODEL, check_arguments(SCHEMA, arguments))
    except InputError as error:
        return error.line
    return ""


def test_valid_arguments_are_returned_with_every_default_in_the_schemas_order() -> None:
    completed = check_arguments(SCHEMA, dict(reversed(GOOD.items())))
    assert list(completed.items()) == list(COMPLETED.items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, f"prompt is required: {TEXT}."),
        ({"prompt": "A lake"}, "first_frame_image_url is required: a string."),
        (
            {"first_frame_image_url": GOOD["first_frame_image_url"]},
            f"prompt is required: {TEXT}.",
        ),
    ],
)
def test_a_missing_required_argument_is_refused(arguments: dict[str, Any], message: str) -> None:
    assert refusal(arguments).message == message


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resolutions", " Did you mean resolution?"),
        ("Duration", " Did you mean duration?"),
        (
            "lastframe_image_url",
            " Did you mean last_frame_image_url?",
        ),
        ("wait_second", " Did you mean wait_seconds?"),
        ("fps", ""),
        ("seed", ""),
    ],
)
def test_an_unknown_argument_is_refused_with_the_nearest_name(name: str, hint: str) -> None:
    refused = refusal(GOOD | {name: "480p"})
    assert (refused.argument, refused.message) == (name, f"Unknown argument {name}.{hint}{VALID}")


def test_an_unknown_argument_is_refused_before_a_missing_one() -> None:
    assert refusal({"promt": "A lake"}).message == (
        f"Unknown argument promt. Did you mean prompt?{VALID}"
    )


INVISIBLE = (
    *("\u200b", "\u200d\ufe0f", "\u00ad", "\u2800", "\u3164", "\u115f\u1160", "\uffa0", "\ufeff"),
    *(
        "\u2060",
        "\u034f",
        "\u180e",
        "\u202e",
        "\U000e0041",
        "\U000e0100",
        "\x01",
        " \u200b\n",
        "\u17b4",
    ),
)


@pytest.mark.parametrize("prompt", INVISIBLE, ids=ascii)
def test_a_prompt_of_nothing_visible_is_refused(prompt: str) -> None:
    assert refusal(GOOD | {"prompt": prompt}).message == f"prompt must not be empty: {TEXT}."


@pytest.mark.parametrize("prompt", ["é", "👩\u200d🚀", "\ufeffA lake", "湖", "?", "\ue000", "ـ"])
def test_a_prompt_with_anything_visible_is_accepted(prompt: str) -> None:
    assert check_arguments(SCHEMA, GOOD | {"prompt": prompt})["prompt"] == prompt


@pytest.mark.parametrize("name", ["prompt", "first_frame_image_url", "last_frame_image_url"])
def test_a_nul_character_is_refused(name: str) -> None:
    message = f"{name} contains a NUL character; leave it out."
    assert refusal(GOOD | {name: "A\0 lake"}).message == message


def test_a_long_name_is_cut_to_one_line() -> None:
    refused = refusal(GOOD | {"x\n" * 1000: 1})
    name = "x " * 29 + "x…"
    assert refused.argument == name
    assert refused.message == f"Unknown argument {name}.{VALID}"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("prompt", 5, f"must be {TEXT}."),
        ("prompt", None, f"must be {TEXT}."),
        ("prompt", ["A lake"], f"must be {TEXT}."),
        ("prompt", [""], f"must be {TEXT}."),
        ("prompt", "", f"must not be empty: {TEXT}."),
        ("prompt", " \n\t\u3000", f"must not be empty: {TEXT}."),
        ("prompt", "a" * 1901, PROMPT_TOO_LONG),
        ("prompt", "🎬" * 1901, PROMPT_TOO_LONG),
        (
            "prompt",
            "A \ud83c lake",
            "contains half of a surrogate pair; send valid Unicode.",
        ),
        ("first_frame_image_url", {"url": "x"}, "must be a string."),
        ("first_frame_image_url", "", "must not be empty: a string."),
        ("last_frame_image_url", "\u200b", "must not be empty: a string."),
        ("resolution", "480", f'must be {RESOLUTIONS} (did you mean "480p"?).'),
        ("resolution", 720, f'must be {RESOLUTIONS} (did you mean "720p"?).'),
        ("resolution", "1080P", f'must be {RESOLUTIONS} (did you mean "1080p"?).'),
        ("resolution", "4k", f"must be {RESOLUTIONS}."),
        ("resolution", [], f"must be {RESOLUTIONS}."),
        ("resolution", "\u200b", f"must not be empty: {RESOLUTIONS}."),
        ("duration", 7, NOT_A_DURATION),
        ("duration", "7", NOT_A_DURATION),
        ("duration", "five", NOT_A_DURATION),
        ("duration", "\N{ARABIC-INDIC DIGIT FIVE}", NOT_A_DURATION),
        ("duration", 5.5, NOT_A_DURATION),
        ("duration", True, NOT_A_DURATION),
        ("duration", float("nan"), NOT_A_DURATION),
        ("duration", 10**4200, NOT_A_DURATION),
        ("wait_seconds", -1, NOT_A_WAIT),
        ("wait_seconds", "901", NOT_A_WAIT),
        ("wait_seconds", False, NOT_A_WAIT),
        ("force_new", 1, NOT_A_BOOLEAN),
        ("force_new", "yes", NOT_A_BOOLEAN),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(
    name: str, value: object, message: str
) -> None:
    refused = refusal(GOOD | {name: value})
    assert (refused.argument, refused.message) == (name, f"{name} {message}")


@pytest.mark.parametrize(
    ("name", "value", "taken_as"),
    [
        ("duration", "10", 10),
        ("duration", " +5 ", 5),
        ("duration", 10.0, 10),
        ("wait_seconds", "0", 0),
        ("wait_seconds", "900", 900),
        ("force_new", "TRUE", True),
        ("force_new", "false", False),
        ("prompt", "a" * 1900, "a" * 1900),
        ("prompt", "5", "5"),
        ("prompt", "true", "true"),
    ],
)
def test_a_stringified_number_or_boolean_is_converted(
    name: str, value: object, taken_as: object
) -> None:
    completed = check_arguments(SCHEMA, GOOD | {name: value})
    assert completed == COMPLETED | {name: taken_as}
    assert type(completed[name]) is type(taken_as)


def test_a_malformed_request_id_is_refused_in_plain_words() -> None:
    schema = TOOLS[1].definition.input_schema
    with pytest.raises(InputError) as refused:
        check_arguments(schema, {"request_id": "../../v2/deployments"})
    assert refused.value.message == (
        "request_id must be a string of 1 to 128 letters, digits, - or _, as returned by"
        " generate_video."
    )


def test_an_image_of_many_megabytes_does_not_stop_the_server() -> None:
    image = "data:image/png;base64," + "A" * 40_000_000
    began = time.process_time()
    check_arguments(SCHEMA, GOOD | {"first_frame_image_url": image})
    with pytest.raises(InputError):
        check_arguments(SCHEMA, GOOD | {"first_frame_image_url": "\u200b" * 20_000_000})
    assert time.process_time() - began < 1


LONG = st.text(st.characters(), min_size=61, max_size=400) | st.sampled_from(
    ["https://images.example/" + "a b" * 3000, "data:image/png;base64," + "A" * 9000, "9" * 5000]
)


@given(LONG, st.sampled_from([*PROPERTIES, "name", "list", "object"]))
def test_a_long_value_is_never_echoed(long: str, where: str) -> None:
    added: dict[str, Any] = {"name": {long: 1}, "list": {"duration": [long]}}.get(where, {})
    added = added or ({"prompt": {"a": long}} if where == "object" else {where: long})
    refused = anyio.run(line, GOOD | added)

    assert long not in refused
    assert refused.isprintable()
    assert len(refused) < 600


UNFIT = re.compile("[\ud800-\udfff\0]")


def meant(name: str, value: Any) -> Any:
    """Read a stringified number or boolean, in another way than the code does."""
    kind = PROPERTIES[name]["type"] if name in PROPERTIES else "string"
    text = value.strip() if isinstance(value, str) else ""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), value)
    digits = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    if kind == "integer" and digits.isascii() and digits.isdigit():
        return int(text)
    return value


NUMBERS = st.integers(-2, 903) | st.sampled_from([5, 10, 5.0, 1e300, float("inf")])
SCALARS = (
    st.none()
    | st.booleans()
    | NUMBERS
    | NUMBERS.map(str)
    | st.sampled_from(
        ["480p", "1080p", "True", " false ", "+10", "-0", "1_0", "\u0665", "a" * 1901]
    )
    | st.text(st.characters(), max_size=8)
)
VALUES = SCALARS | st.lists(SCALARS, max_size=2)
NAMES = st.sampled_from([*PROPERTIES, "seed", ""])


@given(st.sampled_from([GOOD, {}]), st.dictionaries(NAMES, VALUES, max_size=4))
def test_the_checks_accept_exactly_what_the_schema_allows(
    before: dict[str, Any], changed: dict[str, Any]
) -> None:
    arguments = before | changed
    strict = Draft202012Validator(SCHEMA | {"additionalProperties": False})
    read = {
        name: meant(name, value)
        for name, value in arguments.items()
        if name in SCHEMA["required"]
        or name not in PROPERTIES
        or not (value is None or (isinstance(value, str) and not value.strip()))
    }
    texts = [value for value in read.values() if isinstance(value, str)]
    told = all(any(map(visible, text)) and not UNFIT.search(text) for text in texts)
    allowed = told and strict.is_valid(read)  # pyright: ignore[reportUnknownMemberType]
    try:
        completed = check_arguments(SCHEMA, arguments)
    except InputError:
        assert not allowed
    else:
        assert allowed
        assert completed == COMPLETED | read


LISTS = build_tools([LIST_MODEL], wait_seconds=45)[0].definition.input_schema
IMAGES = ["https://images.example/a.png", "lake, at [dawn].png"]


@pytest.mark.parametrize("sent", [IMAGES, json.dumps(IMAGES), f"\n{json.dumps(IMAGES, indent=2)} "])
def test_a_list_may_be_sent_as_a_string(sent: object) -> None:
    assert check_arguments(LISTS, {"prompt": "A lake", "images": sent})["images"] == IMAGES


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("lake.png", "images must be a list of 1 to 4 items."),
        ("[]", "images must be a list of 1 to 4 items."),
        ('["a", ', "images must be a list of 1 to 4 items."),
        ('[["a"]]', "images must be a list of 1 to 4 items."),
        ("[" * 100_000, "images must be a list of 1 to 4 items."),
        (["a"] * 5, "images must be a list of 1 to 4 items."),
        ([], "images must be a list of 1 to 4 items."),
        ("[" + "0," * 20_000 + "0]", "images must be a list of 1 to 4 items."),
        (["a", None], "images[1] must be a string."),
        ('["a", 5]', "images[1] must be a string."),
        (["a", ""], "images[1] must not be empty: a string."),
        (["a", "  "], "images[1] must not be empty: a string."),
        ('["\\ud83c"]', "images[0] contains half of a surrogate pair; send valid Unicode."),
    ],
)
def test_an_invalid_list_is_refused_by_its_item(images: object, message: str) -> None:
    with pytest.raises(InputError) as refused:
        check_arguments(LISTS, {"prompt": "A lake", "images": images})
    assert (refused.value.argument, refused.value.message) == ("images", message)


SEED = {"type": "integer"}
STRENGTH = {"type": "number"}
MANY = {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("prop", "value", "allowed"),
    [
        (SEED | {"minimum": 4, "maximum": 30}, 31, "a whole number from 4 to 30"),
        (SEED | {"minimum": 4, "maximum": 30}, "3", "a whole number from 4 to 30"),
        (SEED | {"minimum": 4}, 3, "a whole number of at least 4"),
        (SEED | {"maximum": 30}, 31, "a whole number of at most 30"),
        (SEED, 5.5, "a whole number"),
        (SEED, "7.0", "a whole number"),
        (STRENGTH | {"minimum": 0, "maximum": 1}, 1.01, "a number from 0 to 1"),
        (STRENGTH | {"minimum": 0, "maximum": 1}, "1.01", "a number from 0 to 1"),
        (STRENGTH | {"exclusiveMinimum": 0}, 0, "a number over 0"),
        (STRENGTH | {"exclusiveMaximum": 1}, 1, "a number under 1"),
        (
            STRENGTH | {"maximum": 1, "multipleOf": 0.5},
            0.7,
            "a number of at most 1 in steps of 0.5",
        ),
        (STRENGTH, float("nan"), "a number"),
        (STRENGTH, "inf", "a number"),
        (STRENGTH, True, "a number"),
        (STRENGTH, "1_0", "a number"),
        ({"type": "string", "minLength": 2}, "a", "a string of at least 2 characters"),
        ({"type": "string", "minLength": 2, "maxLength": 3}, "a", "a string of 2 to 3 characters"),
        ({"type": "array", "maxItems": 1}, ["a", "b"], "a list of at most 1 item"),
        ({"type": "array", "minItems": 2}, ["a"], "a list of at least 2 items"),
        ({"type": "array", "minItems": 2}, [0] * 101, "a list of 2 to 100 items"),
        (MANY, [0] * 20_000, "a list of at most 100 items"),
        ({"type": "array"}, "a", "a list"),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_the_bounds(
    prop: dict[str, Any], value: object, allowed: str
) -> None:
    with pytest.raises(InputError) as refused:
        check_arguments({"properties": {"x": prop}}, {"x": value})
    assert refused.value.message == f"x must be {allowed}."


@pytest.mark.parametrize(
    ("prop", "value", "taken_as"),
    [
        (SEED | {"minimum": 4, "maximum": 30}, "30", 30),
        (SEED | {"minimum": 4, "maximum": 30}, 4.0, 4),
        (SEED, -(10**30), -(10**30)),
        (STRENGTH | {"minimum": 0, "maximum": 1}, " 0.5 ", 0.5),
        (STRENGTH | {"minimum": 0, "maximum": 1}, "1", 1),
        (STRENGTH, "-2e3", -2000.0),
        ({"type": "boolean"}, "True", True),
        ({"type": "array", "minItems": 0, "maxItems": 9}, "[]", []),
        (MANY, '["a"]', ["a"]),
        (MANY, ["a"] * 100, ["a"] * 100),
    ],
)
def test_a_value_within_the_bounds_is_taken(
    prop: dict[str, Any], value: object, taken_as: object
) -> None:
    taken = check_arguments({"properties": {"x": prop}}, {"x": value})["x"]
    assert (taken, type(taken)) == (taken_as, type(taken_as))
