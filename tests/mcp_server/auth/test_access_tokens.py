"""The file of access tokens: how it is made, read, and read again."""

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import anyio
import httpx
import pytest

from seedance_mcp.cli.main import main
from seedance_mcp.mcp_server.auth.access_tokens import (
    AccessTokens,
    BadTokens,
    add_token,
    check_file,
    hash_token,
)
from tests.support.server_process import INITIALIZE, Servers, environment
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")


class Watch:
    """What is read of a file, at times that the test sets, and what was reported."""

    def __init__(self, path: Path) -> None:
        self.time = 0.0
        self.reported: list[str] = []
        self.tokens = AccessTokens(path, lambda: self.time, self.reported.append)

    def later(self, token: str) -> str | None:
        """Return the name of a caller a second later."""
        self.time += 1
        return self.tokens.name_of(token)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "access-tokens"


async def test_the_command_prints_a_token_alone_which_its_line_lets_in(
    servers: Servers, path: Path
) -> None:
    env = environment(path.parent.parent, SEEDANCE_ACCESS_TOKENS=str(path))
    done: CompletedProcess[bytes] = await servers.command(["token", "new", "alice"], env)
    token = done.stdout.decode().strip()
    assert (done.returncode, done.stdout.decode()) == (0, f"{token}\n")
    assert done.stderr.decode() == (
        f"Added alice to {path}. This token is shown once; to revoke it, delete the line.\n"
    )
    assert _read(path) == (f"alice:{hash_token(token)}\n", 0o600)
    # 32 random bytes have 43 characters in base64.
    assert (token[:6], len(token)) == ("sdmcp_", 49)
    assert Watch(path).tokens.name_of(token) == "alice"


async def test_the_process_asks_for_tokens_on_a_loopback_address_too(
    servers: Servers, path: Path
) -> None:
    token = add_token(path, "alice")
    env = environment(path.parent, SEEDANCE_ACCESS_TOKENS=str(path))
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.http(env) as (url, _), httpx.AsyncClient() as http:
            body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
            accept = {"Accept": "application/json, text/event-stream"}
            answers = [
                (await http.post(url, json=body, headers=accept | headers)).status_code
                for headers in ({}, {"Authorization": f"Bearer {token}"})
            ]
    assert answers == [401, 200]


async def test_the_command_says_which_variable_names_the_file(
    servers: Servers, tmp_path: Path
) -> None:
    done = await servers.command(["token", "new", "alice"], environment(tmp_path))
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == (
        "seedance-mcp: Set SEEDANCE_ACCESS_TOKENS to the absolute path of the file of access"
        " tokens, for this command and for the server.\n"
    )


def test_a_token_is_made_by_new_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["token"])
    assert ended.value.code == 2
    assert "ACTION" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\nb", "#a", "ä", "a" * 65, "../a"])
def test_a_name_with_odd_characters_is_refused(path: Path, name: str) -> None:
    with pytest.raises(BadTokens, match="must be of 1 to 64 letters"):
        add_token(path, name)
    assert not path.exists()


def test_a_name_in_use_is_refused_and_its_token_stays(path: Path) -> None:
    token = add_token(path, "alice")
    with pytest.raises(BadTokens, match="The name alice is in use: delete its line"):
        add_token(path, "alice")
    assert path.read_text() == f"alice:{hash_token(token)}\n"


def test_many_tokens_made_at_the_same_time_all_have_their_lines(path: Path) -> None:
    names = [f"caller-{number}" for number in range(32)]
    with ThreadPoolExecutor(16) as threads:
        made = dict(zip(names, threads.map(partial(add_token, path), names), strict=True))
    watch = Watch(path)
    assert {name: watch.tokens.name_of(token) for name, token in made.items()} == {
        name: name for name in names
    }
    assert len(path.read_text().splitlines()) == 32


