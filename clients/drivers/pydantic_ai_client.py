# pyright: strict
"""Pydantic AI."""

import asyncio

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from task import read_task


async def main() -> None:
    """Make a clip."""
    task = read_task()
    provider = OpenAIProvider(base_url=f"{task.model_url}/v1", api_key="none")
    # The default of 5 seconds may be too short on a machine that runs other tests.
    transport = StdioTransport(task.command, [], env=task.env)
    server = MCPToolset[None](transport, init_timeout=30)
    agent = Agent(OpenAIChatModel("stand-in", provider=provider), toolsets=[server])
    await agent.run(task.prompt)


asyncio.run(main())
