"""Zed.

- File: all settings of the editor in one (source: crates/paths, which has ~/.config/zed on macOS,
  too, whatever XDG_CONFIG_HOME says).
- Form: JSON with comments, `context_servers`; no `source`, which Zed deletes from the file since
  November 2025 (source: migration m_2025_11_25).
- Token: a server gets Zed's own environment with that of the entry on top (source:
  context_server/src/transport/stdio_transport.rs), so a variable needs no mention.
- Time limit: `timeout` in seconds for a call, 60 without it (source: `ContextServerCommand` in
  settings_content/src/project.rs).
"""

from collections.abc import Sequence
from pathlib import Path

from seedance_mcp.cli.install.client import Client
from seedance_mcp.cli.install.machine import Machine

from ._entries import stdio, under, waiting
from ._traces import found_by

TIMEOUT_SECONDS = 300


def _files(machine: Machine) -> Sequence[Path]:
    folders = {
        "darwin": machine.home / ".config" / "zed",
        "linux": machine.config_home / "zed",
        "win32": machine.roaming / "Zed",
    }
    return [folders[machine.system] / "settings.json"]


CLIENT = Client(
    id="zed",
    title="Zed",
    form="json",
    keys=under("context_servers"),
    files=_files,
    found=found_by(_files, apps=["Zed", "Zed Preview"], programs=["zed", "zeditor"]),
    entry=lambda server: {**stdio(server), "timeout": TIMEOUT_SECONDS},
    refers="environment",
    next_step="Open the settings of Zed's agent panel, where a green dot shows that seedance runs;"
    " a restart is not needed.",
    settings=waiting(240),
)
