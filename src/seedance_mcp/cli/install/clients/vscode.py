"""Visual Studio Code, stable and Insiders.

- File: `mcp.json` in the folder User of the default profile (code.visualstudio.com/docs/copilot/
  customization/mcp-servers). Other profiles have files of their own, and only VS Code knows which
  one a window uses, so that they are left alone.
- Form: JSON with comments, `servers`; the token is an input with `"password": true`, asked for once
  and kept in the keychain (docs: reference of the configuration).
- `code --add-mcp` is not used: it writes all of the file again from what it parsed, which loses
  comments and unknown keys (source: `writeScannedMcpServers` in mcpResourceScannerService.ts), and
  `code` may be the command of another editor. A new file would come out the same, but nothing reads
  an entry back or removes it.
- Time limit: none in its source; calls may be cancelled by the user alone.
"""

from collections.abc import Sequence
from pathlib import Path

from seedance_mcp.cli.install.client import Client, Extra, Server
from seedance_mcp.cli.install.edits import Item, Json
from seedance_mcp.cli.install.machine import Machine, is_there

from ._entries import stdio, under, waiting

INPUT = "runcomfy-api-token"
"""What the question for the token is called in the file."""
_PROMPT: dict[str, Json] = {
    "type": "promptString",
    "id": INPUT,
    "description": "RunComfy API token",
    "password": True,
}


def _users(machine: Machine) -> list[Path]:
    """Return the folders of settings, stable first."""
    return [machine.application_data / name / "User" for name in ("Code", "Code - Insiders")]


def _files(machine: Machine) -> Sequence[Path]:
    users = _users(machine)
    return [user / "mcp.json" for user in users if is_there(user)] or [users[0] / "mcp.json"]


def _found(machine: Machine) -> bool:
    return (
        machine.has_app("Visual Studio Code", "Visual Studio Code - Insiders")
        # Its settings are there once it ran; a `code` in the PATH may be Cursor's.
        or any(is_there(user / "globalStorage") for user in _users(machine))
    )


def _entry(server: Server) -> dict[str, Json]:
    return {"type": "stdio", **stdio(server, f"${{input:{INPUT}}}")}


def _extras(server: Server) -> Sequence[Extra]:
    asked = server.authentication == "client"
    return [Extra(keys=("inputs", Item("id", INPUT)), value=_PROMPT)] if asked else ()


CLIENT = Client(
    id="vscode",
    title="Visual Studio Code",
    form="json",
    keys=under("servers"),
    files=_files,
    found=_found,
    entry=_entry,
    refers="asks",
    next_step='Run "MCP: List Servers" from the command palette of VS Code, start seedance, and'
    " agree that you trust it.",
    settings=waiting(240),
    extras=_extras,
)
