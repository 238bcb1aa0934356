# pyright: strict
"""`examples/pydantic_ai_agent.py` with Pydantic AI's model for tests."""

import asyncio

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from examples.pydantic_ai_agent import make_clip
from tests.examples.frameworks.turns import IDEA, IMAGE, next_turn


def say_next(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Return what the model says next."""
    handed = [
        part.model_response_str() for part in messages[-1].parts if isinstance(part, ToolReturnPart)
    ]
    said = next_turn([tool.name for tool in info.function_tools], handed)
    if isinstance(said, str):
        return ModelResponse(parts=[TextPart(said)])
    return ModelResponse(parts=[ToolCallPart(said.tool, dict(said.arguments), said.id)])


if __name__ == "__main__":
    print(asyncio.run(make_clip(IMAGE, IDEA, FunctionModel(say_next))))
