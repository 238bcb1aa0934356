"""Every bundled model, compared with a table typed from RunComfy's published schemas.

The table is not made from the models' files. (page: lite; client, September 2026: the others)
"""

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import av
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client

from seedance_mcp.errors import InputError
from seedance_mcp.mcp_server._arguments import check_arguments
from seedance_mcp.mcp_server.app import build_server, build_tools
from seedance_mcp.models.model import load_models
from seedance_mcp.settings import Settings
from seedance_mcp.simulator import _clip
from seedance_mcp.simulator._rendering import Renderer
from seedance_mcp.simulator._service import SimulatedAccount
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.jobs import Job
from seedance_mcp.simulator.server import running
from tests.support.client import open_client, open_mcp_client, structured, text
from tests.support.schema_values import invalid_arguments, valid_arguments

pytestmark = pytest.mark.anyio

Property = dict[str, Any]
RULES = (
    *("type", "enum", "default", "format", "items", "minimum", "maximum", "minLength"),
    *("maxLength", "minItems", "maxItems", "pattern"),
)
"""The keywords that allow or forbid a value, or say what is used without one."""

OURS = ["wait_seconds", "force_new", "dry_run"]
TEXT: Property = {"type": "string"}
IMAGE: Property = {"type": "string", "format": "image_uri"}
VIDEO: Property = {"type": "string", "format": "video_uri"}


def choice(*values: str, default: str) -> Property:
    return {"type": "string", "enum": list(values), "default": default}


def whole(least: int, most: int, default: int) -> Property:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


def flag(*, default: bool) -> Property:
    return {"type": "boolean", "default": default}


def urls(kind: str, least: int | None = None, most: int | None = None) -> Property:
    bounds = {} if least is None else {"minItems": least, "maxItems": most}
    return {"type": "array", "format": f"{kind}_uris", "items": {"type": "string"}, **bounds}


