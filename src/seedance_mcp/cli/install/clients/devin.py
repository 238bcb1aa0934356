"""Devin Desktop, the successor of Windsurf, and Devin's command line, which share a file.

- File: ~/.config/devin/mcp_config.json, on Windows in %APPDATA% (vaadin.com/docs and
  docs.sevalla.com of autumn 2026; older pages of docs.devin.ai say config.json). XDG_CONFIG_HOME is
  not read (installer of colbymchenry/codegraph).
- Form: `mcpServers` with `command`, `args` and `env`; other keys are refused (the same installer).
- Token: it is not known whether references are resolved, so none is used. `devin mcp add` is not
  used, since its options for variables are not documented.
- Time limit: none is documented, so the server's own 45 s stay.
"""

from collections.abc import Sequence
from pathlib import Path

from seedance_mcp.cli.install.client import Client
from seedance_mcp.cli.install.machine import Machine

from ._entries import stdio, under
from ._traces import found_by

_FILE = "mcp_config.json"


def _files(machine: Machine) -> Sequence[Path]:
    windows = machine.system == "win32"
    return [(machine.roaming if windows else machine.home / ".config") / "devin" / _FILE]


CLIENT = Client(
    id="devin",
    title="Devin",
    form="json",
    keys=under("mcpServers"),
    files=_files,
    found=found_by(_files, apps=["Devin"], programs=["devin"]),
    entry=stdio,
    next_step="Start a new session of Devin, which reads its servers then; it asks before it calls"
    " a tool for the first time.",
)
