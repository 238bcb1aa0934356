"""The clients, and how each is told of the server and of the model."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .scene import INSTALLED, NODE, Scene

DRIVERS = Path(__file__).parent / "drivers"


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client.

    Attributes:
        package: What it is installed as.
        command: Its command.
        environment: The folder in `.clients` where a Python package is installed, else empty.
        server_env: The settings of the server that it needs.
        env: Its own settings.
        files: Its configuration: texts by their paths in its home.
    """

    package: str
    command: Callable[[Scene], list[str]]
    environment: str = ""
    server_env: Mapping[str, str] = field(default_factory=dict[str, str])
    env: Callable[[Scene], Mapping[str, str]] = lambda _: {}
    files: Callable[[Scene], Mapping[str, str]] = lambda _: {}

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
        command=lambda scene: [interpreter, driver, scene.task, *options],
        server_env=server_env,
    )


CLIENTS = {
    "openai-agents": python("openai-agents", "openai_agents"),
    "pydantic-ai": python("pydantic-ai-slim", "pydantic_ai"),
    "langchain-openai": python("langchain-mcp-adapters", "langchain", "openai"),
    "langchain-google": python(
        "langchain-mcp-adapters", "langchain", "google", SEEDANCE_PORTABLE_SCHEMAS="true"
    ),
    "fastmcp": python("fastmcp", "fastmcp"),
}
