"""Gemini CLI.

The file and the keys are those of its docs/tools/mcp-server.md. A server does not get variables of
its environment whose names look like secrets, so that the entry has to refer to the token; a
missing `$NAME` is empty, as seen with 0.61.0. `gemini mcp add` keeps comments, but lays the whole
file out anew, so that it is not used. `timeout` is its default, in milliseconds. `trust` is left
out: it would buy clips without asking.
"""

from collections.abc import Sequence
from pathlib import Path

from seedance_mcp.cli.install.client import Client
from seedance_mcp.cli.install.machine import Machine

from ._entries import TOKEN, stdio, under, waiting
from ._traces import found_by

CALL_MILLISECONDS = 600_000


def _files(machine: Machine) -> Sequence[Path]:
    return [(machine.folder("GEMINI_CLI_HOME") or machine.home) / ".gemini" / "settings.json"]


CLIENT = Client(
    id="gemini",
    title="Gemini CLI",
    form="json",
    keys=under("mcpServers"),
    files=_files,
    found=found_by(_files, programs=["gemini"]),
    entry=lambda server: stdio(server, f"${TOKEN}") | {"timeout": CALL_MILLISECONDS},
    refers="environment",
    next_step=(
        "Start Gemini CLI anew, in a folder that it trusts, as it starts no servers in others; /mcp"
        " lists seedance there."
    ),
    settings=waiting(240),
)
