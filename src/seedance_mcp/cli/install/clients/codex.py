"""Codex: its CLI, its IDE extension and its app share one file.

The keys are those of developers.openai.com/codex/mcp. A server gets a few variables of Codex's own
environment and those that `env_vars` names; one that is not set there is left out (its
`rmcp-client/src/utils.rs`). `codex mcp add` drops comments and can set neither `env_vars` nor
`tool_timeout_sec`, as seen with 0.171.0, so that only its reading back is used.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from seedance_mcp.cli.install.client import NAME, Client, OwnCommand, Server
from seedance_mcp.cli.install.edits import Json
from seedance_mcp.cli.install.machine import Machine

from ._entries import TOKEN, under, waiting
from ._traces import found_by

START_SECONDS = 60
"""Its default of 10 is too short for a uvx that has to install the server again."""

CALL_SECONDS = 300


def _files(machine: Machine) -> Sequence[Path]:
    return [(machine.folder("CODEX_HOME") or machine.home / ".codex") / "config.toml"]


def _entry(server: Server) -> Mapping[str, Json]:
    entry: dict[str, Json] = {"command": server.command, "args": list(server.args)}
    if server.authentication == "client":
        entry["env_vars"] = [TOKEN]
    limits = {"startup_timeout_sec": START_SECONDS, "tool_timeout_sec": CALL_SECONDS}
    return entry | limits | {"env": dict(server.env)}


CLIENT = Client(
    id="codex",
    title="Codex",
    form="toml",
    keys=under("mcp_servers"),
    files=_files,
    found=found_by(_files, programs=["codex"]),
    entry=_entry,
    refers="environment",
    next_step="Start a new session of Codex; /mcp lists seedance there.",
    settings=waiting(240),
    own=OwnCommand(
        program="codex", add=lambda _entry, _server: None, show=["mcp", "get", NAME, "--json"]
    ),
)
