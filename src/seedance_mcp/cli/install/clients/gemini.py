"""Gemini CLI.

The file and the keys are those of its docs/tools/mcp-server.md. A server does not get variables of
its environment whose names look like secrets, so that the entry has to refer to the token; a
missing `$NAME` is empty, as seen with 0.61.0. `gemini mcp add` keeps comments, but lays the whole
file out anew, so that it is not used. `timeout` is its default, in milliseconds. `trust` is left
out: it would buy clips without asking.
"""

from pathlib import Path

from seedance_mcp.cli.install.client import Client
from seedance_mcp.cli.install.machine import Machine, holds

from ._entries import TOKEN, stdio, under, waiting

CALL_MILLISECONDS = 600_000


def _folder(machine: Machine) -> Path:
    home = machine.environment.get("GEMINI_CLI_HOME", "").strip()
    return (Path(home) if Path(home).is_absolute() else machine.home) / ".gemini"


CLIENT = Client(
    id="gemini",
    title="Gemini CLI",
    form="json",
    keys=under("mcpServers"),
    files=lambda machine: [_folder(machine) / "settings.json"],
    found=lambda machine: machine.has_program("gemini") or holds(_folder(machine), "settings.json"),
    entry=lambda server: stdio(server, f"${TOKEN}") | {"timeout": CALL_MILLISECONDS},
    refers="environment",
    next_step=(
        "Start Gemini CLI anew, in a folder that it trusts, as it starts no servers in others; /mcp"
        " lists seedance there."
    ),
    settings=waiting(240),
)
