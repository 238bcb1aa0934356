"""The commands `seedance-mcp install` and `uninstall`, as a user runs them."""

import json
import os
import pty
import re
import socket
import stat
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from pydantic import AliasChoices

from seedance_mcp.cli._install import check_lines
from seedance_mcp.cli._setting_flags import SETTING_FLAGS
from seedance_mcp.cli.install.registry import CLIENTS
from seedance_mcp.hosting_settings import HostingSettings
from seedance_mcp.service.doctor.examination import NOT_KNOWN
from seedance_mcp.service.doctor.finding import Finding, fault, ok, warning
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.server_process import COMMAND, Servers
from tests.support.timeouts import TIMEOUT_SECONDS
from tests.support.wording import TOOLS

pytestmark = pytest.mark.anyio

SCRIPT = str(Path(sys.executable).with_name("seedance-mcp"))
NO_NETWORK = "http://127.0.0.1:1"
TOKEN = "s3cret+token"
NOT_FOUND = "Cursor was not found on this machine; its file can be written all the same."
NO_TOKEN = (
    "There is no token yet, so nothing can be bought: run this with RUNCOMFY_API_TOKEN set, or in a"
    " terminal, which asks for it."
)


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit code."""

    code: int
    lines: list[str]
    errors: str


@dataclass(frozen=True)
class User:
    """A user with a home of their own, and no programs but those in `bin`."""

    home: Path
    servers: Servers

    def environment(self, **variables: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
        return kept | {"HOME": str(self.home), "PATH": str(self.home / "bin"), **variables}

    async def run(self, *arguments: str, **variables: str) -> Done:
        with anyio.fail_after(TIMEOUT_SECONDS):
            done = await self.servers.command(arguments, self.environment(**variables))
        return Done(done.returncode, done.stdout.decode().splitlines(), done.stderr.decode())

    async def install(self, *arguments: str, **variables: str) -> Done:
        """Install, and check nothing that is not on this machine."""
        return await self.run("install", *arguments, "--base-url", NO_NETWORK, **variables)

    def program(self, name: str, code: str) -> None:
        path = self.home / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!{sys.executable}\n{code}\n", "utf-8")
        path.chmod(0o755)

    def files(self) -> dict[str, bytes]:
        """Return every file in the home but programs, by its path in it."""
        paths = (path for path in self.home.rglob("*") if path.is_file())
        found = {str(path.relative_to(self.home)): path.read_bytes() for path in paths}
        return {path: data for path, data in found.items() if not path.startswith("bin/")}

    def read(self, path: str) -> Any:
        return json.loads((self.home / path).read_text("utf-8"))


@pytest.fixture
def user(tmp_path: Path, servers: Servers) -> User:
    return User(tmp_path, servers)


def test_every_setting_but_the_secrets_is_a_flag() -> None:
    aliases = [
        field.validation_alias
        for name, field in Settings.model_fields.items()
        if name not in HostingSettings.model_fields
    ]
    variables = {str(alias) for alias in aliases if not isinstance(alias, AliasChoices)}
    assert {each.variable for each in SETTING_FLAGS} == variables - {"SEEDANCE_STATE_KEY"}


async def test_what_is_installed_starts_a_server_with_the_settings_that_were_given(
    user: User,
) -> None:
    settings = ["--model", "2.5-text-720p", "--max-cost-per-day", "5", "--no-local-files"]
    done = await user.install("cursor", *settings)
    entry = user.read(".cursor/mcp.json")["mcpServers"]["seedance"]
    assert entry == {
        "command": SCRIPT,
        "args": [],
        "env": {
            "SEEDANCE_MODEL": "2.5-text-720p",
            "SEEDANCE_MAX_COST_USD_PER_DAY": "5",
            "SEEDANCE_LOCAL_FILES": "false",
            "RUNCOMFY_API_BASE_URL": NO_NETWORK,
        },
    }
    assert (done.code, done.errors) == (0, "")
    assert done.lines[:4] == [
        NOT_FOUND,
        f"Added seedance to Cursor, in {user.home}/.cursor/mcp.json",
        f"It starts {SCRIPT}",
        NO_TOKEN,
    ]
    assert done.lines[-1] == f"Next: {CLIENTS['cursor'].next_step}"
    parameters = StdioServerParameters(
        command=entry["command"], env=user.environment(**entry["env"])
    )
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with Client(parameters) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
    assert tools == TOOLS


async def test_a_second_install_changes_nothing_and_uninstalling_leaves_nothing(user: User) -> None:
    await user.install("cursor")
    before = user.files()
    done = await user.install("cursor")
    path = user.home / ".cursor" / "mcp.json"
    assert f"Cursor has seedance already: {path} is as it was." in done.lines
    assert user.files() == before
    done = await user.run("uninstall", "cursor")
    again = "Next: Start Cursor again, so that it notices."
    assert done == Done(0, [f"Removed {path}, which was made for seedance.", again], "")
    assert user.files() == {}
    done = await user.run("uninstall", "cursor")
    assert done == Done(0, ["Cursor does not have seedance; nothing was changed."], "")


async def test_a_file_that_was_there_is_kept_beside_and_comes_back(user: User) -> None:
    path = user.home / ".cursor" / "mcp.json"
    path.parent.mkdir()
    text = b'{\r\n  // mine\r\n  "mcpServers": {"other": {"command": "x"}},\r\n}'
    path.write_bytes(text)
    done = await user.install("cursor")
    (backup,) = path.parent.glob("mcp.json.bak-*")
    assert backup.read_bytes() == text
    assert f"  What it was is in {backup}" in done.lines
    done = await user.install("cursor", "--history-days", "7")
    assert done.lines[1] == f"Updated seedance in Cursor, in {path}"
    done = await user.run("uninstall", "cursor")
    assert done.lines[0] == f"Took seedance out of {path}, which is as it was before."
    assert user.files() == {".cursor/mcp.json": text}
    assert list((user.home / ".local" / "state" / "seedance-mcp").iterdir()) == []


async def test_what_uninstalling_changes_beside_others_is_kept_beside_it(user: User) -> None:
    path = user.home / ".cursor" / "mcp.json"
    path.parent.mkdir()
    path.write_text('{"a": 1, "mcpServers": {"seedance": {"command": "mine"}}}', "utf-8")
    await user.install("cursor")
    path.write_text(path.read_text("utf-8").replace('"a": 1', '"a": 2'), "utf-8")
    done = await user.run("uninstall", "cursor")
    again = "which has again the entry from before."
    assert done.lines[0] == f"Took seedance out of {path}, {again}"
    backup = done.lines[1].removeprefix(f"  What it was is in {user.home}/")
    original = done.lines[2].removeprefix(f"  What it was before the install is in {user.home}/")
    assert [user.read(copy)["a"] for copy in (backup, original)] == [2, 1]
    path.write_text('{"mcpServers": {"seedance": {}}}', "utf-8")
    done = await user.run("uninstall", "cursor")
    assert done.lines[0] == f"Took seedance out of {path}"
    assert done.lines[1].startswith("  What it was is in ")


async def test_a_broken_file_is_left_alone_before_a_token_is_asked_for(user: User) -> None:
    path = user.home / ".cursor" / "mcp.json"
    path.parent.mkdir()
    path.write_bytes(b'{"mcpServers": {]}')
    for arguments in ["install", "cursor", "--token-in-file"], ["uninstall", "cursor"]:
        done = await user.run(*arguments)
        assert (done.code, done.lines) == (1, [])
        assert done.errors.startswith(f"seedance-mcp: {path} was left alone: line 1, column 17:")
    assert list(user.files()) == [".cursor/mcp.json"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["cursr"], 'Unknown client "cursr". Did you mean cursor? Valid names: claude-desktop, '),
        (["CURSOR"], 'Unknown client "CURSOR". Did you mean cursor? Valid names: claude-desktop, '),
        (["qqq"], 'Unknown client "qqq". Valid names: claude-desktop, '),
        ([], "Name a client, or list them with --list. Valid names: claude-desktop, "),
        (
            ["cursor", "--wait-seconds", "soon"],
            "--wait-seconds: SEEDANCE_WAIT_SECONDS must be a whole number from 0 to 900.",
        ),
        (
            ["cursor", "--output-dir", "clips"],
            "--output-dir: SEEDANCE_OUTPUT_DIR must be the absol",
        ),
        (["cursor", "--model", " "], "--model needs a value."),
        (
            ["cursor", "--model", "2.5-720"],
            "--model: SEEDANCE_MODEL names a model that this server",
        ),
        (
            ["cursor", "--token-in-file"],
            "--token-in-file needs a token: set RUNCOMFY_API_TOKEN, or",
        ),
    ],
)
async def test_a_mistake_is_named_before_anything_is_written(
    user: User, arguments: Sequence[str], error: str
) -> None:
    done = await user.run("install", *arguments)
    assert (done.code, done.errors.count("\n")) == (1, 1)
    assert done.lines in ([], [NOT_FOUND])
    assert done.errors.startswith(f"seedance-mcp: {error}")
    assert user.files() == {}


async def test_a_token_is_no_argument(user: User) -> None:
    for arguments in ["--token"], ["--token", TOKEN], [f"--token={TOKEN}"]:
        done = await user.run("install", "cursor", *arguments, RUNCOMFY_API_TOKEN=TOKEN)
        assert (done.code, done.lines) == (2, [])
        assert "unrecognized arguments: --token" in done.errors
    assert user.files() == {}


async def test_without_a_home_it_is_said_that_none_is_known(user: User) -> None:
    error = "seedance-mcp: The user's home folder is unknown, as HOME is not set.\n"
    assert await user.run("install", "--list", HOME="here") == Done(1, [], error)
    assert await user.run("uninstall", "cursor", HOME="") == Done(1, [], error)


async def test_a_wrong_state_folder_is_named(user: User) -> None:
    for command in "install", "uninstall":
        done = await user.run(command, "cursor", SEEDANCE_STATE_DIR="here")
        assert (done.code, done.lines) == (1, [])
        assert done.errors.startswith("seedance-mcp: SEEDANCE_STATE_DIR must be the absolute path")
    assert user.files() == {}


async def test_the_list_names_every_client_and_which_has_the_server(user: User) -> None:
    await user.install("zed")
    broken = user.home / ".gemini" / "settings.json"
    broken.parent.mkdir()
    broken.write_text("{", "utf-8")
    (user.home / ".claude").mkdir()
    done = await user.run("install", "--list")
    rows = [re.split(r"  +", line) for line in done.lines]
    assert [row[0] for row in rows] == ["CLIENT", *CLIENTS]
    by_id = {row[0]: row[1:] for row in rows}
    assert by_id["claude-code"] == ["Claude Code", "yes", "no", "~/.claude.json"]
    assert by_id["zed"][1:3] == ["no", "yes"]
    assert by_id["gemini"] == ["Gemini CLI", "no", "unreadable", "~/.gemini/settings.json"]


async def test_printing_writes_nothing_and_shows_no_token(user: User) -> None:
    printed: dict[str, str] = {}
    for client in "claude-desktop", "vscode", "codex":
        arguments = ["install", "--print", client, "--history-days", "7", "--wait-seconds", "9"]
        done = await user.run(*arguments, RUNCOMFY_API_TOKEN=TOKEN)
        assert done.code == 0
        assert TOKEN not in "".join(done.lines) + done.errors
        assert done.errors.startswith("It goes into ")
        printed[client] = "\n".join(done.lines)
    assert user.files() == {}
    settings = {"SEEDANCE_WAIT_SECONDS": "9", "SEEDANCE_HISTORY_DAYS": "7"}
    assert json.loads(printed["claude-desktop"])["mcpServers"]["seedance"]["env"] == {
        **settings,
        "RUNCOMFY_API_TOKEN": "your-runcomfy-token",
    }
    code = json.loads(printed["vscode"])
    assert code["servers"]["seedance"]["env"]["RUNCOMFY_API_TOKEN"] == "${input:runcomfy-api-token}"
    assert code["inputs"][0]["password"] is True
    codex = tomllib.loads(printed["codex"])["mcp_servers"]["seedance"]
    assert codex["env_vars"] == ["RUNCOMFY_API_TOKEN"]
    assert codex["env"] == settings


async def test_what_is_printed_to_be_run_has_no_place_for_a_token(user: User) -> None:
    run = "Or run: claude mcp add-json seedance "
    done = await user.run("install", "--print", "claude-code")
    assert run in done.errors
    done = await user.run("install", "--print", "claude-code", "--token-in-file")
    assert "your-runcomfy-token" in "".join(done.lines)
    assert run not in done.errors


CLAUDE = """
import json, os, sys
from pathlib import Path
home = Path.home()
with (home / "calls.jsonl").open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
path = home / ".claude.json"
_, action, name, *rest = sys.argv[1:]
file = json.loads(path.read_text()) if path.exists() else {}
servers = file.setdefault("mcpServers", {})
"""
WELL = (
    CLAUDE
    + """
