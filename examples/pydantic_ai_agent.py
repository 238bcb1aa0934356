# /// script
# requires-python = ">=3.11"
# dependencies = ["pydantic-ai-slim[mcp,openai]>=2.68,<3"]
# ///
# pyright: strict
"""An agent of Pydantic AI that makes a clip, and answers with the path of its file.

    export OPENAI_API_KEY=… RUNCOMFY_API_TOKEN=…
    uv run examples/pydantic_ai_agent.py lake.jpg "Mist drifts over the lake."

Named `pydantic_ai.py`, it would be imported in the place of the library.
"""

import asyncio
import os
import sys
from pathlib import Path

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models import Model

MODEL = "openai:gpt-5.4"


async def make_clip(image: str, idea: str, model: str | Model = MODEL) -> str:
    """Ask an agent for a clip of an image, and return what it answers."""
    server = StdioTransport("uvx", ["seedance-mcp"], env=dict(os.environ))
    # uvx installs the server at first, which may take longer than the default of 5 seconds.
    tools = MCPToolset[None](server, init_timeout=60)
    # By default, the second refusal of a tool would end the run.
    async with Agent(model, toolsets=[tools], retries=5) as agent:
        task = f"Animate {image}: {idea} Download the clip, and answer with its path alone."
        result = await agent.run(task)
    return result.output


if __name__ == "__main__":
    print(asyncio.run(make_clip(str(Path(sys.argv[1]).absolute()), sys.argv[2])))
