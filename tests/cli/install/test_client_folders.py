"""Which of its files a client reads, and how it shows that it is on the machine."""

import os
from pathlib import Path

import pytest

from seedance_mcp.cli.install.client import Server
from seedance_mcp.cli.install.installer import install, uninstall
from seedance_mcp.cli.install.machine import Machine, System
from seedance_mcp.cli.install.record import Records
from seedance_mcp.cli.install.registry import CLIENTS
from seedance_mcp.clock import Clock
from tests.support.machines import SYSTEMS, empty_machine

CLAUDE = "claude_desktop_config.json"
STORE = f"AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/{CLAUDE}"
SHARE, ROAMING = f"AppData/Local/Claude-Data/{CLAUDE}", f"AppData/Roaming/Claude/{CLAUDE}"


def files_of(machine: Machine, client: str) -> list[str]:
    files = CLIENTS[client].files(machine)
    return [file.relative_to(machine.home).as_posix() for file in files]


def found(machine: Machine) -> set[str]:
    return {name for name, client in CLIENTS.items() if client.found(machine)}


def write(path: Path, data: str = "{}", mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data)
    path.chmod(mode)


@pytest.mark.parametrize(
    ("folders", "files", "expected"),
    [
        ([], [], [ROAMING]),
        ([ROAMING], [], [ROAMING]),
        ([STORE, ROAMING], [], [STORE]),
        ([STORE], [ROAMING], [STORE, ROAMING]),
        ([], [STORE, ROAMING], [STORE, ROAMING]),
        ([], [SHARE], [SHARE]),
        ([STORE], [SHARE, ROAMING], [STORE, SHARE, ROAMING]),
    ],
)
def test_claude_desktop_on_windows_gets_the_entry_wherever_it_may_look(
    folders: list[str], files: list[str], expected: list[str], tmp_path: Path
) -> None:
    machine = empty_machine(tmp_path, "win32")
    for folder in folders:
        (machine.home / folder).parent.mkdir(parents=True)
    for file in files:
        write(machine.home / file)
    assert files_of(machine, "claude-desktop") == expected


def test_both_files_of_claude_desktop_are_changed_and_changed_back(tmp_path: Path) -> None:
    machine, records = empty_machine(tmp_path, "win32"), Records(tmp_path / "state")
    store, older = machine.home / STORE, machine.home / ROAMING
    store.parent.mkdir(parents=True)
    write(older, '{"mcpServers": {}}')
    server = Server(command="C:/uv/uvx.exe", args=["seedance-mcp"])
    done = install(CLIENTS["claude-desktop"], server, machine, records, Clock())
    assert [(file.path, file.made) for file in done.files] == [(store, True), (older, False)]
    assert all(b"C:/uv/uvx.exe" in file.read_bytes() for file in (store, older))
    uninstall(CLIENTS["claude-desktop"], machine, records, Clock())
    assert (store.exists(), store.parent.is_dir()) == (False, True)
    assert older.read_text() == '{"mcpServers": {}}'


def test_visual_studio_code_gets_the_entry_in_each_edition_that_is_there(tmp_path: Path) -> None:
    machine = empty_machine(tmp_path, "linux")
    insiders = ".config/Code - Insiders/User/mcp.json"
    (machine.home / insiders).parent.mkdir(parents=True)
    assert files_of(machine, "vscode") == [insiders]
    (machine.home / ".config/Code/User").mkdir(parents=True)
    assert files_of(machine, "vscode") == [".config/Code/User/mcp.json", insiders]


def test_the_file_of_clines_extension_is_used_until_cline_has_moved_it(tmp_path: Path) -> None:
    machine = empty_machine(tmp_path, "linux")
    older = (
        ".config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"
    )
    write(machine.home / older)
    assert files_of(machine, "cline") == [older]
    present = ".cline/data/settings/cline_mcp_settings.json"
    write(machine.home / present)
    assert files_of(machine, "cline") == [present]


def test_opencode_keeps_the_file_that_it_has(tmp_path: Path) -> None:
    machine = empty_machine(tmp_path, "win32")
    write(machine.home / ".config/opencode/opencode.json")
    assert files_of(machine, "opencode") == [".config/opencode/opencode.json"]
    write(machine.home / ".config/opencode/opencode.jsonc")
    assert files_of(machine, "opencode") == [".config/opencode/opencode.jsonc"]


@pytest.mark.parametrize(
    ("file", "place"),
    [
        (None, "mcp.seedance"),
        ("{}", "mcp.seedance"),
        ('{"provider": {}}', "mcp.seedance"),
        ('{"mcp": {"other": {"type": "local"}}}', "mcp.seedance"),
        ('{"mcp": {"servers": {"type": "local", "command": []}}}', "mcp.seedance"),
        ('{"mcp": {"servers": {"other": {}}, "seedance": {}}}', "mcp.seedance"),
        ('{"mcp": {"servers": {"other": {"type": "local"}}}}', "mcp.servers.seedance"),
        ('{"mcp": {"servers": {}}, /* version 2 */ }', "mcp.servers.seedance"),
        ('{"mcp": {"servers": {"type": {"command": []}}}}', "mcp.servers.seedance"),
        ('{"providers": {}}', "mcp.servers.seedance"),
    ],
)
def test_opencode_keeps_the_shape_that_its_file_has(file: str | None, place: str) -> None:
    keys = CLIENTS["opencode"].keys(None if file is None else file.encode())
    assert keys == tuple(place.split("."))


