"""Cline: its extension and its command line.

- File: cline_mcp_settings.json in ~/.cline/data/settings, or where CLINE_MCP_SETTINGS_PATH,
  CLINE_DATA_DIR or CLINE_DIR say (source: storage/paths of @cline/shared 0.0.86). The extension
  moves the file that older versions kept in VS Code's folders there once, so that one stays in use
  until the new one is there.
- Form: strict JSON, `mcpServers`.
- Token: the extension resolves `${env:NAME}` and hands little of its environment on; the command
  line resolves nothing and hands all of it on (sources: McpHub.ts, and `spawnProcess` in
  @cline/core 0.0.86). No entry refers to a variable in both.
- Time limit: `timeout` in seconds, 60 without it, 3600 at most; progress doesn't extend it (source:
  mcp of @cline/shared 0.0.86).
"""

from collections.abc import Sequence
from pathlib import Path

from seedance_mcp.cli.install.client import Client
from seedance_mcp.cli.install.machine import Machine, holds, is_there

from ._entries import stdio, under, waiting

TIMEOUT_SECONDS = 300
_FILE = "cline_mcp_settings.json"
_EXTENSION = Path("Code", "User", "globalStorage", "saoudrizwan.claude-dev")


def _files(machine: Machine) -> Sequence[Path]:
    present = _present_file(machine)
    older = _extension(machine) / "settings" / _FILE
    return [older if is_there(older) and not is_there(present) else present]


def _present_file(machine: Machine) -> Path:
    if file := machine.folder("CLINE_MCP_SETTINGS_PATH"):
        return file
    cline = machine.folder("CLINE_DIR") or machine.home / ".cline"
    return (machine.folder("CLINE_DATA_DIR") or cline / "data") / "settings" / _FILE


def _extension(machine: Machine) -> Path:
    """Return the folder of its extension in VS Code."""
    return machine.application_data / _EXTENSION


def _found(machine: Machine) -> bool:
    settings = _present_file(machine).parent
    return (
        machine.has_program("cline")
        or is_there(_extension(machine))
        or holds(settings, besides=_FILE)
        or holds(settings.parent, besides=settings.name)
    )


CLIENT = Client(
    id="cline",
    title="Cline",
    form="json",
    keys=under("mcpServers"),
    files=_files,
    found=_found,
    entry=lambda server: {**stdio(server), "timeout": TIMEOUT_SECONDS},
    next_step="Open the MCP servers of Cline, where seedance appears at once; in a terminal, start"
    " cline again.",
    settings=waiting(240),
)
