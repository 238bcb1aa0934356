# /// script
# requires-python = ">=3.11"
# dependencies = ["openai-agents>=0.24,<0.25"]
# ///
# pyright: strict
"""An agent of OpenAI's Agents SDK that makes a clip, and answers with the path of its file.

export OPENAI_API_KEY=… RUNCOMFY_API_TOKEN=…
uv run examples/openai_agents.py lake.jpg "Mist drifts over the lake."
"""

import asyncio
import os
import sys
from pathlib import Path

from agents import Agent, Model, Runner
from agents.mcp import MCPServerStdio, MCPServerStdioParams

MODEL = "gpt-5.4"


async def make_clip(image: str, idea: str, model: str | Model = MODEL) -> str:
    """Ask an agent for a clip of an image, and return what it answers."""
    params: MCPServerStdioParams = {
        "command": "uvx",
        "args": ["seedance-mcp"],
        "env": dict(os.environ),
    }
    # A call waits for up to 45 seconds; the SDK would give it up after 5.
    async with MCPServerStdio(params, client_session_timeout_seconds=60) as server:
        agent = Agent(name="clips", model=model, mcp_servers=[server])
        task = f"Animate {image}: {idea} Download the clip, and answer with its path alone."
        result = await Runner.run(agent, task, max_turns=30)
    return str(result.final_output)


if __name__ == "__main__":
    print(asyncio.run(make_clip(str(Path(sys.argv[1]).absolute()), sys.argv[2])))
