"""What `pyproject.toml` says about the project."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SERVER = "seedance"
"""What the server is called in clients, as `seedance-mcp install` calls it."""
TITLE = "Seedance"
PLUGIN = f"plugins/{SERVER}"
"""The folder of the plugins of Claude Code and Cursor."""
SKILL = f"skills/{SERVER}/SKILL.md"
"""The skill, in the plugins' folder and in the extension of Gemini, which is the repository."""
ICON = "assets/icon.png"


@dataclass(frozen=True, kw_only=True)
class Project:
    """What packages say about the project, in its own words."""

    name: str
    version: str
    description: str
    license: str
    author: str
    keywords: Sequence[str]
    homepage: str
    documentation: str
    issues: str

    @property
    def owner(self) -> str:
        """Return who owns the repository at GitHub."""
        return self.homepage.rsplit("/", 2)[1]

    @property
    def registry_name(self) -> str:
        """Return the name in the MCP registry, where GitHub proves the part before the slash."""
        return f"io.github.{self.owner}/{self.name}"

    @property
    def icon_url(self) -> str:
        """Return where the icon is for those who do not have the repository."""
        raw = self.homepage.replace("https://github.com", "https://raw.githubusercontent.com")
        return f"{raw}/main/{PLUGIN}/{ICON}"

    @property
    def command(self) -> tuple[str, list[str]]:
        """Return the command that runs this very version, with continued and joined clips."""
        return "uvx", ["--from", f"{self.name}[video]=={self.version}", self.name]


def load_project() -> Project:
    """Read `pyproject.toml`."""
    path = ROOT / "pyproject.toml"
    data: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))["project"]
    return Project(
        author=data["authors"][0]["name"],
        homepage=data["urls"]["Homepage"],
        documentation=data["urls"]["Documentation"],
        issues=data["urls"]["Issues"],
        **{name: data[name] for name in ("name", "version", "description", "license", "keywords")},
    )
