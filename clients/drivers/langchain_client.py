# pyright: strict
"""LangChain, with a model in the style that the second argument names."""

import asyncio
import sys

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from task import read_task


def model(style: str, url: str) -> BaseChatModel:
    """Return a model of OpenAI's or of Google's API."""
    key = SecretStr("none")
    if style == "google":
        return ChatGoogleGenerativeAI(model="gemini-stand-in", api_key=key, base_url=url)
    return ChatOpenAI(model="stand-in", api_key=key, base_url=f"{url}/v1")


async def main() -> None:
    """Make a clip."""
    task = read_task()
    client = MultiServerMCPClient(
        {"seedance": {"transport": "stdio", "command": task.command, "args": [], "env": task.env}}
    )
    agent = create_agent(model(sys.argv[2], task.model_url), await client.get_tools())
    await agent.ainvoke({"messages": [{"role": "user", "content": task.prompt}]})


asyncio.run(main())
