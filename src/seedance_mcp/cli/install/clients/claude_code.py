"""Claude Code, in its user scope, which holds in every folder.

The file and `${NAME:-}` are as its documentation says (code.claude.com/docs/en/mcp); what its
command writes and what a server gets was seen with 2.1.332. A missing `${NAME}` stays as it is
written, and the server would refuse it; with `:-` it is empty. Its limit on a call is the entry's
`timeout`; without one it waits longer than a user does.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from seedance_mcp.cli.install.client import NAME, Client, OwnCommand, Server
from seedance_mcp.cli.install.edits import Json
from seedance_mcp.cli.install.machine import Machine, is_there

from ._entries import TOKEN, stdio, under, waiting


def _files(machine: Machine) -> Sequence[Path]:
    return [(machine.folder("CLAUDE_CONFIG_DIR") or machine.home) / ".claude.json"]


def _found(machine: Machine) -> bool:
    return machine.has_program("claude") or is_there(machine.home / ".claude")


def _add(entry: Mapping[str, Json], server: Server) -> Sequence[str] | None:
    if server.authentication == "file":
        return None  # others could read the token in the list of processes
    return ["mcp", "add-json", NAME, json.dumps(entry), "--scope", "user"]


CLIENT = Client(
    id="claude-code",
    title="Claude Code",
    form="json",
    keys=under("mcpServers"),
    files=_files,
    found=_found,
    entry=lambda server: stdio(server, f"${{{TOKEN}:-}}"),
    refers="environment",
    next_step="Start a new session of Claude Code; /mcp lists seedance there.",
    settings=waiting(240),
    own=OwnCommand(program="claude", add=_add, remove=["mcp", "remove", NAME, "--scope", "user"]),
)