def test_lm_studio_is_followed_to_the_folder_that_it_keeps(tmp_path: Path) -> None:
    machine = empty_machine(tmp_path, "darwin")
    (machine.home / ".cache/lm-studio").mkdir(parents=True)
    assert files_of(machine, "lm-studio") == [".cache/lm-studio/mcp.json"]
    pointer = machine.home / ".lmstudio-home-pointer"
    pointer.write_text(f"{machine.home / 'models'}\n")
    assert files_of(machine, "lm-studio") == ["models/mcp.json"]
    for useless in (b"", b"models", b"\xff\xfe", b"/" + 5000 * b"a"):
        pointer.write_bytes(useless)
        [file] = CLIENTS["lm-studio"].files(machine)
        assert len(str(file)) < 4200
    pointer.write_bytes(b"models")
    assert files_of(machine, "lm-studio") == [".cache/lm-studio/mcp.json"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_client_is_found_where_only_files_of_an_install_are(
    system: System, tmp_path: Path
) -> None:
    machine = empty_machine(tmp_path, system)
    assert found(machine) == set()
    for client in CLIENTS.values():
        for file in client.files(machine):
            write(file)
            write(file.with_name(f"{file.name}.bak-20261130T003000Z"))
    assert found(machine) == set()


@pytest.mark.parametrize(
    ("system", "sign", "client"),
    [
        ("darwin", "root/Applications/Claude.app/Contents/Info.plist", "claude-desktop"),
        ("darwin", "home/Applications/Cursor.app/Contents/Info.plist", "cursor"),
        ("darwin", "root/Applications/Zed Preview.app/Contents/Info.plist", "zed"),
        ("darwin", "root/Applications/LM Studio.app/Contents/Info.plist", "lm-studio"),
        ("darwin", "root/Applications/Goose.app/Contents/Info.plist", "goose"),
        ("darwin", "root/Applications/Visual Studio Code.app/Contents/Info.plist", "vscode"),
        ("linux", "home/.config/Claude/config.json", "claude-desktop"),
        ("linux", "home/.claude/settings.json", "claude-code"),
        ("linux", "home/.cursor/extensions/extensions.json", "cursor"),
        ("linux", "home/.config/Code/User/globalStorage/storage.json", "vscode"),
        ("linux", "home/.codex/auth.json", "codex"),
        ("linux", "home/.gemini/oauth_creds.json", "gemini"),
        ("linux", "home/.config/zed/keymap.json", "zed"),
        ("linux", "home/.codeium/windsurf/user_settings.pb", "windsurf"),
        ("linux", "home/.config/devin/config.json", "devin"),
        ("linux", "home/.cline/data/globalState.json", "cline"),
        ("linux", "home/.opencode/bin/opencode", "opencode"),
        ("linux", "home/.lmstudio/settings.json", "lm-studio"),
        ("win32", "home/AppData/Local/Packages/Claude_pzs8sxrjxfjjc/a", "claude-desktop"),
        ("win32", "home/AppData/Local/AnthropicClaude/app-1.0/claude.exe", "claude-desktop"),
        (
            "win32",
            "home/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Cursor.lnk",
            "cursor",
        ),
        (
            "win32",
            "root/ProgramData/Microsoft/Windows/Start Menu/Programs/Windsurf/Windsurf.lnk",
            "windsurf",
        ),
    ],
)
def test_a_client_is_found_by_what_it_leaves_on_a_machine(
    system: System, sign: str, client: str, tmp_path: Path
) -> None:
    write(tmp_path / sign)
    assert found(empty_machine(tmp_path, system)) == {client}


EXE = "" if os.name == "posix" else ".exe"
PROGRAMS = (
    "claude-desktop=claude-desktop claude=claude-code cursor=cursor cursor-agent=cursor"
    " codex=codex gemini=gemini zed=zed zeditor=zed windsurf=windsurf devin=devin cline=cline"
    " opencode=opencode lms=lm-studio"
)


@pytest.mark.parametrize("program", PROGRAMS.split())
def test_a_client_is_found_by_its_program_in_the_path(program: str, tmp_path: Path) -> None:
    name, client = program.split("=")
    write(tmp_path / "bin" / f"{name}{EXE}", "#!/bin/sh\n", mode=0o755)
    assert found(empty_machine(tmp_path, "linux")) == {client}


@pytest.mark.parametrize("name", ["code", "goose"])
def test_a_program_that_may_be_of_another_maker_proves_nothing(name: str, tmp_path: Path) -> None:
    write(tmp_path / "bin" / f"{name}{EXE}", "#!/bin/sh\n", mode=0o755)
    assert found(empty_machine(tmp_path, "linux")) == set()
