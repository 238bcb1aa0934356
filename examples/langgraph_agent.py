# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "langchain>=1.5,<2", "langchain-mcp-adapters>=0.3,<0.4", "langchain-openai>=1.7,<2",
# ]
# ///
# pyright: strict
"""An agent on LangGraph that makes a clip, and answers with the path of its file.

export OPENAI_API_KEY=… RUNCOMFY_API_TOKEN=…
uv run examples/langgraph_agent.py lake.jpg "Mist drifts over the lake."
"""

import asyncio
import os
import sys
from pathlib import Path

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools

MODEL = "openai:gpt-5.4"


async def make_clip(image: str, idea: str, model: str | BaseChatModel = MODEL) -> str:
    """Ask an agent for a clip of an image, and return what it answers."""
    client = MultiServerMCPClient(
        {
            "seedance": {
                "transport": "stdio",
                "command": "uvx",
                "args": ["seedance-mcp"],
                "env": dict(os.environ),
            }
        }
    )
    # Without a session of our own, every call of a tool would start a server.
    async with client.session("seedance") as session:
        agent = create_agent(model, await load_mcp_tools(session))
        task = f"Animate {image}: {idea} Download the clip, and answer with its path alone."
        asked = {"messages": [{"role": "user", "content": task}]}
        # Two steps for each call; an agent has no limit of its own that ends a loop.
        state = await agent.ainvoke(asked, {"recursion_limit": 60})
    return state["messages"][-1].text


if __name__ == "__main__":
    print(asyncio.run(make_clip(str(Path(sys.argv[1]).absolute()), sys.argv[2])))
