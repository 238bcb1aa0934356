"""The prompts that a user can pick in a client: animate an image, or make a film of shots."""

from collections.abc import Iterable, Mapping

import mcp_types as types
from mcp.shared.exceptions import MCPError

from seedance_mcp.models.model import Model
from seedance_mcp.text import one_line

from ._film import FILM, Filmmaker
from ._lazy_service import Context

ANIMATE_IMAGE = types.Prompt(
    name="animate_image",
    title="Animate an image",
    description="Write a good Seedance prompt for an image and an idea, and make the clip.",
    arguments=[
        types.PromptArgument(
            name="image",
            title="Image",
            description="The image to begin with: a public https URL, or a file.",
            required=True,
        ),
        types.PromptArgument(
            name="idea",
            title="Idea",
            description="What should happen in the clip, in your own words.",
            required=True,
        ),
    ],
)

MOST_CHARACTERS = 8192
"""How long an argument may be: no longer URL works."""


class Prompts:
    """Answers the requests about prompts, for the first model that takes an image.

    Args:
        models: The models, each by the name of the tool that makes clips with it.
    """

    def __init__(self, models: Mapping[str, Model]) -> None:
        able = [
            (tool, model, names)
            for tool, model in models.items()
            if (names := _text_and_image(model))
        ]
        self._animator = next(iter(able), None)
        self._filmmaker = _filmmaker(able)
        self.offered = [ANIMATE_IMAGE] if self._animator else []
        self.offered += [FILM] if self._filmmaker else []

    async def list(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        """Return the prompts that the model can serve."""
        return types.ListPromptsResult(prompts=self.offered)

    def get(self, params: types.GetPromptRequestParams, *, joins: bool) -> types.GetPromptResult:
        """Return a prompt with the arguments filled in; `joins`: whether clips can be joined."""
        prompt = next((one for one in self.offered if one.name == params.name), None)
        if prompt is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {one_line(params.name)}")
        given = params.arguments or {}
        for argument in prompt.arguments or []:
            if problem := self._problem(argument, given.get(argument.name, "")):
                raise MCPError(types.INVALID_PARAMS, f"{argument.name} {problem}")
        content = types.TextContent(type="text", text=self._text(prompt, given, joins=joins))
        message = types.PromptMessage(role="user", content=content)
        return types.GetPromptResult(description=prompt.description, messages=[message])

    def _problem(self, argument: types.PromptArgument, value: str) -> str | None:
        if not value.strip():
            return f"is required: {argument.description}" if argument.required else None
        if len(value) > MOST_CHARACTERS:
            return f"may have at most {MOST_CHARACTERS:,} characters; it has {len(value):,}"
        if argument.name == "seconds" and self._filmmaker:
            return self._filmmaker.length_problem(value)
        return None

    def _text(self, prompt: types.Prompt, given: Mapping[str, str], *, joins: bool) -> str:
        if self._animator and prompt is ANIMATE_IMAGE:
            return _animate_image(*self._animator, image=given["image"], idea=given["idea"])
        return self._filmmaker.instructions(given, joins=joins) if self._filmmaker else ""


def _filmmaker(able: Iterable[tuple[str, Model, tuple[str, str]]]) -> Filmmaker | None:
    """Return the first tool whose clips begin with an image, else one that takes images at all."""
    makers = (
        Filmmaker(tool=tool, model=model, text=text, image=image)
        for tool, model, (text, image) in able
    )
    return min(makers, key=lambda maker: maker.takes_list, default=None)


def _text_and_image(model: Model) -> tuple[str, str] | None:
    """Return the arguments for the prompt and the first image.

    None if the model lacks either, or needs another file as well.
    """
    images = [file.name for file in model.files() if file.kind == "image"]
    files = {file.name for file in model.files()}
    required: list[str] = model.input_schema.get("required", [])
    # Models with a list of images do not require any (client), but this prompt has one.
    image = next((name for name in (*required, *images) if name in images), None)
    text = next((name for name in required if name not in files), None)
    alone = files.intersection(required) <= {image}
    return (text, image) if text and image and alone else None


def _animate_image(
    tool: str, model: Model, names: tuple[str, str], *, image: str, idea: str
) -> str:
    text_name, image_name = names
    longest = model.properties[text_name].get("maxLength")
    length = f", at most {longest} characters in all" if longest else ""
    wrapper = "a list with " if model.properties[image_name].get("type") == "array" else ""
    optional = ", ".join(name for name in model.properties if name not in names)
    others = f" Leave {optional} out unless the idea asks for it." if optional else ""
    return f"""\
Animate this image with Seedance.

Image: {image}
Idea: {idea}

Look at the image first if you can, and write nothing that contradicts it. Then turn the idea
into a Seedance prompt: plain sentences in the present tense{length}, in this order
1. the subject: who or what moves, described so that it cannot be mistaken;
2. the movement: what it does, how fast and how far, no more than fits into a few seconds;
3. the camera: one move, such as a slow push in or a pan to the left, or none;
4. one shot: everything happens in one take that begins with this image, without a cut;
5. what must not change: faces, clothing, lettering, background, light, style.
Describe what is visible, not what is absent, and add nothing that the idea does not need.

Show me the prompt. Then call {tool} once, with {text_name}: the prompt you wrote, and
{image_name}: {wrapper}the image exactly as it is given above.{others}
The job costs money: do what next_step of the answer says, and do not call {tool} again
for this clip.
"""
