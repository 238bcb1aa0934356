"""Goose: its CLI and its app share one file.

The file is as its `config/paths.rs` says, the entry as its `agents/extension.rs`. It takes what
`env_keys` names from its own environment, else from its keychain, and starts no server whose
variable is in neither (`merge_environments`); it does not ask. A program `goose` in the PATH proves
nothing, since a tool for databases has that name, too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from seedance_mcp.cli.install.client import NAME, Client, Server
from seedance_mcp.cli.install.edits import Json
from seedance_mcp.cli.install.machine import Machine

from ._entries import TOKEN, under, waiting
from ._traces import found_by

CALL_SECONDS = 300
"""Its default, which new entries are to state."""


def _files(machine: Machine) -> Sequence[Path]:
    if root := machine.folder("GOOSE_PATH_ROOT"):
        folder = root / "config"
    elif machine.system == "win32":
        folder = machine.roaming / "Block" / "goose" / "config"
    else:
        folder = machine.config_home / "goose"
    return [folder / "config.yaml"]


def _entry(server: Server) -> Mapping[str, Json]:
    return {
        "enabled": True,
        "type": "stdio",
        "name": NAME,
        "description": "Makes video clips with ByteDance Seedance",
        "cmd": server.command,
        "args": list(server.args),
        "envs": dict(server.env),
        "env_keys": [TOKEN] if server.authentication == "client" else [],
        "timeout": CALL_SECONDS,
    }


CLIENT = Client(
    id="goose",
    title="Goose",
    form="yaml",
    keys=under("extensions"),
    files=_files,
    found=found_by(_files, apps=["Goose"]),
    entry=_entry,
    refers="environment",
    next_step=(
        "Start a new session of Goose, or Goose Desktop anew; the settings of the extension there"
        " keep a token in the keychain."
    ),
    settings=waiting(240),
)
