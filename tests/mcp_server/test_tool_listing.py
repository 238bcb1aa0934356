"""What the model sees of the tools before it calls one, to the letter."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import ListToolsResult

from seedance_mcp.mcp_server._server import INSTRUCTIONS
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.models.model import load_models
from seedance_mcp.settings import load_settings
from tests.support.client import text

pytestmark = pytest.mark.anyio

SNAPSHOT = Path(__file__).parent / "snapshots" / "tools-list.json"
MODELS = load_models()
MODEL = MODELS["bytedance/seedance-1-0/lite/image-to-video"]
FRAME_TOO = " Or seedance://jobs/ID/last-frame."
OURS = {"wait_seconds", "force_new", "dry_run"}


async def listed(
    mode: str = "legacy", *, local_files: bool = False, **settings: str
) -> dict[str, Any]:
    server = build_server(load_settings(settings), local_files=local_files)
    async with Client(server, mode=mode) as client:
        return dumped(await client.list_tools())


def dumped(result: ListToolsResult) -> dict[str, Any]:
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


async def test_the_tools_are_listed_as_the_snapshot_has_them() -> None:
    tools = without_versions((await listed())["tools"])
    again = "after an intended change, run: python -m tests.mcp_server.test_tool_listing"
    assert tools == json.loads(SNAPSHOT.read_text("utf-8")), again


def without_versions(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return tools without the versions of their pages, which change with each page."""
    listing = json.dumps(tools)
    return json.loads(re.sub(r"(ui://seedance/[a-z]+)-[0-9a-f]{12}\.", r"\1-HASH.", listing))


def size(listing: dict[str, Any]) -> int:
    """Return how many bytes a listing takes as compact JSON, without `_meta`.

    No model sees that.
    """
    seen = [{name: tool[name] for name in tool if name != "_meta"} for tool in listing["tools"]]
    return len(json.dumps(seen, separators=(",", ":"), ensure_ascii=False).encode())


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_list_of_tools_is_at_most_8192_bytes_with_any_model(mode: str) -> None:
    for model in MODELS.values():
        tools = await listed(mode, local_files=True, SEEDANCE_MODEL=model.short_name)
        assert size(tools) <= 8192, model.short_name


async def test_a_further_model_takes_at_most_2000_bytes() -> None:
    (_, *further), sole = MODELS.values(), size(await listed(local_files=True))
    names = [model.short_name for model in further]
    for name in names:
        both = await listed(local_files=True, SEEDANCE_MODEL=f"lite,{name}")
        assert size(both) - sole <= 2000, name
    every = await listed("auto", local_files=True, SEEDANCE_MODEL=f"lite,{','.join(names)}")
    assert size(every) <= 8192 + 2000 * len(names)


async def test_a_further_tool_has_its_models_schema_and_is_like_generate_video() -> None:
    tool = (await listed(SEEDANCE_MODEL="lite,2.5-720p"))["tools"][1]
    sole = (await listed(SEEDANCE_MODEL="2.5-720p"))["tools"][0]
    shown, whole = tool["inputSchema"]["properties"], sole["inputSchema"]["properties"]
    for name in OURS:
        assert shown[name].pop("description") == "As for generate_video."
        del whole[name]["description"]
    assert tool["inputSchema"] == sole["inputSchema"]
    assert tool["name"] == "generate_video_2_5_720p"
    assert tool["description"] == (
        "As generate_video, from an image and a prompt, with"
        " bytedance/seedance-2.5/image-to-video/720p. Each new job costs money."
    )
    assert tool["annotations"] == sole["annotations"]
    assert list(tool["outputSchema"]["properties"]) == ["request_id", "status", "next_step"]


async def test_the_schema_of_generate_video_is_the_models_key_by_key() -> None:
    (tool,) = [t for t in (await listed())["tools"] if t["name"] == "generate_video"]
    schema = tool["inputSchema"]
    assert list(schema["properties"]) == [*MODEL.properties, "wait_seconds", "force_new", "dry_run"]
    for name, prop in MODEL.properties.items():
        upstream = {key: value for key, value in prop.items() if key != "validations"}
        shown = dict(schema["properties"][name])
        if name in MODEL.file_arguments:
            shown["description"] = shown["description"].removesuffix(FRAME_TOO)
        if not upstream["description"]:
            assert shown.pop("description")
            del upstream["description"]
        assert shown == upstream
    rest = {key: value for key, value in schema.items() if key != "properties"}
    upstream = {key: value for key, value in MODEL.input_schema.items() if key != "properties"}
    assert rest == upstream | {"additionalProperties": False}


async def test_a_portable_schema_says_an_enum_of_numbers_as_bounds_and_words() -> None:
    portable = await listed(local_files=True, SEEDANCE_PORTABLE_SCHEMAS="true")
    expected = await listed(local_files=True)
    for tool in expected["tools"]:
        # Google's own library cannot read it.
        del tool["inputSchema"]["additionalProperties"]
    duration = expected["tools"][0]["inputSchema"]["properties"]["duration"]
    assert duration.pop("enum") == [5, 10]
    duration |= {"minimum": 5, "maximum": 10}
    duration["description"] = "Length of the clip in seconds. Default 5. Allowed: 5, 10."
    assert portable == expected
    assert size(portable) <= 8192


