"""A model that takes lists of files works without a line of code of its own."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import TextContent

from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import structured, text
from tests.support.list_model import LIST_MODEL
from tests.support.preflight import data_uri, write_image
from tests.support.sample_images import make_image
from tests.support.timeouts import TIMEOUT_SECONDS, wait_until
from tests.support.wording import (
    NOT_A_VIDEO_URL,
    NOT_AN_AUDIO_URL,
    ONLY_IMAGES,
    ONLY_URLS_DOCUMENTED,
)

pytestmark = pytest.mark.anyio

PROMPT = "Mist over the lake."
MODELS = {LIST_MODEL.model_id: LIST_MODEL}
IMAGE = make_image("PNG", (640, 480))
MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(600)
MP3 = b"ID3\4\0\0\0\0\0\0" + bytes(600)
SMALL = make_image("PNG", (200, 480))


@asynccontextmanager
async def connect(
    folder: Path, behaviour: Behaviour | None = None, **more: Any
) -> AsyncGenerator[tuple[Client, Simulator], None]:
    """Connect a client to a server that offers the model with lists."""
    behaviour = behaviour or Behaviour(run_seconds=0.1)
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with running(behaviour, models=MODELS) as simulator:
            settings: dict[str, Any] = {
                "token": simulator.token,
                "base_url": simulator.url,
                "model": LIST_MODEL.model_id,
                "state_dir": folder / "state",
                "allow_private_urls": True,
                **more,
            }
            server = build_server(Settings(**settings), local_files=True, models=MODELS)
            async with Client(server, mode="legacy") as client:
                yield client, simulator


def published(simulator: Simulator, folder: Path, data: bytes, name: str = "lake.png") -> str:
    return simulator.publish(Path(write_image(folder, data, name)))


async def test_a_list_of_a_url_a_file_and_a_data_uri_makes_a_clip(
    tmp_path: Path, image_folder: Path
) -> None:
    async with connect(tmp_path) as (client, simulator):
        images = [
            published(simulator, image_folder, IMAGE),
            write_image(image_folder, IMAGE, "local.png"),
            data_uri(IMAGE),
        ]
        arguments = {"prompt": PROMPT, "images": images}
        result = await client.call_tool("generate_video", arguments)
        (job,) = simulator.accepted
    assert structured(result)["status"] == "completed"
    assert structured(result)["warnings"] == [f"images[1] and images[2] are {ONLY_URLS_DOCUMENTED}"]
    assert job.arguments["images"] == [images[0], data_uri(IMAGE), data_uri(IMAGE)]
    assert job.images == [IMAGE] * 3
    ledger = (tmp_path / "state" / "ledger.db").read_bytes()
    assert images[0].encode() in ledger
    assert data_uri(IMAGE)[:200].encode() not in ledger


@pytest.mark.parametrize("as_string", [False, True])
async def test_a_refusal_names_the_item_of_the_list(
    tmp_path: Path, image_folder: Path, *, as_string: bool
) -> None:
    async with connect(tmp_path) as (client, simulator):
        url = published(simulator, image_folder, IMAGE)
        images: object = [url, write_image(image_folder, SMALL)]
        if as_string:
            images = json.dumps(images)
        result = await client.call_tool("generate_video", {"prompt": PROMPT, "images": images})
    assert (result.is_error, simulator.accepted) == (True, [])
    assert text(result) == (
        "images[1]: The uploaded image width and height must not be less than 300 pixels."
        " It is 200 x 480 pixels. Nothing was charged."
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"images": []}, "images must be a list of 1 to 4 items."),
        ({"images": ["a"] * 5}, "images must be a list of 1 to 4 items."),
        ({"images": "lake.png"}, "images must be a list of 1 to 4 items."),
        ({"images": ["lake.png", 5]}, "images[1] must be a string."),
        ({"images": ["lake.png", " "]}, "images[1] must not be empty: a string."),
        ({"images": ["/nowhere.png"]}, "images[0] must be an image; /nowhere.png does not exist."),
        (
            {"videos": ["ftp://a.example/a.mp4"]},
            f"videos[0] {NOT_A_VIDEO_URL}it begins with ftp:.",
        ),
        (
            {"videos": ["clip.mp4"]},
            f"videos[0] {NOT_A_VIDEO_URL}{ONLY_IMAGES}",
        ),
        (
            {"audio": "data:audio/wav;base64,AAAA"},
            f"audio {NOT_AN_AUDIO_URL}{ONLY_IMAGES}",
        ),
    ],
)
async def test_an_invalid_file_in_a_list_buys_nothing(
    tmp_path: Path, arguments: dict[str, Any], line: str
) -> None:
    async with connect(tmp_path) as (client, simulator):
        result = await client.call_tool("generate_video", {"prompt": PROMPT} | arguments)
    assert (text(result), simulator.accepted) == (f"{line} Nothing was charged.", [])


async def test_videos_and_audio_are_checked_and_sent(tmp_path: Path) -> None:
    async with connect(tmp_path) as (client, simulator):
        video = published(simulator, tmp_path, MP4, "clip.mp4")
        audio = published(simulator, tmp_path, MP3, "song.mp3")
        arguments = {"prompt": PROMPT, "videos": [video], "audio": video, "wait_seconds": 0}
        warned = await client.call_tool("generate_video", arguments)
        result = await client.call_tool("generate_video", arguments | {"audio": audio})
        swapped = await client.call_tool("generate_video", arguments | {"videos": [video, audio]})
    sent = [(job.arguments["videos"], job.arguments["audio"]) for job in simulator.accepted]
    assert sent == [([video], video), ([video], audio)]
    assert structured(warned)["warnings"] == [
        "audio is of type MP4, which RunComfy may not accept; WAV and MP3 are safest."
    ]
    assert (structured(result)["warnings"], swapped.is_error) == ([], True)
    assert text(swapped) == (
        f'videos[1] {NOT_A_VIDEO_URL}it is an audio file (MP3) ("audio/mpeg"). Nothing was charged.'
    )


async def test_runcomfys_refusal_of_an_item_is_passed_on(tmp_path: Path) -> None:
    at_submit = Behaviour(images="at_submit")
    async with connect(tmp_path, at_submit, check_images=False) as (client, simulator):
        images = [
            published(simulator, tmp_path, IMAGE),
            published(simulator, tmp_path, SMALL, "small.png"),
        ]
        result = await client.call_tool("generate_video", {"prompt": PROMPT, "images": images})
    assert (result.is_error, simulator.accepted) == (True, [])
    assert "images[1]" in text(result)


async def test_a_repeated_call_gets_its_job_back(tmp_path: Path) -> None:
    async with connect(tmp_path, Behaviour(run_seconds=60)) as (client, simulator):
        images = [published(simulator, tmp_path, IMAGE), data_uri(IMAGE)]
        arguments = {"prompt": PROMPT, "images": images}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "generate_video", arguments)
            await wait_until(lambda: bool(simulator.accepted))
            tasks.cancel_scope.cancel()
        again = await client.call_tool("generate_video", arguments | {"wait_seconds": 0})
    (job,) = simulator.accepted
    assert (structured(again)["request_id"], structured(again)["reused"]) == (job.request_id, True)


async def test_the_prompt_asks_for_a_list_with_the_image(tmp_path: Path) -> None:
    async with connect(tmp_path) as (client, _):
        given = {"image": "https://images.example/lake.jpg", "idea": "Mist."}
        (message,) = (await client.get_prompt("animate_image", given)).messages
    assert isinstance(message.content, TextContent)
    assert "images: a list with the image exactly as it is given above." in message.content.text
    assert "Leave videos, audio, resolution, duration out" in message.content.text
