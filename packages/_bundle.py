"""The manifest of the bundle for Claude Desktop, of version 0.4.

Its form is that of MANIFEST.md at github.com/modelcontextprotocol/mcpb, whose tool checks it.

Claude Desktop runs a server of the type uv with a uv of its own: it ignores `command`, and passes
`args` as they are. What a person leaves out stays in `env` as `${user_config.…}`, unless it has a
default; the settings count that as unset.
"""

import shutil
from pathlib import Path
from typing import Any

import mcp_types as types

from seedance_mcp.cli.install.registry import CLIENTS

from ._options import ASKED, Option
from ._project import ICON, PLUGIN, ROOT, SERVER, TITLE, Project, load_project
from ._server import prompts, tools
from .generate import as_json

MINIMUM_CLAUDE_DESKTOP = "1.26832.0"
"""The oldest build that is known to be newer than the mend of 2026-07-23, before which servers of
the type uv were not given their environment (issues 291 and 297 of modelcontextprotocol/mcpb)."""
PLATFORMS = ("darwin", "win32", "linux")
ENTRY_POINT = "src/seedance_mcp/__main__.py"

CONTENTS = ("pyproject.toml", "README.md", "LICENSE", "src")
"""What of the repository is in a bundle."""
IGNORED = (".venv/", "__pycache__/", "*.pyc", "uv.lock")
"""What a bundle that was run has besides, and `mcpb pack` would take along."""


def stage(folder: Path) -> None:
    """Copy what belongs into a bundle, and nothing else, into an empty folder."""
    for name in CONTENTS:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copyfile(ROOT / name, folder / name)
    shutil.copyfile(ROOT / PLUGIN / ICON, folder / "icon.png")
    (folder / "manifest.json").write_text(as_json(manifest(load_project())), "utf-8")
    (folder / ".mcpbignore").write_text("".join(f"{line}\n" for line in IGNORED), "utf-8")


def manifest(project: Project) -> dict[str, Any]:
    """Return the manifest."""
    return _facts(project) | {
        "server": _server(project),
        "tools": [{"name": tool.name, "description": tool.description} for tool in tools()],
        # Each further model has a tool of its own.
        "tools_generated": True,
        "prompts": [_prompt(prompt) for prompt in prompts()],
        # The texts above only tell what they are for; the server writes them.
        "prompts_generated": True,
        "compatibility": {
            "claude_desktop": f">={MINIMUM_CLAUDE_DESKTOP}",
            "platforms": list(PLATFORMS),
        },
        "user_config": {option.name: _question(option) for option in ASKED},
    }


def _facts(project: Project) -> dict[str, Any]:
    return {
        "manifest_version": "0.4",
        "name": project.name,
        "display_name": TITLE,
        "version": project.version,
        "description": project.description,
        "author": {"name": project.author, "url": project.homepage},
        "repository": {"type": "git", "url": project.homepage},
        "homepage": project.homepage,
        "documentation": project.documentation,
        "support": project.issues,
        "license": project.license,
        "keywords": list(project.keywords),
        "icon": "icon.png",
        "icons": [{"src": "icon.png", "size": "512x512"}],
    }


def _server(project: Project) -> dict[str, Any]:
    # Without the group dev, whose tools uv would install too.
    run = ["run", "--directory", "${__dirname}", "--no-dev", "--extra", "video", project.name]
    env = {option.variable: f"${{user_config.{option.name}}}" for option in ASKED}
    env |= CLIENTS["claude-desktop"].settings
    config = {"command": "uv", "args": run, "env": env}
    return {"type": "uv", "entry_point": ENTRY_POINT, "mcp_config": config}


def _prompt(prompt: types.Prompt) -> dict[str, Any]:
    arguments = prompt.arguments or []
    lines = [f"{each.title or each.name}: ${{arguments.{each.name}}}" for each in arguments]
    return {
        "name": prompt.name,
        "description": prompt.description,
        "arguments": [each.name for each in arguments],
        "text": "\n".join([f"{prompt.title} with {SERVER}.", *lines]),
    }


def _question(option: Option) -> dict[str, Any]:
    question = {"type": option.kind, "title": option.title, "description": option.sets}
    if option.secret:
        return question | {"sensitive": True, "required": True}
    default = {} if option.default is None else {"default": option.default}
    return question | option.bounds | {"required": False} | default
