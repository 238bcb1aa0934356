# pyright: strict
"""`examples/langgraph_agent.py` with a chat model of LangChain's."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool

from examples.langgraph_agent import make_clip
from tests.examples.frameworks.turns import IDEA, IMAGE, next_turn


class ScriptedModel(BaseChatModel):
    """A chat model that needs no key."""

    names: Sequence[str] = ()

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **_: Any
    ) -> "ScriptedModel":
        """Return the model with tools."""
        return ScriptedModel(names=[tool.name for tool in tools if isinstance(tool, BaseTool)])

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        last = messages[-1]
        handed = [last.text] if isinstance(last, ToolMessage) else []
        said = next_turn(self.names, handed)
        if isinstance(said, str):
            message = AIMessage(said)
        else:
            call = {"id": said.id, "name": said.tool, "args": dict(said.arguments)}
            message = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=message)])


if __name__ == "__main__":
    print(asyncio.run(make_clip(IMAGE, IDEA, ScriptedModel())))
