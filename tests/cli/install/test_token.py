"""Where the entry of a client has the token from."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from seedance_mcp.cli.install.client import Client
from seedance_mcp.cli.install.edits import Json
from seedance_mcp.cli.install.registry import CLIENTS
from seedance_mcp.cli.install.token import PLACEHOLDER, TokenSource, find_token, printed_token
from seedance_mcp.errors import ConfigurationError

CODEX, DESKTOP, VSCODE = (CLIENTS[name] for name in ("codex", "claude-desktop", "vscode"))
GIVEN = {"RUNCOMFY_API_TOKEN": "given+token"}
REFERENCE: Json = {"env": {"RUNCOMFY_API_TOKEN": "${env:RUNCOMFY_API_TOKEN}"}}
Expected = tuple[str, Mapping[str, str], str | None]
"""Where the token is, what the entry has of it, and what is known of it here."""

KEPT: Json = {"command": "x", "args": [], "env": {"RUNCOMFY_API_TOKEN": "kept"}}


class Asked:
    """A user who answers the same each time."""

    def __init__(self, *answers: str) -> None:
        self.prompts: list[str] = []
        self._answers = list(answers)

    def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return self._answers.pop(0)


def found(
    client: Client,
    environment: Mapping[str, str],
    *,
    in_file: bool = False,
    ask: Callable[[str], str] | None = None,
    existing: Json = None,
) -> Expected:
    source = find_token(client, environment, in_file=in_file, ask=ask, existing=existing)
    assert str(source.known) not in source.sentence
    assert str(source.known) not in repr(replace(source, env={}))
    return source.authentication, source.env, source.known


IN_FILE: Expected = ("file", {"RUNCOMFY_API_TOKEN": "given+token"}, "given+token")
TYPED: Expected = ("file", {"RUNCOMFY_API_TOKEN": "typed"}, "typed")
OLD: Expected = ("file", {"RUNCOMFY_API_TOKEN": "kept"}, "kept")
REFERRED: Expected = ("client", {}, None)
GIVEN_TO_CLIENT: Expected = ("client", {}, "given+token")
NONE: Expected = ("elsewhere", {}, None)


@pytest.mark.parametrize(
    ("client", "in_file", "expected"),
    [
        (CODEX, False, GIVEN_TO_CLIENT),
        (VSCODE, False, GIVEN_TO_CLIENT),
        (DESKTOP, False, IN_FILE),
        (CODEX, True, IN_FILE),
        (VSCODE, True, IN_FILE),
        (DESKTOP, True, IN_FILE),
    ],
)
def test_a_token_of_the_environment_is_in_a_file_only_where_it_has_to_be_or_is_wanted(
    client: Client, in_file: bool, expected: Expected
) -> None:
    assert found(client, GIVEN, in_file=in_file, ask=Asked(), existing=KEPT) == expected


def test_another_variable_with_the_token_is_not_what_the_client_looks_at() -> None:
    source = find_token(CODEX, {"RUNCOMFY_TOKEN": "t"}, in_file=False, ask=None)
    assert source == TokenSource(
        authentication="client",
        sentence=(
            "Codex takes the token from RUNCOMFY_API_TOKEN of its own environment, which is not set"
            " here. An app that is started without a shell may lack it: see --token-in-file."
        ),
        known="t",
    )


@pytest.mark.parametrize(
    ("client", "in_file", "answer", "expected"),
    [
        (CODEX, False, " typed ", TYPED),
        (CODEX, False, "", REFERRED),
        (DESKTOP, False, "typed", TYPED),
        (DESKTOP, False, "", NONE),
        (VSCODE, True, "typed", TYPED),
    ],
)
def test_without_one_the_user_is_asked(
    client: Client, in_file: bool, answer: str, expected: Expected
) -> None:
    asked = Asked(answer)
    assert found(client, {}, in_file=in_file, ask=asked) == expected
    assert len(asked.prompts) == 1
    assert found(VSCODE, {}, ask=Asked()) == REFERRED  # it asks by itself


def test_what_is_no_token_is_asked_for_again_with_the_rule_and_then_given_up() -> None:
    asked = Asked("two words", "${TOKEN}", "typed")
    assert found(DESKTOP, {}, ask=asked)[2] == "typed"
    assert asked.prompts == [
        "RunComfy token (not shown; empty: none for now): ",
        *["RunComfy token (printable ASCII without white space; empty: none for now): "] * 2,
    ]
    with pytest.raises(ConfigurationError, match="not a RunComfy token"):
        found(DESKTOP, {}, ask=Asked("a b", "a b", "a b"))
    with pytest.raises(ConfigurationError, match="not a RunComfy token"):
        found(DESKTOP, {}, in_file=True, ask=Asked("", "", ""))


@pytest.mark.parametrize("client", [CODEX, DESKTOP])
def test_without_a_terminal_nothing_refers_to_a_token_that_is_not_there(client: Client) -> None:
    assert found(client, {}) == NONE
    with pytest.raises(ConfigurationError, match="--token-in-file needs a token"):
        found(client, {}, in_file=True)


@pytest.mark.parametrize(
    ("existing", "in_file", "expected"),
    [
        (KEPT, False, OLD),
        (KEPT, True, OLD),
        (REFERENCE, False, REFERRED),
        ({"env_vars": ["RUNCOMFY_API_TOKEN"]}, False, REFERRED),
        (REFERENCE, True, TYPED),
        (
            {"env": {"RUNCOMFY_API_TOKEN": 3}},
            False,
            TYPED,
        ),
    ],
)
def test_what_the_entry_has_stays_so_that_a_second_install_changes_nothing(
    existing: Json, in_file: bool, expected: Expected
) -> None:
    asked = Asked("typed")
    assert found(CODEX, {}, in_file=in_file, ask=asked, existing=existing) == expected


def test_a_token_in_the_environment_that_is_none_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="RUNCOMFY_API_KEY must be"):
        found(DESKTOP, {"RUNCOMFY_API_KEY": "your-token"})


def write_cli_token(folder: Path) -> Path:
    file = folder / "token.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"access_token": "cli+token"}), "utf-8")
    return file


@pytest.mark.parametrize("client", [CODEX, DESKTOP, VSCODE])
def test_the_token_of_runcomfys_cli_is_read_by_the_server_itself(
    client: Client, tmp_path: Path
) -> None:
    home = {"HOME": str(tmp_path), **GIVEN}
    moved = tmp_path / "moved"
    write_cli_token(tmp_path / ".config" / "runcomfy")
    write_cli_token(moved / "runcomfy")
    assert found(client, home, ask=Asked()) == ("elsewhere", {}, "cli+token")
    # The client need not know the variable that leads there.
    config = {"RUNCOMFY_CONFIG_DIR": str(moved / "runcomfy")}
    assert found(client, {**home, "XDG_CONFIG_HOME": str(moved)}) == (
        *("elsewhere", config, "cli+token"),
    )
    assert found(client, home, in_file=True) == IN_FILE


@pytest.mark.parametrize("content", ["", "{}", '{"access_token": "${TOKEN}"}', "\0"])
def test_a_file_of_the_cli_without_a_token_counts_as_none(content: str, tmp_path: Path) -> None:
    file = write_cli_token(tmp_path / ".config" / "runcomfy")
    file.write_text(content, "utf-8")
    assert found(DESKTOP, {"HOME": str(tmp_path), **GIVEN}) == IN_FILE


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())
@pytest.mark.parametrize("in_file", [False, True])
def test_what_is_printed_never_has_the_token(client: Client, in_file: bool) -> None:
    source = printed_token(client, GIVEN, in_file=in_file)
    if client.refers and not in_file:
        assert (source.authentication, source.env) == ("client", {})
    else:
        assert (source.authentication, source.env) == ("file", {"RUNCOMFY_API_TOKEN": PLACEHOLDER})