async def test_a_portable_schema_has_no_formats() -> None:
    model = "2.0-pro,2.5-720p"
    plain = json.dumps(await listed(SEEDANCE_MODEL=model))
    portable = json.dumps(await listed(SEEDANCE_MODEL=model, SEEDANCE_PORTABLE_SCHEMAS="true"))
    assert '"format": "image_uris"' in plain
    assert '"format"' not in portable


async def test_with_a_portable_schema_values_are_checked_against_the_models_own() -> None:
    server = build_server(load_settings({"SEEDANCE_PORTABLE_SCHEMAS": "true"}))
    arguments = {"prompt": "A lake.", "first_frame_image_url": "https://a.example/b.png"}
    async with Client(server, mode="legacy") as client:
        result = await client.call_tool("generate_video", {**arguments, "duration": 7})
        misspelt = await client.call_tool("generate_video", {**arguments, "lenght": 5})
    assert result.is_error
    assert text(result) == "duration must be one of 5, 10. Nothing was charged."
    assert text(misspelt).startswith("Unknown argument lenght. Valid arguments: ")


def image_descriptions(listing: dict[str, Any]) -> list[str]:
    properties = listing["tools"][0]["inputSchema"]["properties"]
    names = [file.name for file in MODEL.files() if file.kind == "image"]
    return [properties[name]["description"] for name in names]


async def test_where_local_files_are_read_every_image_argument_says_so() -> None:
    without = image_descriptions(await listed())
    assert [text for text in without if "path" in text] == []
    # As over stdio, and as where the settings decide.
    told = [f"{text} Or a file's absolute path." for text in without]
    assert image_descriptions(await listed(local_files=True)) == told
    assert image_descriptions(await listed(SEEDANCE_LOCAL_FILES="true")) == told
    off = await listed(local_files=True, SEEDANCE_LOCAL_FILES="false")
    assert image_descriptions(off) == without


async def test_every_image_argument_and_no_other_says_that_a_frame_of_a_clip_works() -> None:
    every = await listed(SEEDANCE_MODEL=",".join(model.short_name for model in MODELS.values()))
    saying = {
        (tool["name"], name)
        for tool in every["tools"]
        for name, prop in tool["inputSchema"]["properties"].items()
        if FRAME_TOO in prop["description"]
    }
    models = dict(zip([tool["name"] for tool in every["tools"]], MODELS.values(), strict=False))
    assert saying == {
        (name, file.name)
        for name, model in models.items()
        for file in model.files()
        if file.kind == "image"
    }


async def test_every_tool_says_that_it_takes_no_other_arguments() -> None:
    roots = [tool["inputSchema"] for tool in (await listed())["tools"]]
    assert [root["additionalProperties"] for root in roots] == [False] * 6


async def test_every_tool_has_a_title_an_output_schema_and_all_four_hints() -> None:
    for tool in (await listed())["tools"]:
        assert tool["title"]
        assert tool["outputSchema"]["type"] == "object"
        assert set(tool["annotations"]) == {
            "readOnlyHint",
            "destructiveHint",
            "idempotentHint",
            "openWorldHint",
        }


async def test_an_output_schema_is_short_and_yet_says_which_facts_may_be_null() -> None:
    schemas = {tool["name"]: tool["outputSchema"] for tool in (await listed())["tools"]}
    for schema in schemas.values():
        assert "anyOf" not in json.dumps(schema)
        assert "in_queue" not in json.dumps(schema)
    facts = schemas["generate_video"]["properties"]
    assert facts["request_id"] == {"type": ["string", "null"]}
    assert facts["queue_position"] == {"type": ["integer", "null"]}
    assert facts["status"] == {"type": "string"}
    assert facts["estimated_cost_usd"] == {"type": "number"}


async def test_every_description_fits_every_client_and_says_the_default_too() -> None:
    each = [await listed(local_files=True, SEEDANCE_MODEL=m.short_name) for m in MODELS.values()]
    for tool in (tool for listing in each for tool in listing["tools"]):
        assert len(tool["description"]) <= 300
        for prop in tool["inputSchema"]["properties"].values():
            assert 0 < len(prop["description"]) <= 200
            if "default" in prop:
                written = json.dumps(prop["default"]).strip('"')
                assert f"Default {written}." in prop["description"]


async def test_the_default_wait_is_the_configured_one() -> None:
    async with Client(
        build_server(load_settings({"SEEDANCE_WAIT_SECONDS": "7"})), mode="legacy"
    ) as client:
        tools = dumped(await client.list_tools())["tools"]
    waits = [t["inputSchema"]["properties"].get("wait_seconds") for t in tools]
    assert [wait["default"] for wait in waits if wait] == [7, 7]


def test_the_instructions_fit_into_600_characters() -> None:
    assert 0 < len(INSTRUCTIONS) <= 600


if __name__ == "__main__":
    import anyio

    tools = without_versions(anyio.run(listed)["tools"])
    SNAPSHOT.write_text(json.dumps(tools, indent=2, ensure_ascii=False) + "\n", "utf-8")
