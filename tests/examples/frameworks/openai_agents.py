# pyright: strict
"""`examples/openai_agents.py` with a model of the Agents SDK's interface."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import uuid4

from agents import Model, ModelResponse, Tool, TResponseInputItem, Usage, set_tracing_disabled
from agents.items import TResponseStreamEvent
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from examples.openai_agents import make_clip
from tests.examples.frameworks.turns import IDEA, IMAGE, next_turn


class ScriptedModel(Model):
    """A model that needs no key."""

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],  # noqa: A002 - the interface calls it so
        model_settings: Any,
        tools: list[Tool],
        *_: Any,
        **__: Any,
    ) -> ModelResponse:
        """Return what the model says next."""
        del system_instructions, model_settings
        last = cast("dict[str, Any]", input[-1]) if isinstance(input, list) else {}
        handed = [last["output"]] if last.get("type") == "function_call_output" else []
        said = next_turn([tool.name for tool in tools], handed)
        if isinstance(said, str):
            text = ResponseOutputText(type="output_text", text=said, annotations=[])
            output = ResponseOutputMessage(
                id=uuid4().hex, type="message", role="assistant", status="completed", content=[text]
            )
        else:
            output = ResponseFunctionToolCall(
                type="function_call",
                call_id=said.id,
                name=said.tool,
                arguments=json.dumps(said.arguments),
            )
        return ModelResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Raise, since the example does not stream."""
        raise NotImplementedError


if __name__ == "__main__":
    set_tracing_disabled(disabled=True)
    print(asyncio.run(make_clip(IMAGE, IDEA, ScriptedModel())))
