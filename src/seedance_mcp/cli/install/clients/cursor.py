"""Cursor.

- File, form and reference: cursor.com/docs/mcp (`~/.cursor/mcp.json` on all systems,
  `mcpServers`, `${env:NAME}` in command, args, env, url and headers; also
  userjot.com/docs/mcp-cursor).
- Time limit: none is documented; calls were reported to end after 60 s, the default of the SDK
  for TypeScript, so the server's own 45 s stay.
"""

from collections.abc import Sequence
from pathlib import Path

from seedance_mcp.cli.install.client import Client
from seedance_mcp.cli.install.machine import Machine, holds, is_there

from ._entries import TOKEN, stdio, under


def _files(machine: Machine) -> Sequence[Path]:
    return [machine.home / ".cursor" / "mcp.json"]


def _found(machine: Machine) -> bool:
    return (
        machine.has_app("Cursor")
        or machine.has_program("cursor", "cursor-agent")
        or is_there(machine.application_data / "Cursor")
        or holds(machine.home / ".cursor", besides="mcp.json")
    )


CLIENT = Client(
    id="cursor",
    title="Cursor",
    form="json",
    keys=under("mcpServers"),
    files=_files,
    found=_found,
    entry=lambda server: stdio(server, f"${{env:{TOKEN}}}"),
    refers="environment",
    next_step="Switch seedance on under MCPs in the settings of Cursor, which asks before it starts"
    " a new server.",
)
