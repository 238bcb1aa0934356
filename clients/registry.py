"""The clients by name."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .commands import claude_code, codex, gemini, opencode
from .scene import INSTALLED, NODE, Invocation, Scene

DRIVERS = Path(__file__).parent / "drivers"


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client.

    Attributes:
        package: What it is installed as.
        invocation: Returns how to run it.
        environment: The folder in `.clients` where a Python package is installed, else empty.
        server_env: The settings of the server that it needs.
    """

    package: str
    invocation: Callable[[Scene], Invocation]
    environment: str = ""
    server_env: Mapping[str, str] = field(default_factory=dict[str, str])

    def version(self) -> str:
        """Return the installed version."""
        if not self.environment:
            return json.loads((NODE / self.package / "package.json").read_text("utf-8"))["version"]
        name = self.package.replace("-", "_")
        found = (INSTALLED / self.environment).glob(f"lib/*/site-packages/{name}-*.dist-info")
        return next(found).name.removeprefix(f"{name}-").removesuffix(".dist-info")


def python(package: str, environment: str, *options: str, **server_env: str) -> Client:
    """Return a client that is a Python library, with a driver of ours."""
    interpreter = str(INSTALLED / environment / "bin" / "python")
    driver = str(DRIVERS / f"{environment}_client.py")
    return Client(
        package=package,
        environment=environment,
        invocation=lambda scene: Invocation(command=[interpreter, driver, scene.task, *options]),
        server_env=server_env,
    )


def node(package: str, driver: str) -> Client:
    """Return a client that is a library of Node, with a driver of ours."""

    def invocation(scene: Scene) -> Invocation:
        # Its imports are looked for beside it.
        copy = str(shutil.copy(DRIVERS / driver, NODE.parent))
        return Invocation(command=[str(NODE / ".bin" / "node"), copy, scene.task])

    return Client(package=package, invocation=invocation)


CLIENTS = {
    "openai-agents": python("openai-agents", "openai_agents"),
    "pydantic-ai": python("pydantic-ai-slim", "pydantic_ai"),
    "langchain-openai": python("langchain-mcp-adapters", "langchain", "openai"),
    "langchain-google": python(
        "langchain-mcp-adapters", "langchain", "google", SEEDANCE_PORTABLE_SCHEMAS="true"
    ),
    "fastmcp": python("fastmcp", "fastmcp"),
    "ai-sdk": node("@ai-sdk/mcp", "ai_sdk.mjs"),
    "typescript-sdk": node("@modelcontextprotocol/sdk", "typescript_sdk.mjs"),
    "claude-code": Client(package="@anthropic-ai/claude-code", invocation=claude_code),
    "codex": Client(package="@openai/codex", invocation=codex),
    "gemini-cli": Client(package="@google/gemini-cli", invocation=gemini),
    "opencode": Client(package="opencode-ai", invocation=opencode),
}
