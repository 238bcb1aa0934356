"""The entries in two lists of servers: the MCP registry's `server.json`, and `glama.json`.

The registry's schema is that of 2025-12-11, kept in `tests/facts`.
"""

from typing import Any

from ._options import OPTIONS, Option
from ._project import TITLE, Project

SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
GLAMA_SCHEMA = "https://glama.ai/mcp/schemas/server.json"
FORMATS = {"directory": "filepath"}
"""What the registry calls kinds of values, where it has another word."""


def server_json(project: Project) -> dict[str, Any]:
    """Return the entry in the MCP registry."""
    return {
        "$schema": SCHEMA,
        "name": project.registry_name,
        "title": TITLE,
        "description": project.description,
        "version": project.version,
        "websiteUrl": project.homepage,
        "icons": [{"src": project.icon_url, "mimeType": "image/png", "sizes": ["512x512"]}],
        "repository": {"url": project.homepage, "source": "github"},
        "packages": [
            {
                "registryType": "pypi",
                "identifier": project.name,
                "version": project.version,
                "runtimeHint": "uvx",
                "transport": {"type": "stdio"},
                "environmentVariables": [_variable(option) for option in OPTIONS],
            }
        ],
    }


def _variable(option: Option) -> dict[str, Any]:
    variable = {
        "name": option.variable,
        "description": option.sets,
        "format": FORMATS.get(option.kind, option.kind),
    }
    if option.secret:
        # Not required: RunComfy's CLI may have left a token on the machine.
        return variable | {"isSecret": True}
    if option.default is None:
        return variable
    text = str(option.default)
    return variable | {"default": text.lower() if option.kind == "boolean" else text}


def glama_json(project: Project) -> dict[str, Any]:
    """Return who may edit the server's page at Glama: users of GitHub."""
    return {"$schema": GLAMA_SCHEMA, "maintainers": [project.owner]}
