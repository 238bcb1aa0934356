r"""Claude Desktop.

- File: for macOS and Linux as `mcp install` of the Python SDK has it (mcp/cli/claude.py), and the
  Linux builds of aaddrick/claude-desktop-debian. On Windows the installer ships a Store package
  since February 2026, whose %APPDATA% is a folder of its own; on a network share it is
  %LOCALAPPDATA%\Claude-Data instead (anthropics/claude-code issues 26073 and 57998; launchers that
  resolve it as the app does).
- Form: strict JSON, `mcpServers`, programs only; servers with a URL are added in its settings.
- Token: no reference is resolved, and of the environment only a few variables are handed on.
- Time limit: 240 s for a call, whatever is configured, and progress doesn't extend it
  (anthropics/claude-code issues 44032 and 65643).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from seedance_mcp.cli.install.client import Client
from seedance_mcp.cli.install.machine import Machine, holds, is_there

from ._entries import stdio, under, waiting

_FILE = "claude_desktop_config.json"


def _files(machine: Machine) -> Sequence[Path]:
    """Return the file in the best of its folders, and those that are in others."""
    folders = [*_folders(machine)]
    first = next((folder for folder in folders if is_there(folder)), folders[-1])
    return [folder / _FILE for folder in folders if folder == first or is_there(folder / _FILE)]


def _folders(machine: Machine) -> Iterator[Path]:
    """Yield where its file may be: what a present version reads first comes first."""
    if machine.system == "darwin":
        yield machine.application_support / "Claude"
    elif machine.system == "linux":
        yield machine.config_home / "Claude"
    else:
        for package in _packages(machine):
            yield package / "LocalCache" / "Roaming" / "Claude"
        yield machine.local / "Claude-Data"
        yield machine.roaming / "Claude"


def _packages(machine: Machine) -> list[Path]:
    """Return the data folders of its Store packages, whose names end in a hash of the publisher."""
    return sorted((machine.local / "Packages").glob("Claude_*"))


def _found(machine: Machine) -> bool:
    if machine.system == "win32" and (
        _packages(machine) or is_there(machine.local / "AnthropicClaude")
    ):
        return True
    return (
        machine.has_app("Claude")
        or machine.has_program("claude-desktop")
        or any(holds(folder, besides=_FILE) for folder in _folders(machine))
    )


CLIENT = Client(
    id="claude-desktop",
    title="Claude Desktop",
    form="json",
    keys=under("mcpServers"),
    files=_files,
    found=_found,
    entry=stdio,
    next_step="Quit Claude Desktop, not just its window, and start it again; the tools are in the"
    " menu of the + button.",
    settings=waiting(180),
)
