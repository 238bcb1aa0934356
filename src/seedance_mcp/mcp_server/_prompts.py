"""The prompts that a user can pick in a client: how to turn an image and an idea into a clip."""

from dataclasses import dataclass
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)

from seedance_mcp.models.model import Model
from seedance_mcp.text import one_line

ANIMATE_IMAGE = Prompt(
    name="animate_image",
    title="Animate an image",
    description="Write a good Seedance prompt for an image and an idea, and make the clip.",
    arguments=[
        PromptArgument(
            name="image",
            title="Image",
            description="The image to begin with: a public https URL, or a file.",
            required=True,
        ),
        PromptArgument(
            name="idea",
            title="Idea",
            description="What should happen in the clip, in your own words.",
            required=True,
        ),
    ],
)


@dataclass(frozen=True, kw_only=True)
class _Names:
    """What a model calls its arguments.

    Attributes:
        text: The one that takes the written prompt.
        image: The one that takes the image to begin with.
        others: The ones that may stay at their defaults.
    """

    text: str
    image: str
    others: tuple[str, ...]


class Prompts:
    """The prompts of a server.

    Args:
        model: The model that clips are made with.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._names = _names(model)
        self.offered = [ANIMATE_IMAGE] if self._names else []

    async def list(
        self, _: ServerRequestContext[Any], __: PaginatedRequestParams | None
    ) -> ListPromptsResult:
        """List the prompts that make sense with the model."""
        return ListPromptsResult(prompts=self.offered)

    async def get(
        self, _: ServerRequestContext[Any], params: GetPromptRequestParams
    ) -> GetPromptResult:
        """Give a prompt, filled in.

        Raises:
            MCPError: There is no such prompt, or an argument is missing.
        """
        if params.name != ANIMATE_IMAGE.name or self._names is None:
            raise MCPError(INVALID_PARAMS, f"Unknown prompt: {one_line(params.name)}")
        given = params.arguments or {}
        for argument in ANIMATE_IMAGE.arguments or []:
            if not given.get(argument.name, "").strip():
                problem = f"{argument.name} is required: {argument.description}"
                raise MCPError(INVALID_PARAMS, problem)
        text = _animate_image(self._model, self._names, image=given["image"], idea=given["idea"])
        message = PromptMessage(role="user", content=TextContent(type="text", text=text))
        return GetPromptResult(description=ANIMATE_IMAGE.description, messages=[message])


def _names(model: Model) -> _Names | None:
    """Read from a model's schema what goes where; None where it takes no text or no image."""
    required: list[str] = model.input_schema["required"]
    image = next((name for name in required if name in model.image_rules), None)
    text = next((name for name in required if name not in model.image_rules), None)
    if image is None or text is None:
        return None
    others = tuple(name for name in model.properties if name not in {text, image})
    return _Names(text=text, image=image, others=others)


def _animate_image(model: Model, names: _Names, *, image: str, idea: str) -> str:
    longest = model.properties[names.text].get("maxLength")
    length = f", at most {longest} characters in all" if longest else ""
    others = f" Leave {', '.join(names.others)} out unless the idea asks for it." * bool(
        names.others
    )
    return f"""\
Animate this image with Seedance.

Image: {image}
Idea: {idea}

Look at the image first if you can, and write nothing that it contradicts. Then turn the idea
into a Seedance prompt: plain sentences in the present tense{length}, that say in this order
1. the subject: who or what moves, told by its looks, so that it cannot be mistaken;
2. the movement: what it does, how fast and how far, no more than fits into a few seconds;
3. the camera: one move, such as a slow push in or a pan to the left, or that it stays still;
4. one shot: everything happens in one take that begins with this image, without a cut;
5. what must not change: faces, clothing, lettering, background, light and style that have to stay.
Say what is to be seen rather than what is not, and add nothing that the idea does not need.

Show me the prompt. Then call generate_video once, with {names.text}: the prompt you wrote, and
{names.image}: the image exactly as it is given above.{others}
The job costs money: do what next_step of the answer says, and do not call generate_video again
for this clip.
"""
