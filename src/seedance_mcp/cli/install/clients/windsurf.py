"""Windsurf, as it was before it became Devin Desktop.

- File, form and reference: `~/.codeium/windsurf` on all systems, `mcpServers` and `${env:NAME}`, as
  others give its documentation again (docs/configuring-windsurf.md of confluentinc/mcp-confluent,
  userjot.com/docs/mcp-windsurf).
- Time limit: none is documented, so the server's own 45 s stay.
"""

from collections.abc import Sequence
from pathlib import Path

from seedance_mcp.cli.install.client import Client
from seedance_mcp.cli.install.machine import Machine

from ._entries import TOKEN, stdio, under
from ._traces import found_by

_FILE = "mcp_config.json"


def _files(machine: Machine) -> Sequence[Path]:
    return [machine.home / ".codeium" / "windsurf" / _FILE]


CLIENT = Client(
    id="windsurf",
    title="Windsurf",
    form="json",
    keys=under("mcpServers"),
    files=_files,
    found=found_by(_files, apps=["Windsurf"], programs=["windsurf"]),
    entry=lambda server: stdio(server, f"${{env:{TOKEN}}}"),
    refers="environment",
    next_step="Press refresh in the MCP panel of Cascade, where seedance appears.",
)