def test_a_line_follows_a_comment_that_has_no_line_break(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("# the team")
    path.chmod(0o600)
    token = add_token(path, "alice")
    assert path.read_text() == f"# the team\nalice:{hash_token(token)}\n"


@posix_only
def test_nothing_is_written_through_a_symbolic_link(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    target = tmp_path / "elsewhere"
    target.write_text("kept")
    path.symlink_to(target)
    with pytest.raises(BadTokens, match=r"Cannot write .*: it is a symbolic link\."):
        add_token(path, "alice")
    assert target.read_text() == "kept"


@posix_only
def test_a_mounted_file_is_read_through_a_symbolic_link(path: Path, tmp_path: Path) -> None:
    mounted = tmp_path / "data"
    token = add_token(mounted, "alice")
    path.parent.mkdir()
    path.symlink_to(mounted)
    check_file(path)
    assert Watch(path).tokens.name_of(token) == "alice"


@posix_only
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused_by_the_command_and_the_start(
    path: Path, mode: int
) -> None:
    token = add_token(path, "alice")
    path.chmod(mode)
    with pytest.raises(BadTokens, match=r"can be written by others.*chmod 600"):
        check_file(path)
    with pytest.raises(BadTokens, match="can be written by others"):
        add_token(path, "bob")
    assert Watch(path).tokens.name_of(token) is None


@posix_only
def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(BadTokens, match="must name a file"):
        check_file(pipe)


ALICE, BOB = (f"{name}:{hash_token(name)}\n" for name in ("alice", "bob"))


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (f"{ALICE}{BOB}{ALICE}", "line 3 has the same name as line 1."),
        (f"{ALICE}\n# twice\nbob:{hash_token('alice')}\n", "line 4 has the same token as line 1."),
        (f"{ALICE}bob:{hash_token('bob')[1:]}\n", "line 2 is not a name, a colon and a SHA-256."),
        (f"{ALICE}bob:{hash_token('bob').upper()}\n", "line 2 is not a name, a colon"),
        ("sdmcp_secret\n", "line 1 is not a name, a colon and a SHA-256."),
        (f"b b:{hash_token('bob')}\n", "line 1 is not a name, a colon and a SHA-256."),
    ],
)
def test_the_start_names_the_line_that_is_wrong_and_shows_nothing_of_it(
    tmp_path: Path, lines: str, problem: str
) -> None:
    file = _written(tmp_path / "tokens", lines)
    with pytest.raises(BadTokens) as refused:
        check_file(file)
    assert refused.value.message.startswith(f"{file}, {problem}")
    assert "secret" not in refused.value.message


def test_the_start_says_how_to_make_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadTokens, match="does not exist: seedance-mcp token new NAME makes it"):
        check_file(tmp_path / "tokens")


def test_a_token_is_revoked_and_another_let_in_within_a_second(tmp_path: Path) -> None:
    file = _written(tmp_path / "tokens", f"\ufeff{ALICE}\n# all\r\n")
    watch = Watch(file)
    assert [watch.later("alice"), watch.later("bob")] == ["alice", None]
    _written(file, BOB)
    # Of the same size, and read a moment ago.
    assert watch.tokens.name_of("alice") == "alice"
    assert [watch.later("alice"), watch.later("bob")] == [None, "bob"]
    assert watch.reported == []


def test_a_file_that_breaks_keeps_neither_its_revoked_callers_in_nor_the_others_out(
    tmp_path: Path,
) -> None:
    file = _written(tmp_path / "tokens", f"{ALICE}{BOB}")
    watch = Watch(file)
    assert watch.later("alice") == "alice"
    _written(file, f"alice was here\n{BOB}")
    assert [watch.later("alice"), watch.later("bob")] == [None, "bob"]
    assert watch.reported == [f"{file}, line 1 is not a name, a colon and a SHA-256."]
    # Which of two tokens is the one that was replaced?
    _written(file, f"bob:{hash_token('new')}\n{BOB}")
    assert [watch.later("bob"), watch.later("new")] == [None, None]


@pytest.mark.parametrize("gone", [True, False])
def test_a_file_that_is_gone_or_empty_lets_in_none_until_it_is_back(
    tmp_path: Path, *, gone: bool
) -> None:
    file = _written(tmp_path / "tokens", ALICE)
    watch = Watch(file)
    assert watch.later("alice") == "alice"
    if gone:
        file.unlink()
    else:
        _written(file, "")
    assert [watch.later("alice"), watch.later("alice")] == [None, None]
    assert len(watch.reported) == gone
    _written(file, ALICE)
    assert watch.later("alice") == "alice"


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(0o600)
    return file


def _read(file: Path) -> tuple[str, int]:
    """Return a file's text and its permissions."""
    mode = 0o600 if sys.platform == "win32" else stat.S_IMODE(file.stat().st_mode)
    return file.read_text(), mode
