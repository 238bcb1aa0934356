"""The prompt that turns an image and an idea into a clip, and the server's instructions."""

from dataclasses import replace

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import GetPromptRequestParams, TextContent

from seedance_mcp.mcp_server._prompts import Prompts
from seedance_mcp.mcp_server._server import INSTRUCTIONS
from seedance_mcp.models.model import load_models
from tests.support.client import IMAGE_URL, open_client

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
ARGUMENTS = {"image": IMAGE_URL, "idea": "The mist drifts and {nothing} else moves."}
both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])


@both_eras
async def test_the_prompt_is_listed_with_its_arguments(mode: str) -> None:
    async with open_client(mode=mode) as client:
        (prompt,) = (await client.mcp.list_prompts()).prompts
    assert (prompt.name, prompt.title) == ("animate_image", "Animate an image")
    assert [(a.name, a.required) for a in prompt.arguments or []] == [
        ("image", True),
        ("idea", True),
    ]


@both_eras
async def test_the_prompt_explains_a_good_prompt_and_names_the_arguments(
    mode: str,
) -> None:
    async with open_client(mode=mode) as client:
        (message,) = (await client.mcp.get_prompt("animate_image", ARGUMENTS)).messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    text = message.content.text
    assert f"Image: {ARGUMENTS['image']}\nIdea: {ARGUMENTS['idea']}\n" in text
    for part in ["the subject", "the movement", "the camera", "one shot", "must not change"]:
        assert f". {part}" in text or f"what {part}" in text
    assert "at most 1900 characters" in text
    assert "call generate_video once, with prompt: the prompt you wrote, and" in text
    assert "first_frame_image_url: the image exactly as it is given above." in text
    assert "Leave last_frame_image_url, resolution, duration out" in text
    assert "costs money" in text


async def test_the_argument_names_come_from_the_model() -> None:
    names = {"prompt": "words", "first_frame_image_url": "opening", "duration": "length"}
    schema = {
        "required": [names.get(name, name) for name in MODEL.input_schema["required"]],
        "properties": {names.get(name, name): prop for name, prop in MODEL.properties.items()},
    }
    prompts = Prompts({"generate_video": replace(MODEL, input_schema=schema)})
    params = GetPromptRequestParams(name="animate_image", arguments=ARGUMENTS)
    (message,) = (await prompts.get(None, params)).messages  # type: ignore[arg-type]
    assert isinstance(message.content, TextContent)
    assert "with words: the prompt" in message.content.text
    assert "opening: the image" in message.content.text
    assert "Leave last_frame_image_url, resolution, length out" in message.content.text
    assert "first_frame_image_url" not in message.content.text


@both_eras
@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("animate", ARGUMENTS, "Unknown prompt: animate"),
        ("animate_image", {"idea": "Mist."}, "image is required"),
        ("animate_image", {"image": IMAGE_URL, "idea": " "}, "idea is required"),
        ("animate_image", None, "image is required"),
        (
            "animate_image",
            ARGUMENTS | {"idea": "a" * 8193},
            "idea may have at most 8,192 characters; it has 8,193",
        ),
        (
            "animate_image",
            ARGUMENTS | {"image": "a" * 10**6},
            "image may have at most 8,192 characters; it has 1,000,000",
        ),
    ],
)
async def test_an_unknown_prompt_or_a_missing_argument_is_refused(
    mode: str, name: str, arguments: dict[str, str] | None, message: str
) -> None:
    async with open_client(mode=mode) as client:
        with pytest.raises(MCPError, match=message) as refused:
            await client.mcp.get_prompt(name, arguments)
    assert refused.value.code == -32602


@both_eras
async def test_the_instructions_name_the_order_the_cost_and_how_to_resume(mode: str) -> None:
    async with open_client(mode=mode) as client:
        text = client.mcp.instructions or ""
    assert text == INSTRUCTIONS
    assert len(text) <= 600
    order = [text.index(name) for name in ["generate_video", "check_status", "get_result"]]
    assert order == sorted(order)
    assert "costs money" in text
    assert "resume with check_status and do not repeat the call" in text
