"""Write every file that others read from the repository: `python -m packages.generate`."""

import json
from pathlib import Path
from typing import Any

from . import _plugins, _registry
from ._project import PLUGIN, ROOT, SKILL, load_project


def generated() -> dict[str, str]:
    """Return the text of each file, by its path from the root."""
    project = load_project()
    documents = {
        "server.json": _registry.server_json(project),
        "glama.json": _registry.glama_json(project),
        "gemini-extension.json": _plugins.gemini_extension(project),
        ".claude-plugin/marketplace.json": _plugins.claude_marketplace(project),
        ".cursor-plugin/marketplace.json": _plugins.cursor_marketplace(project),
        f"{PLUGIN}/.claude-plugin/plugin.json": _plugins.claude_plugin(project),
        f"{PLUGIN}/.cursor-plugin/plugin.json": _plugins.cursor_plugin(project),
        f"{PLUGIN}/.mcp.json": _plugins.claude_servers(project),
        f"{PLUGIN}/mcp.json": _plugins.cursor_servers(project),
    }
    # Gemini CLI looks for skills at the root of an extension only.
    skill = (ROOT / PLUGIN / SKILL).read_text("utf-8")
    return {path: as_json(document) for path, document in documents.items()} | {SKILL: skill}


def as_json(document: Any) -> str:
    """Return a document as it is written."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def stale(root: Path) -> list[str]:
    """Return the files below a root that are missing or not as they would be written."""
    return [
        path
        for path, text in generated().items()
        if not (root / path).is_file() or (root / path).read_bytes() != text.encode()
    ]


def write(root: Path) -> None:
    """Write every file below a root."""
    for path, text in generated().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())


if __name__ == "__main__":
    write(ROOT)
