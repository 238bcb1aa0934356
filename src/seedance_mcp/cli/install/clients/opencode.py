"""opencode, versions 1 and 2.

- File: opencode.jsonc, else opencode.json, in the folder that XDG_CONFIG_HOME names on all systems;
  the former wins where both are there (source and package of 1.18.33: `Config`).
- Form: JSON with comments. Version 1 has servers in `mcp`, version 2 in `mcp.servers`
  (opencode.ai/v2/docs/mcp-servers). Version 1 reads both since 1.18 (source: v2-compat.ts), and
  version 2 a file of version 1, which it knows by other keys (source: v1/config/migrate.ts). The
  same entry serves both, as it has neither `enabled` nor `timeout`, in which they differ.
- Token: `{env:NAME}`, which is replaced before the file is parsed.
- Time limit: 60 s without progress in version 1, 12 hours in version 2 (source: mcp/client.ts), and
  ours reports every 5 s, so a call can wait.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from seedance_mcp.cli.install.client import NAME, Client, Server
from seedance_mcp.cli.install.edits import Json, Keys, value_at
from seedance_mcp.cli.install.machine import Machine, holds, is_there

from ._entries import TOKEN, environment, waiting

# What version 2 calls `provider`, `agent` and so on in the singular; no file of version 1 has them.
_ONLY_IN_V2 = ("providers", "agents", "commands", "plugins", "permissions", "snapshots")


def _files(machine: Machine) -> Sequence[Path]:
    folder = machine.config_home / "opencode"
    commented, plain = folder / "opencode.jsonc", folder / "opencode.json"
    return [plain if is_there(plain) and not is_there(commented) else commented]


def _keys(data: bytes | None) -> Keys:
    """Return the place that the file's version has."""
    if data is None:
        return ("mcp", NAME)
    servers = value_at(data, "json", ("mcp",))
    mcp: Mapping[str, Json] = servers if isinstance(servers, Mapping) else {}
    if NAME in mcp:
        return ("mcp", NAME)
    if _is_group(mcp.get("servers")):
        return ("mcp", "servers", NAME)
    if not mcp and any(value_at(data, "json", (key,)) is not None for key in _ONLY_IN_V2):
        return ("mcp", "servers", NAME)
    return ("mcp", NAME)


def _is_group(value: Json) -> bool:
    """Return whether it holds servers, and is not one of version 1 that is called servers."""
    return isinstance(value, Mapping) and not any(
        isinstance(value.get(key), str | bool) for key in ("type", "enabled")
    )


def _found(machine: Machine) -> bool:
    return (
        machine.has_app("OpenCode")
        or machine.has_program("opencode", "opencode2")
        or is_there(machine.home / ".opencode" / "bin")
        or holds(_files(machine)[0].parent, besides="opencode.json")
    )


def _entry(server: Server) -> dict[str, Json]:
    variables = environment(server, f"{{env:{TOKEN}}}")
    command = [server.command, *server.args]
    return {"type": "local", "command": command, "environment": variables}


CLIENT = Client(
    id="opencode",
    title="opencode",
    form="json",
    keys=_keys,
    files=_files,
    found=_found,
    entry=_entry,
    refers="environment",
    next_step="Start opencode again; `opencode mcp list` shows seedance.",
    settings=waiting(240),
)
