"""Calls that the schema excludes are rejected in one line, and send nothing to RunComfy."""

from typing import Any

import pytest

from tests.support.client import ARGUMENTS, open_client, structured, text
from tests.support.wording import (
    LOCAL_FILES_OFF,
    NO_TOKEN,
    NOT_A_BOOLEAN,
    NOT_A_DURATION,
    NOT_A_PROMPT,
    NOT_A_RESOLUTION,
    NOT_A_WAIT,
    NOT_AN_IMAGE_URL,
    PROMPT_TOO_LONG,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

URL = f"first_frame_image_url {NOT_AN_IMAGE_URL}it "
NO_FILES = f"first_frame_image_url {NOT_AN_IMAGE_URL}{LOCAL_FILES_OFF}"


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"prompt": None}, f"prompt {NOT_A_PROMPT}"),
        ({"prompt": "x" * 1901}, f"prompt {PROMPT_TOO_LONG}"),
        ({"prompt": " \n"}, "prompt must not be empty: a string of at most 1,900 characters."),
        ({"prompt": ["a"]}, f"prompt {NOT_A_PROMPT}"),
        (
            {"promt": "x"},
            (
                "Unknown argument promt. Did you mean prompt? Valid arguments: prompt,"
                " first_frame_image_url, last_frame_image_url, resolution, duration, wait_seconds,"
                " force_new, dry_run."
            ),
        ),
        (
            {"seed": 7},
            (
                "Unknown argument seed. Valid arguments: prompt, first_frame_image_url,"
                " last_frame_image_url, resolution, duration, wait_seconds, force_new,"
                " dry_run."
            ),
        ),
        ({"duration": 7}, f"duration {NOT_A_DURATION}"),
        ({"duration": "7"}, f"duration {NOT_A_DURATION}"),
        ({"duration": True}, f"duration {NOT_A_DURATION}"),
        (
            {"resolution": "480"},
            NOT_A_RESOLUTION,
        ),
        ({"wait_seconds": 901}, f"wait_seconds {NOT_A_WAIT}"),
        ({"wait_seconds": -1}, f"wait_seconds {NOT_A_WAIT}"),
        ({"force_new": "yes"}, f"force_new {NOT_A_BOOLEAN}"),
        ({"dry_run": "yes"}, f"dry_run {NOT_A_BOOLEAN}"),
        ({"first_frame_image_url": "http://a.example/b.png"}, URL + "begins with http:."),
        ({"first_frame_image_url": "/etc/passwd"}, NO_FILES),
        ({"first_frame_image_url": "file:///etc/passwd"}, NO_FILES),
    ],
    ids=str,
)
async def test_a_wrong_argument_is_rejected_by_name_and_costs_nothing(
    wrong: dict[str, Any], line: str
) -> None:
    async with open_client() as client:
        result = await client.generate(**wrong)
        assert result.is_error
        assert text(result) == f"{line} Nothing was charged."
        assert client.paths() == []


@pytest.mark.parametrize("missing", ["prompt", "first_frame_image_url"])
async def test_a_missing_argument_is_rejected_by_name(missing: str) -> None:
    arguments = {name: value for name, value in ARGUMENTS.items() if name != missing}
    async with open_client() as client:
        result = await client.call("generate_video", **arguments)
        assert text(result).startswith(f"{missing} is required: ")
        assert (result.is_error, client.paths()) == (True, [])


@pytest.mark.parametrize(
    "request_id",
    ["", " ", "../../v2/deployments", "a/b", "a?b", "a%2Fb", "a\n", "ä", "x" * 129, "x" * 10**6],
    ids=lambda value: repr(value[:20]),
)
async def test_an_id_of_the_wrong_shape_never_reaches_runcomfy(request_id: str) -> None:
    async with open_client() as client:
        for tool in ("check_status", "get_result", "cancel_job"):
            result = await client.call(tool, request_id=request_id)
            assert result.is_error
            assert text(result).startswith("request_id must ")
            assert len(text(result)) < 200
        assert client.paths() == []


async def test_a_stringified_number_is_taken_as_the_number() -> None:
    async with open_client() as client:
        result = await client.generate(duration="10", wait_seconds="30", force_new="false")
        assert structured(result)["status"] == "completed"
        assert client.simulator.accepted[0].arguments["duration"] == 10


async def test_the_longest_prompt_passes() -> None:
    async with open_client() as client:
        assert structured(await client.generate(prompt="ü" * 1900))["status"] == "completed"


async def test_plain_http_passes_where_private_urls_are_allowed() -> None:
    async with open_client(allow_private_urls=True) as client:
        url = "http://127.0.0.1:9/a.png"
        assert structured(await client.generate(first_frame_image_url=url))["status"] == "completed"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("generate_video", ARGUMENTS),
        ("check_status", {"request_id": "abc"}),
        ("get_result", {"request_id": "abc"}),
        ("cancel_job", {"request_id": "abc"}),
        ("list_jobs", {}),
        ("join_clips", {"request_ids": ["abc", "abd"]}),
    ],
)
async def test_without_a_token_every_tool_says_how_to_set_one(
    tool: str, arguments: dict[str, Any]
) -> None:
    async with open_client(token=None) as client:
        result = await client.call(tool, **arguments)
        assert result.is_error
        assert text(result) == NO_TOKEN
        assert client.paths() == []
