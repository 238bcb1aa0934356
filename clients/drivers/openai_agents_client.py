# pyright: strict
"""OpenAI's Agents SDK, with its default limit of five seconds for a call of a tool."""

import asyncio

from agents import Agent, OpenAIResponsesModel, Runner, set_tracing_disabled
from agents.mcp import MCPServerStdio
from openai import AsyncOpenAI
from task import read_task


async def main() -> None:
    """Make a clip."""
    task = read_task()
    set_tracing_disabled(disabled=True)
    api = AsyncOpenAI(base_url=f"{task.model_url}/v1", api_key="none")
    async with MCPServerStdio(params={"command": task.command, "env": task.env}) as server:
        agent = Agent(
            name="clips",
            mcp_servers=[server],
            model=OpenAIResponsesModel("stand-in", api),
        )
        await Runner.run(agent, task.prompt, max_turns=30)


asyncio.run(main())
