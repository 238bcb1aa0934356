# pyright: strict
"""FastMCP's client in the smallest loop of an agent, which hands over the whole of a result."""

import asyncio
import json
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from openai import AsyncOpenAI
from task import read_task


async def main() -> None:
    """Make a clip."""
    task = read_task()
    api = AsyncOpenAI(base_url=f"{task.model_url}/v1", api_key="none")
    messages: list[Any] = [{"role": "user", "content": task.prompt}]
    async with Client(StdioTransport(task.command, [], env=task.env)) as client:
        tools: list[Any] = [
            {"type": "function", "function": {"name": tool.name, "parameters": tool.input_schema}}
            for tool in await client.list_tools()
        ]
        while True:
            answer = await api.chat.completions.create(
                model="stand-in", messages=messages, tools=tools
            )
            message = answer.choices[0].message
            messages.append(message.model_dump())
            if not message.tool_calls:
                return
            for call in message.tool_calls:
                if call.type == "function":
                    arguments = json.loads(call.function.arguments)
                    result = await client.call_tool_mcp(call.function.name, arguments)
                    handed = result.model_dump_json(by_alias=True)
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": handed})


asyncio.run(main())
