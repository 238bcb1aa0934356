"""What each client gets, where it goes, and which clients are on a machine."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.cli.install.client import Server
from seedance_mcp.cli.install.machine import Machine, System
from seedance_mcp.cli.install.registry import CLIENTS
from tests.support.machines import SYSTEMS, empty_machine

SERVER = Server(command="/opt/uv/uvx", args=["seedance-mcp"], env={"SEEDANCE_LOG_LEVEL": "info"})
TOKEN = "RUNCOMFY_API_TOKEN"
LOG: dict[str, Any] = {"SEEDANCE_LOG_LEVEL": "info"}
PROGRAM: dict[str, Any] = {"command": "/opt/uv/uvx", "args": ["seedance-mcp"]}

# The entry without a token.
ENTRIES: dict[str, dict[str, Any]] = {
    "claude-desktop": {**PROGRAM, "env": LOG},
    "claude-code": {**PROGRAM, "env": LOG},
    "cursor": {**PROGRAM, "env": LOG},
    "vscode": {"type": "stdio", **PROGRAM, "env": LOG},
    "codex": {**PROGRAM, "startup_timeout_sec": 60, "tool_timeout_sec": 300, "env": LOG},
    "gemini": {**PROGRAM, "env": LOG, "timeout": 600_000},
    "zed": {**PROGRAM, "env": LOG, "timeout": 300},
    "windsurf": {**PROGRAM, "env": LOG},
    "devin": {**PROGRAM, "env": LOG},
    "cline": {**PROGRAM, "env": LOG, "timeout": 300},
    "goose": {
        "enabled": True,
        "type": "stdio",
        "name": "seedance",
        "description": "Makes video clips with ByteDance Seedance",
        "cmd": "/opt/uv/uvx",
        "args": ["seedance-mcp"],
        "envs": LOG,
        "env_keys": [],
        "timeout": 300,
    },
    "opencode": {
        "type": "local",
        "command": ["/opt/uv/uvx", "seedance-mcp"],
        "environment": LOG,
    },
    "lm-studio": {**PROGRAM, "env": LOG},
}
# What is different where the client takes the token from elsewhere.
REFERRED: dict[str, dict[str, Any]] = {
    "claude-code": {"env": LOG | {TOKEN: "${RUNCOMFY_API_TOKEN:-}"}},
    "cursor": {"env": LOG | {TOKEN: "${env:RUNCOMFY_API_TOKEN}"}},
    "vscode": {"env": LOG | {TOKEN: "${input:runcomfy-api-token}"}},
    "codex": {"env_vars": [TOKEN]},
    "gemini": {"env": LOG | {TOKEN: "$RUNCOMFY_API_TOKEN"}},
    "zed": {},
    "windsurf": {"env": LOG | {TOKEN: "${env:RUNCOMFY_API_TOKEN}"}},
    "goose": {"env_keys": [TOKEN]},
    "opencode": {"environment": LOG | {TOKEN: "{env:RUNCOMFY_API_TOKEN}"}},
}
# How long a call may wait; without it, as long as everywhere.
WAITS = {
    "claude-desktop": "180",
    **dict.fromkeys(["claude-code", "vscode", "codex", "gemini", "zed"], "240"),
    **dict.fromkeys(["cline", "goose", "opencode"], "240"),
}

APP_SUPPORT, ROAMING = "Library/Application Support", "AppData/Roaming"
FILES: dict[str, tuple[str, ...]] = {  # on macOS, Linux and Windows
    "claude-desktop": (
        f"{APP_SUPPORT}/Claude/claude_desktop_config.json",
        ".config/Claude/claude_desktop_config.json",
        f"{ROAMING}/Claude/claude_desktop_config.json",
    ),
    "claude-code": (".claude.json",) * 3,
    "cursor": (".cursor/mcp.json",) * 3,
    "vscode": (
        f"{APP_SUPPORT}/Code/User/mcp.json",
        ".config/Code/User/mcp.json",
        f"{ROAMING}/Code/User/mcp.json",
    ),
    "codex": (".codex/config.toml",) * 3,
    "gemini": (".gemini/settings.json",) * 3,
    "zed": (*(".config/zed/settings.json",) * 2, f"{ROAMING}/Zed/settings.json"),
    "windsurf": (".codeium/windsurf/mcp_config.json",) * 3,
    "devin": (*(".config/devin/mcp_config.json",) * 2, f"{ROAMING}/devin/mcp_config.json"),
    "cline": (".cline/data/settings/cline_mcp_settings.json",) * 3,
    "goose": (
        *(".config/goose/config.yaml",) * 2,
        f"{ROAMING}/Block/goose/config/config.yaml",
    ),
    "opencode": (".config/opencode/opencode.jsonc",) * 3,
    "lm-studio": (".lmstudio/mcp.json",) * 3,
}


def files_of(machine: Machine, client: str) -> list[str]:
    files = CLIENTS[client].files(machine)
    return [file.relative_to(machine.home).as_posix() for file in files]


def test_the_clients_are_listed_in_a_fixed_order() -> None:
    assert " ".join(CLIENTS) == (
        "claude-desktop claude-code cursor vscode codex gemini zed windsurf devin cline goose"
        " opencode lm-studio"
    )
    assert {client.id for client in CLIENTS.values()} == CLIENTS.keys()


@pytest.mark.parametrize("client", CLIENTS)
def test_an_entry_names_the_program_and_what_the_client_needs_to_wait(client: str) -> None:
    assert CLIENTS[client].entry(SERVER) == ENTRIES[client]
    assert CLIENTS[client].extras(SERVER) == ()
    waits = {"SEEDANCE_WAIT_SECONDS": WAITS[client]} if client in WAITS else {}
    assert CLIENTS[client].settings == waits


@pytest.mark.parametrize("client", CLIENTS)
def test_an_entry_refers_to_a_token_only_where_the_client_resolves_it(client: str) -> None:
    entry = CLIENTS[client].entry(replace(SERVER, authentication="client"))
    assert entry == ENTRIES[client] | REFERRED.get(client, {})
    assert (CLIENTS[client].refers is not None) == (client in REFERRED)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_token_that_must_be_in_the_file_is_one_of_the_variables(client: str) -> None:
    variables = LOG | {TOKEN: "made-up"}
    entry = CLIENTS[client].entry(replace(SERVER, env=variables, authentication="file"))
    key = {"goose": "envs", "opencode": "environment"}.get(client, "env")
    assert entry == ENTRIES[client] | {key: variables}


def test_vscode_asks_for_the_token_without_showing_it() -> None:
    [extra] = CLIENTS["vscode"].extras(replace(SERVER, authentication="client"))
    assert (extra.keys[0], extra.value) == (
        "inputs",
        {
            "type": "promptString",
            "id": "runcomfy-api-token",
            "description": "RunComfy API token",
            "password": True,
        },
    )


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_the_entry_goes_where_the_client_reads(client: str, system: System, tmp_path: Path) -> None:
    assert files_of(empty_machine(tmp_path, system), client) == [
        FILES[client][SYSTEMS.index(system)]
    ]


@pytest.mark.parametrize(
    ("client", "variable", "below"),
    [
        ("claude-desktop", "XDG_CONFIG_HOME", "Claude/claude_desktop_config.json"),
        ("claude-code", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("vscode", "XDG_CONFIG_HOME", "Code/User/mcp.json"),
        ("codex", "CODEX_HOME", "config.toml"),
        ("gemini", "GEMINI_CLI_HOME", ".gemini/settings.json"),
        ("zed", "XDG_CONFIG_HOME", "zed/settings.json"),
        ("cline", "CLINE_DIR", "data/settings/cline_mcp_settings.json"),
        ("cline", "CLINE_DATA_DIR", "settings/cline_mcp_settings.json"),
        ("cline", "CLINE_MCP_SETTINGS_PATH", "."),
        ("goose", "XDG_CONFIG_HOME", "goose/config.yaml"),
        ("opencode", "XDG_CONFIG_HOME", "opencode/opencode.jsonc"),
        ("lm-studio", "LMSTUDIO_HOME", "mcp.json"),
    ],
)
def test_a_variable_moves_the_file_as_it_does_for_the_client(
    client: str, variable: str, below: str, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    machine = empty_machine(tmp_path, "linux", {variable: str(moved)})
    assert CLIENTS[client].files(machine) == [moved / below]
    relative = empty_machine(tmp_path, "linux", {variable: "moved"})
    assert files_of(relative, client) == [FILES[client][1]]


@pytest.mark.parametrize("client", ["zed", "claude-desktop", "vscode"])
def test_on_macos_programs_with_windows_do_not_ask_where_xdg_has_configurations(
    client: str, tmp_path: Path
) -> None:
    machine = empty_machine(tmp_path, "darwin", {"XDG_CONFIG_HOME": str(tmp_path / "moved")})
    assert files_of(machine, client) == [FILES[client][0]]
