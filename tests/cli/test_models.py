"""The command `seedance-mcp models`, and models that a user adds from RunComfy's catalogue."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.models.model import load_models
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import IMAGE_URL, open_mcp_client, structured
from tests.support.server_process import Servers, environment
from tests.support.small_clip import render_small_clip
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

LITE = "bytedance/seedance-1-0/lite/image-to-video"
ODD: dict[str, Any] = {
    "model_id": "kwaivgi/kling/v3/image-to-video",
    "display_name": "Kling \x1b[31m3",
    "base_price_usd": 0.5,
    "price_unit": "second",
    "input_schema": {
        "type": "object",
        "required": ["prompt", "image", "ghost"],
        "properties": {
            "prompt": {"type": "string", "default": None},
            "image": {"type": "string", "format": "image_uri"},
            "duration": {"type": "int", "enum": [5, 10], "default": 5},
            "guidance": {"type": "float", "minimum": 0, "maximum": 1, "default": 0.5},
            "camera": {"type": "camera_path"},
        },
    },
}
PRO_LIMITS = (
    "images up to 9; videos up to 3; audios up to 3; aspect_ratio adaptive 16:9 9:16 4:3 3:4 1:1"
    " 21:9; resolution 480p 720p 1080p 4k"
)
PROBLEMS = [
    "Not understood, and left out: camera: its type \"'camera_path'\" is not understood.",
    'Not understood, and left out: required names "ghost", which is not among the properties.',
]


class Command:
    """The command on a state folder, with the simulator as RunComfy."""

    def __init__(self, servers: Servers, folder: Path, simulator: Simulator) -> None:
        self._servers = servers
        self._environment = environment(
            folder,
            RUNCOMFY_API_BASE_URL=simulator.url,
            RUNCOMFY_API_TOKEN=simulator.token,
            SEEDANCE_STATE_DIR=str(folder),
        )

    async def __call__(self, *words: str, code: int = 0, **more: str) -> list[str]:
        """Run it, and return the lines that it prints, or those of its error."""
        given = {k: v for k, v in (self._environment | more).items() if v}
        run = await self._servers.command(["models", *words], given)
        assert run.returncode == code, run.stderr
        return (run.stderr if code else run.stdout).decode().splitlines()


@asynccontextmanager
async def open_command(
    servers: Servers, folder: Path, **switches: Any
) -> AsyncGenerator[tuple[Command, Simulator], None]:
    """Yield the command, and a simulator whose catalogue also has a model with oddities."""
    behaviour = Behaviour(images="never", other_entries=[ODD], **switches)
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with running(behaviour, render=render_small_clip) as simulator:
            yield Command(servers, folder, simulator), simulator


async def test_every_known_model_is_listed_without_a_token(
    servers: Servers, tmp_path: Path
) -> None:
    async with open_command(servers, tmp_path) as (command, simulator):
        head, *lines = await command(RUNCOMFY_API_TOKEN="", SEEDANCE_MODEL="2.0-pro")
        assert head.split() == ["MODEL", "NAME", "KNOWN", "SECONDS", "USD", "LIMITS"]
        assert len(lines) == len(load_models()) == 20
        (pro,) = [line.split("  ") for line in lines if line.startswith("*")]
        assert [cell for cell in map(str.strip, pro) if cell] == [
            *("*", "bytedance/seedance-2.0/pro", "2.0-pro", "bundled", "4 to 15"),
            PRO_LIMITS,
        ]
        (error,) = await command("--live", RUNCOMFY_API_TOKEN="", code=1)
        assert error.startswith("seedance-mcp: No RunComfy token is set.")
        assert simulator.requests == []


async def test_live_adds_prices_and_the_rest_and_a_search_finds_any_model(
    servers: Servers, tmp_path: Path
) -> None:
    async with open_command(servers, tmp_path, renamed_models={LITE: ""}) as (command, _):
        listed = json.loads("\n".join(await command("--live", "--json")))
        by_id = {facts["model_id"]: facts for facts in listed}
        assert set(by_id) == {*load_models(), ODD["model_id"]}
        assert (by_id[LITE]["in_catalogue"], by_id[LITE]["base_price_usd"]) == (False, None)
        assert by_id["bytedance/seedance-2.0/pro"]["base_price_usd"] == 0.04
        _, line = await command("--search", "kling")
        assert line.split() == [ODD["model_id"], "0.5", "a", "second", "Kling", "3"]
        assert await command("--search", "nothing like it") == ["No model matches."]


async def test_an_added_model_is_served_refreshed_and_removed(
    servers: Servers, tmp_path: Path
) -> None:
    async with open_command(servers, tmp_path) as (command, simulator):
        assert await command("add", ODD["model_id"]) == [
            f"Added {ODD['model_id']} as kwaivgi-kling-v3.",
            *PROBLEMS,
            "To make clips with it, set SEEDANCE_MODEL=kwaivgi-kling-v3 and restart the server.",
            "Several models can be set, separated by commas.",
        ]
        lines = await command(SEEDANCE_MODEL="kwaivgi-kling-v3")
        assert lines[-1].split()[:4] == ["*", ODD["model_id"], "kwaivgi-kling-v3", "added"]
        assert await command("refresh") == [f"{ODD['model_id']}: as before.", *PROBLEMS]
        narrower = json.loads(json.dumps(ODD))
        narrower["input_schema"]["properties"]["duration"]["enum"] = [5]
        simulator.behaviour.other_entries = [narrower]
        changed = f"{ODD['model_id']}: duration no longer takes 10."
        assert await command("refresh") == [changed, *PROBLEMS]
        simulator.behaviour.other_entries = []
        assert await command("refresh", code=1) == [
            f"seedance-mcp: Not refreshed: {ODD['model_id']}."
        ]
        await check_served(simulator, tmp_path)
        assert await command("remove", "kwaivgi-kling-v3") == [f"Removed {ODD['model_id']}."]
        assert list((tmp_path / "models").iterdir()) == []


async def check_served(simulator: Simulator, folder: Path) -> None:
    """Check that a server offers the added model with what was understood of its schema."""
    account: dict[str, Any] = {"token": simulator.token, "base_url": simulator.url}
    async with open_mcp_client(folder, model="kwaivgi-kling-v3", **account) as client:
        tool = (await client.list_tools()).tools[0]
        properties = tool.input_schema["properties"]
        assert (properties["duration"]["enum"], properties["guidance"]["type"]) == ([5], "number")
        assert tool.input_schema["required"] == ["prompt", "image"]
        arguments = {"prompt": "Mist.", "image": IMAGE_URL, "duration": 10}
        assert (await client.call_tool("generate_video", arguments)).is_error


NOT_THERE = "RunComfy's catalogue does not have"


@pytest.mark.parametrize(
    ("model_id", "error"),
    [
        (LITE, f"{LITE} is bundled already; set SEEDANCE_MODEL to lite."),
        (
            "kwaivgi/kling/v2/image-to-video",
            f"{NOT_THERE} kwaivgi/kling/v2/image-to-video. Did you mean {ODD['model_id']}?",
        ),
        ("../../v2/balance", '"../../v2/balance" is not the id of a model, such as a/b/c.'),
    ],
)
async def test_a_model_that_cannot_be_added_is_refused_in_one_line(
    model_id: str, error: str, servers: Servers, tmp_path: Path
) -> None:
    async with open_command(servers, tmp_path) as (command, _):
        assert await command("add", model_id, code=1) == [f"seedance-mcp: {error}"]
        assert not (tmp_path / "models").exists()


async def test_an_unreadable_file_is_named_and_the_rest_works(
    servers: Servers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_command(servers, tmp_path) as (command, simulator):
        await command("add", ODD["model_id"])
        large = json.dumps({"entry": ODD, "more": "x" * 3_000_000})
        contents = ["", "[]", "[" * 100_000, '{"entry": {"model_id": "../x"}}', large]
        for number, content in enumerate(contents):
            (tmp_path / "models" / f"bad-{number}.json").write_text(content)
        assert len(await command()) == 22
        account: dict[str, Any] = {"token": simulator.token, "base_url": simulator.url}
        async with open_mcp_client(tmp_path, model="lite,kwaivgi-kling-v3", **account) as client:
            assert structured(await client.call_tool("list_jobs", {}))["jobs"] == []
    warned = [one.getMessage() for one in caplog.records if one.name.endswith("app")]
    assert [line.partition(" is left out: ")[0] for line in warned] == [
        f'The file of an added model, "bad-{number}.json"' for number in range(5)
    ]
