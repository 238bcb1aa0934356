"""The entry in Docker's catalogue of MCP servers.

Its form is that of github.com/docker/mcp-registry (CONTRIBUTING.md, pkg/servers/types.go, and the
checks of cmd/validate/main.go).
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ._options import OPTIONS, TOKEN
from ._project import SERVER, TITLE, Project
from ._server import tools

FOLDER = "/data"
"""Where the container keeps the clips and the ledger, without which a job could be paid twice."""
PARAMETER = f"{{{{{SERVER}.folder}}}}"
"""The parameter for the folder of this machine."""
INSIDE = {"SEEDANCE_OUTPUT_DIR": f"{FOLDER}/clips", "SEEDANCE_STATE_DIR": f"{FOLDER}/state"}
OFFERED = ("model", "max_cost_usd_per_day")
"""The settings that a person may change, besides the token and the folder."""
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9 ,./_-]*")


def server_yaml(project: Project, commit: str) -> str:
    """Return the entry for a commit, which must be in the public repository."""
    entry = {
        "name": SERVER,
        "image": f"mcp/{SERVER}",
        "type": "server",
        "meta": {"category": "ai", "tags": list(project.keywords)},
        "about": {"title": TITLE, "description": project.description, "icon": project.icon_url},
        "source": {"project": project.homepage, "commit": commit},
        # The image serves over HTTP by default, and the catalogue's gateway speaks over stdio.
        "run": {"command": ["serve"], "volumes": [f"{PARAMETER}:{FOLDER}"]},
        "config": _config(),
    }
    return "".join(f"{line}\n" for line in _yaml(entry))


def _config() -> dict[str, Any]:
    """Return what a person is asked for, and the variables that it becomes."""
    token = {"name": f"{SERVER}.{TOKEN.name}", "env": TOKEN.variable}
    offered = [option for option in OPTIONS if option.name in OFFERED]
    env = [{"name": name, "example": value, "value": value} for name, value in INSIDE.items()]
    properties = {"folder": {"type": "string", "description": "Where clips and the ledger are."}}
    for option in offered:
        example, value = str(option.default or 10), f"{{{{{SERVER}.{option.name}}}}}"
        env.append({"name": option.variable, "example": example, "value": value})
        properties[option.name] = {"type": "string", "description": option.sets}
    return {
        "description": TOKEN.sets,
        "secrets": [token | {"example": f"<{TOKEN.variable}>"}],
        "env": env,
        "parameters": {"type": "object", "properties": properties, "required": ["folder"]},
    }


def tools_json() -> Sequence[Mapping[str, Any]]:
    """Return the tools, which the catalogue then need not start a container to list."""
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "arguments": [
                {"name": name, "type": prop["type"], "desc": prop.get("description", "")}
                for name, prop in tool.input_schema["properties"].items()
            ],
        }
        for tool in tools()
    ]


def _yaml(value: Any) -> list[str]:
    """Return the lines of a mapping or a list, indented as Prettier does."""
    lines: list[str] = []
    if isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType] - JSON
            first, *others = _yaml(item) if isinstance(item, dict) else [_scalar(item)]
            lines += [f"- {first}", *(f"  {line}" for line in others)]
        return lines
    for key, item in value.items():
        if isinstance(item, dict | list):
            lines += [f"{key}:", *(f"  {line}" for line in _yaml(item))]
        else:
            lines.append(f"{key}: {_scalar(item)}")
    return lines


def _scalar(text: Any) -> str:
    """Return a text, in quotes where YAML might take it for something else."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