if action == "remove":
    del servers[name]
else:
    servers[name] = json.loads(rest[0])
path.write_text(json.dumps(file))
"""
)
OTHERWISE = {
    "lies": CLAUDE,
    "fails": CLAUDE + "sys.exit('not today')",
    "drops what it does not know": CLAUDE + "servers[name] = {}; path.write_text(json.dumps(file))",
}
ADD = ["mcp", "add-json", "seedance"]


def calls(user: User) -> list[list[str]]:
    lines = (user.home / "calls.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def entry_of(user: User) -> Any:
    return user.read(".claude.json")["mcpServers"]["seedance"]


async def test_claude_code_adds_the_server_by_its_own_command(user: User) -> None:
    user.program("claude", WELL)
    done = await user.install("claude-code", RUNCOMFY_API_TOKEN=TOKEN)
    path = user.home / ".claude.json"
    assert done.lines[0] == f"Added seedance to Claude Code by its own command, in {path}"
    assert entry_of(user)["env"]["RUNCOMFY_API_TOKEN"] == "${RUNCOMFY_API_TOKEN:-}"
    (added,) = calls(user)
    assert (added[:3], added[4:]) == (ADD, ["--scope", "user"])
    # Another entry has to go first, and the same one needs nothing.
    await user.install("claude-code", "--auto-download", RUNCOMFY_API_TOKEN=TOKEN)
    await user.install("claude-code", "--auto-download")
    assert [call[1] for call in calls(user)] == ["add-json", "remove", "add-json"]
    assert entry_of(user)["env"]["SEEDANCE_AUTO_DOWNLOAD"] == "true"
    assert (await user.run("uninstall", "claude-code")).code == 0
    assert {path.partition(".bak-")[0] for path in user.files()} == {"calls.jsonl", ".claude.json"}
    assert not (user.home / ".claude.json").exists()


@pytest.mark.parametrize("how", OTHERWISE)
async def test_where_that_command_does_not_do_it_the_file_is_edited(user: User, how: str) -> None:
    user.program("claude", OTHERWISE[how])
    done = await user.install("claude-code")
    assert f"Added seedance to Claude Code, in {user.home / '.claude.json'}" in done.lines
    assert entry_of(user)["command"] == SCRIPT
    assert calls(user)[0][:3] == ADD


async def test_a_client_that_does_not_show_what_is_in_its_file_is_quoted(user: User) -> None:
    user.program("codex", "import sys; sys.exit('no server of that name')")
    done = await user.install("codex")
    reason = '"codex" failed: "no server of that name".'
    assert (done.code, done.lines[1]) == (0, f"Codex itself does not show it: {reason}")


async def test_a_command_that_breaks_the_file_is_an_error_that_names_it(user: User) -> None:
    path = user.home / ".claude.json"
    path.write_text('{"a": 1}', "utf-8")
    user.program("claude", CLAUDE + "path.write_text('{')")
    done = await user.install("claude-code")
    assert (done.code, done.lines) == (1, [])
    assert done.errors.startswith(f"seedance-mcp: {path} was left alone: line 1")
    (backup,) = user.home.glob(".claude.json.bak-*")
    assert done.errors.endswith(f". What it was is in {backup}.\n")
    assert backup.read_text("utf-8") == '{"a": 1}'
    assert user.files().keys() == {path.name, backup.name, "calls.jsonl"}  # no record


async def test_what_a_killed_install_did_can_be_undone(user: User) -> None:
    path = user.home / ".claude.json"
    path.write_text('{"a": 1}', "utf-8")
    user.program("claude", WELL + "\nos.kill(os.getppid(), 9)")
    done = await user.install("claude-code")
    assert f"Added seedance to Claude Code by its own command, in {path}" not in done.lines
    assert entry_of(user)["command"] == SCRIPT
    await user.run("uninstall", "claude-code")
    assert path.read_text("utf-8") == '{"a": 1}'


@pytest.mark.parametrize(
    ("client", "path"),
    [
        ("claude-code", ".claude.json"),
        ("claude-desktop", ".config/Claude/claude_desktop_config.json"),
    ],
)
async def test_a_token_that_has_to_be_in_a_file_is_in_no_other_place(
    user: User, client: str, path: str
) -> None:
    user.program("claude", WELL)
    file = user.home / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"a": 1}', "utf-8")
    file.chmod(0o644)
    done = await user.install(client, "--token-in-file", RUNCOMFY_API_TOKEN=TOKEN)
    assert (
        "The token, from your environment, is in that file, which only you may read." in done.lines
    )
    assert TOKEN not in "".join(done.lines) + done.errors
    assert [name for name, data in user.files().items() if TOKEN.encode() in data] == [path]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not (user.home / "calls.jsonl").exists()  # arguments can be read by all
    # Installed again without it, it stays.
    before = user.files()
    assert (await user.install(client)).code == 0
    assert user.files() == before
    await user.run("uninstall", client)
    assert user.files() == {path: b'{"a": 1}'}
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("typed", "token", "sentence"),
    [
        (
            f"{TOKEN}\n",
            TOKEN,
            "The token, from your answer, is in that file, which only you may read.",
        ),
        ("\x04", None, NO_TOKEN),  # Ctrl-D
    ],
)
async def test_a_token_that_is_typed_is_not_echoed(
    user: User, typed: str, token: str | None, sentence: str
) -> None:
    terminal, stdin = pty.openpty()
    command = [*COMMAND, "install", "claude-desktop", "--base-url", NO_NETWORK]
    process = await anyio.open_process(
        command, env=user.environment(), stdin=stdin, start_new_session=True
    )
    assert process.stdout
    assert process.stderr
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with process:
            prompt = await process.stderr.receive()
            told = await process.stdout.receive()
            os.write(terminal, typed.encode())
            printed = b"".join([data async for data in process.stdout])
            await process.wait()
    assert prompt == b"RunComfy token (not shown; empty: none for now): "
    assert told.startswith(b"Claude Desktop was not found on this machine; ")
    assert sentence.encode() in printed
    os.write(stdin, b"the end")
    assert os.read(terminal, 1000) == b"the end"
    os.close(terminal)
    os.close(stdin)
    assert TOKEN.encode() not in printed
    path = ".config/Claude/claude_desktop_config.json"
    env = user.read(path)["mcpServers"]["seedance"]["env"]
    assert env.get("RUNCOMFY_API_TOKEN") == token


async def test_the_checks_after_it_buy_nothing_and_change_no_exit_code(user: User) -> None:
    async with running(Behaviour()) as simulator:
        arguments = ["install", "codex", "--base-url", simulator.url]
        # The client will not have the settings of this shell.
        ours = {"SEEDANCE_MODEL": "none of these"}
        tokens = (simulator.token, "no")
        done = [await user.run(*arguments, RUNCOMFY_API_TOKEN=t, **ours) for t in tokens]
        assert {request.method for request in simulator.requests} == {"GET"}
    assert [each.code for each in done] == [0, 0]
    assert done[0].lines[-2] == "Checked: a clip can be made."
    assert done[1].lines[-2].startswith("1 fault, ")


async def test_a_runcomfy_that_does_not_answer_holds_nothing_up(user: User) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = await user.run("install", "codex", "--base-url", url, RUNCOMFY_API_TOKEN=TOKEN)
    assert done.code == 0
    assert "! connection  It was not known within 3 s." in done.lines
    assert done.lines[-2] == WAITS_LONGER


WAITS_LONGER = "Run seedance-mcp doctor, which waits longer, to know whether a clip can be made."
REJECTED = fault("authentication", "It is rejected.", "Replace it.")
CANNOT = "1 fault, 0 warnings: a clip cannot be made before the faults are fixed."


@pytest.mark.parametrize(
    ("found", "has_token", "lines"),
    [
        ([], True, ["Checked: a clip can be made."]),
        ([REJECTED], False, ["Checked: a clip can be made once there is a token."]),
        (
            [ok("clock", "Fine."), REJECTED, warning("balance", "Not checked, as it is.", "Fix.")],
            True,
            ["x authentication  It is rejected.", "                  Replace it.", "", CANNOT],
        ),
        (
            [warning("ledger", f"{NOT_KNOWN} 3 s.", "It may be well, and slow.")],
            True,
            [
                *("! ledger  It was not known within 3 s.", "          It may be well, and slow."),
                *("", WAITS_LONGER),
            ],
        ),
    ],
)
def test_what_is_not_well_is_said(found: list[Finding], has_token: bool, lines: list[str]) -> None:
    assert check_lines(found, "ascii", has_token=has_token) == lines


@pytest.mark.stress
@pytest.mark.repository
def test_what_uvx_runs_from_a_folder_is_installed_as_uvx_from_there(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    tools = os.pathsep.join([str(root / ".tools" / "bin"), os.environ["PATH"]])
    names = ("UV_CACHE_DIR", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_CERT", "SSL_CERT_FILE")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    environment: Mapping[str, str] = {"HOME": os.environ["HOME"], "PATH": tools, **kept}
    command = [
        "uv",
        "tool",
        "run",
        "--from",
        str(root),
        "seedance-mcp",
        "install",
        "--print",
        "cursor",
    ]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    entry = json.loads(done.stdout)["mcpServers"]["seedance"]
    assert Path(entry["command"]).name == "uvx"
    assert Path(entry["command"]).is_absolute()
    assert entry["args"] == ["--from", str(root), "seedance-mcp"]