MINI = {
    "aspect_ratio": choice("16:9", "9:16", "4:3", "3:4", "1:1", "21:9", default="16:9"),
    "duration": whole(4, 15, 5),
    "resolution": choice("480p", "720p", default="720p"),
    "generate_audio": flag(default=True),
    "enable_web_search": flag(default=False),
}
REFERENCES = {"images": urls("image", 0, 9), "videos": urls("video", 0, 3)}
AUDIOS = {"audios": urls("audio", 0, 3)}
SHAPE_2_0 = choice("adaptive", "16:9", "9:16", "4:3", "3:4", "1:1", "21:9", default="adaptive")
SHAPE_2_5 = choice("16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "adaptive", default="16:9")
LENGTH_2_5 = {"duration": whole(4, 30, 5), "generate_audio": flag(default=True)}


def version_2_0(*resolutions: str) -> dict[str, Property]:
    return {
        "prompt": TEXT,
        **REFERENCES,
        **AUDIOS,
        "aspect_ratio": SHAPE_2_0,
        "duration": whole(4, 15, 5),
        "resolution": choice(*resolutions, default="720p"),
        "generate_audio": flag(default=True),
        "seed": {"type": "integer"},
    }


MINI_ID, ID_2_0, ID_2_5 = (f"bytedance/seedance-{name}" for name in ("2.0-mini", "2.0", "2.5"))
ALL = ("480p", "720p", "1080p", "4k")
TABLE: dict[str, tuple[str, str, dict[str, Property]]] = {
    "bytedance/seedance-1-0/lite/image-to-video": (
        "lite",
        "prompt first_frame_image_url",
        {
            "prompt": TEXT | {"maxLength": 1900},
            "first_frame_image_url": TEXT,
            "last_frame_image_url": TEXT,
            "resolution": choice("480p", "720p", "1080p", default="480p"),
            "duration": {"type": "integer", "enum": [5, 10], "default": 5},
        },
    ),
    f"{MINI_ID}/image-to-video": (
        "2.0-mini",
        "image prompt",
        {"prompt": TEXT, "image": IMAGE, "last_image": IMAGE, **MINI},
    ),
    f"{MINI_ID}/text-to-video": ("2.0-mini-text", "prompt", {"prompt": TEXT, **MINI}),
    f"{MINI_ID}/video-to-video": (
        "2.0-mini-video",
        "prompt video",
        {
            "prompt": TEXT,
            "video": VIDEO,
            "reference_images": urls("image"),
            "reference_audios": urls("audio"),
            **MINI,
        },
    ),
    f"{ID_2_0}/fast": ("2.0-fast", "prompt", version_2_0("480p", "720p")),
    f"{ID_2_0}/pro": ("2.0-pro", "prompt", version_2_0("480p", "720p", "1080p", "4k")),
    **{
        f"{ID_2_5}/image-to-video/{size}": (
            f"2.5-{size}",
            "prompt image",
            {"prompt": TEXT, "image": IMAGE, **LENGTH_2_5},
        )
        for size in ALL
    },
    **{
        f"{ID_2_5}/text-to-video/{size}": (
            f"2.5-text-{size}",
            "prompt",
            {"prompt": TEXT, "aspect_ratio": SHAPE_2_5, **LENGTH_2_5},
        )
        for size in ALL
    },
    **{
        f"{ID_2_5}/first-last-frame/{size}": (
            f"2.5-frames-{size}",
            "prompt first_frame last_frame",
            {"prompt": TEXT, "first_frame": IMAGE, "last_frame": IMAGE, **LENGTH_2_5},
        )
        for size in ("480p", "720p")
    },
    **{
        f"{ID_2_5}/reference-to-video/{size}": (
            f"2.5-reference-{size}",
            "prompt",
            {"prompt": TEXT, **REFERENCES, **AUDIOS, "aspect_ratio": SHAPE_2_5, **LENGTH_2_5},
        )
        for size in ("480p", "720p", "1080p")
    },
    f"{ID_2_5}/reference-to-video/4k": (
        "2.5-reference-4k",
        "prompt videos",
        {
            "prompt": TEXT,
            "images": urls("image", 0, 9),
            "videos": urls("video", 1, 3),
            **AUDIOS,
            "aspect_ratio": SHAPE_2_5,
            **LENGTH_2_5,
        },
    ),
}
MODELS = load_models()
EVERY = pytest.mark.parametrize("model_id", TABLE, ids=[row[0] for row in TABLE.values()])


def check_schema(model_id: str, schema: dict[str, Any]) -> None:
    """Check that a tool's input schema has exactly what the table says, and ours."""
    _, required, properties = TABLE[model_id]
    shown = schema["properties"]
    assert list(shown) == [*properties, *OURS]
    assert {
        name: {key: value for key, value in shown[name].items() if key in RULES}
        for name in properties
    } == properties
    assert sorted(schema["required"]) == sorted(required.split())
    assert (schema["type"], schema["additionalProperties"]) == ("object", False)
    assert all(shown[name]["description"] for name in properties)
    defaults = {name: prop["default"] for name, prop in properties.items() if "default" in prop}
    for name, default in defaults.items():
        said = str(default).lower() if isinstance(default, bool) else str(default)
        assert shown[name]["description"].endswith(f"Default {said}.")


def test_the_bundled_models_are_those_of_the_table() -> None:
    assert {i: model.short_name for i, model in MODELS.items()} == {
        model_id: row[0] for model_id, row in TABLE.items()
    }


def test_short_names_are_unique_also_as_names_of_tools() -> None:
    names = [model.short_name for model in MODELS.values()]
    assert len({re.sub(r"[^A-Za-z0-9_]", "_", name) for name in names}) == len(names) == 20


@EVERY
async def test_the_tool_of_a_model_has_exactly_what_runcomfy_publishes(model_id: str) -> None:
    server = build_server(Settings.model_validate({"model": model_id}))
    async with Client(server, mode="legacy") as client:
        tool, second, *_ = (await client.list_tools()).tools
    assert (tool.name, second.name) == ("generate_video", "check_status")
    check_schema(model_id, tool.input_schema)


async def test_so_has_each_tool_of_a_server_with_all_of_them() -> None:
    server = build_server(Settings.model_validate({"model": ",".join(TABLE)}))
    async with Client(server, mode="legacy") as client:
        tools = (await client.list_tools()).tools
    for model_id, tool in zip(TABLE, tools, strict=False):
        check_schema(model_id, tool.input_schema)


def test_every_model_says_where_and_when_its_schema_was_read() -> None:
    for model in MODELS.values():
        assert model.source
        assert re.fullmatch(r"2026-\d\d-\d\d", model.read_on)
        assert model.pricing == {"seconds": "duration"}


def test_every_audio_file_must_be_under_15_mb() -> None:
    files = [file for model in MODELS.values() for file in model.files() if file.kind == "audio"]
    assert len(files) == 7
    for file in files:
        (rule,) = file.rules
        assert (rule.quantity, rule.comparison, rule.bound) == ("file_size_mb", "<", 15)


TOOLS = {i: build_tools([model], wait_seconds=45)[0] for i, model in MODELS.items()}
SCHEMAS: dict[str, dict[str, Any]] = {i: tool.definition.input_schema for i, tool in TOOLS.items()}


def check_valid(model_id: str, data: st.DataObject) -> None:
    """Check that the server completes random valid arguments, and that the simulator takes them."""
    arguments = data.draw(valid_arguments(MODELS[model_id].input_schema))
    completed = check_arguments(SCHEMAS[model_id], arguments)
    sent = {name: value for name, value in completed.items() if name not in OURS}
    properties = TABLE[model_id][2]
    defaults = {name: prop["default"] for name, prop in properties.items() if "default" in prop}
    assert sent == defaults | arguments
    assert list(sent) == [name for name in properties if name in sent]
    job = anyio.run(accept, model_id, sent)
    assert (job.arguments, job.price_usd) == (sent, 0.04 * sent["duration"])


async def accept(model_id: str, arguments: dict[str, Any]) -> Job:
    """Let the simulator check and accept a job."""
    behaviour = Behaviour()
    async with anyio.create_task_group() as tasks:
        account = SimulatedAccount(
            behaviour=behaviour,
            models=MODELS,
            renderer=Renderer(behaviour=behaviour, folder=Path(), tasks=tasks),
            clock=anyio.current_time,
        )
        return await account.accept(model_id, arguments)
    raise AssertionError("the task group swallowed an exception")


def check_invalid(model_id: str, data: st.DataObject) -> None:
    """Check that the server refuses random invalid arguments by name."""
    arguments, name = data.draw(invalid_arguments(MODELS[model_id].input_schema))
    with pytest.raises(InputError) as refused:
        check_arguments(SCHEMAS[model_id], arguments)
    path, message = refused.value.argument, refused.value.message
    assert path == name
    assert name in message
    assert (len(message) < 400, message[-1], message.isprintable()) == (True, ".", True)


@EVERY
@given(data=st.data())
@settings(max_examples=6)
def test_random_valid_arguments_are_accepted(model_id: str, data: st.DataObject) -> None:
    check_valid(model_id, data)


@EVERY
@given(data=st.data())
@settings(max_examples=5)
def test_random_invalid_arguments_are_refused_by_name(model_id: str, data: st.DataObject) -> None:
    check_invalid(model_id, data)


@pytest.mark.stress
@EVERY
@given(data=st.data())
@settings(max_examples=100)
def test_many_random_arguments_are_accepted_or_refused(model_id: str, data: st.DataObject) -> None:
    check_valid(model_id, data)
    check_invalid(model_id, data)


ASPECTS = {"21:9": 21 / 9, "9:16": 9 / 16, "16:9": 16 / 9}
HEIGHTS = {"480p": 480, "720p": 720, "1080p": 1080, "4k": 2160}


def call_for(model_id: str, number: int) -> dict[str, Any]:
    """Return valid arguments: every file that is required, the shortest length, odd shapes."""
    _, required, properties = TABLE[model_id]
    call: dict[str, Any] = {"prompt": "A lake."}
    for name in required.split():
        url = f"https://files.example/{name}"
        call.setdefault(name, [url] if properties[name]["type"] == "array" else url)
    duration = properties["duration"]
    call["duration"] = duration.get("minimum", 5)
    if "aspect_ratio" in properties:
        call["aspect_ratio"] = list(ASPECTS)[number % len(ASPECTS)]
    if "resolution" in properties:
        sizes = properties["resolution"]["enum"]
        call["resolution"] = sizes[number % len(sizes)]
    return call


@pytest.mark.virtual_time
async def test_a_clip_is_made_with_every_model() -> None:
    drawn: list[tuple[int, int, float | None]] = []

    def draw(path: Path, *images: Any, height: int, seconds: int, **options: Any) -> None:
        drawn.append((height, seconds, options["aspect"]))
        _clip.render(path, *images, height=height // 60, seconds=1, **options)

    behaviour = Behaviour(images="never")
    async with (
        running(behaviour, clock=anyio.current_time, render=draw) as simulator,
        open_mcp_client(
            token=simulator.token, base_url=simulator.url, model=",".join(TABLE)
        ) as client,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        for number, (model_id, tool) in enumerate(zip(TABLE, tools, strict=False)):
            call = call_for(model_id, number)
            answer = structured(await client.call_tool(tool, call | {"wait_seconds": 60}))
            assert (answer["status"], answer["model_id"]) == ("completed", model_id)
            job = simulator.accepted[-1]
            assert (job.model_id, job.price_usd) == (model_id, 0.04 * call["duration"])
            with av.open(BytesIO((await http.get(answer["video_url"])).content)) as container:
                assert container.streams.video[0].frames == 24
            size = call.get("resolution", model_id.rpartition("/")[2])
            shape = ASPECTS.get(call.get("aspect_ratio", ""))
            assert drawn[-1] == (HEIGHTS[size], call["duration"], shape)
    assert len(drawn) == len(TABLE)


@pytest.mark.virtual_time
async def test_an_invalid_call_of_any_model_sends_nothing() -> None:
    async with open_client(model=",".join(TABLE)) as client:
        tools = [tool.name for tool in (await client.mcp.list_tools()).tools]
        for model_id, tool in zip(TABLE, tools, strict=False):
            call = call_for(model_id, 0)
            for wrong in ({"duration": 31}, {"prompt": None}, {"sead": 5}, {"resolution": "2k"}):
                result = await client.call(tool, **(call | wrong))
                assert result.is_error
                assert text(result).endswith("Nothing was charged.")
                assert next(iter(wrong)) in text(result)
        assert [seen for seen in client.simulator.requests if seen.method == "POST"] == []
