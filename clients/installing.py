"""Real clients show the server once it is installed, and have their files back afterwards.

`make install-clients`: for each client, in homes of its own, with and without a configuration. Each
reads the entry by its own command, and starts the server where that is how it reads it. A second
install changes no byte, and uninstalling leaves the bytes of before.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from conformance.common import SEEDANCE_MCP, refusing_url, say

from .scene import NODE

RUN_SECONDS = 60.0
AT_ONCE = 3

JSON = """{
  // what the user wrote
  "theme":  "dark",   /* spaced oddly */
  "%s": {
    "other": %s, // theirs
  }
}
"""
STRICT = '{\n\t"numStartups":  3,\n\t"mcpServers": {"other": {"command": "true"}}\n}\n'
# Gemini CLI refuses a trailing comma.
COMMENTED = JSON.replace(", // theirs", " // theirs") % ("mcpServers", '{"command": "true"}')
OPENCODE = JSON.replace('  "theme":  "dark",   /* spaced oddly */\n', "  /* spaced  oddly */\n") % (
    *("mcp", '{"type": "local", "command": ["true"]}'),
)
TOML = """# what the user wrote
model = "stand-in"   # spaced  oddly

[mcp_servers.other] # theirs
command = 'true'

[features]
"""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How a client shows what is installed in it.

    Attributes:
        file: Its configuration, in its home.
        before: What is in it, as the user wrote it.
        command: Its own command that shows the server.
        says: Whether what it printed shows the server, started where the client starts it.
        env: Its own settings.
        first: Commands after which it has nothing more to write there of its own accord.
    """

    file: str
    before: str
    command: Sequence[str]
    says: Callable[[str], bool]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    first: Sequence[Sequence[str]] = ()


def _codex_says(text: str) -> bool:
    """Return whether Codex shows every key of the entry."""
    shown = json.loads(text)
    entry = shown["transport"]
    return (
        entry["command"] == SEEDANCE_MCP
        and entry["env_vars"] == ["RUNCOMFY_API_TOKEN"]
        and entry["env"]["SEEDANCE_WAIT_SECONDS"] == "240"
        and (shown["startup_timeout_sec"], shown["tool_timeout_sec"]) == (60, 300)
    )


READERS = {
    "claude-code": Reader(
        file=".claude.json",
        before=STRICT,
        command=["claude", "mcp", "get", "seedance"],
        says=lambda text: "Scope: User" in text and "Connected" in text and SEEDANCE_MCP in text,
        env={"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
        first=[
            ["claude", "mcp", "add-json", "another", '{"command": "true"}', "--scope", "user"],
            ["claude", "mcp", "get", "another"],
        ],
    ),
    "codex": Reader(
        file=".codex/config.toml",
        before=TOML,
        command=["codex", "mcp", "get", "seedance", "--json"],
        says=_codex_says,
    ),
    "gemini": Reader(
        file=".gemini/settings.json",
        before=COMMENTED,
        command=["gemini", "mcp", "list"],
        says=lambda text: f"✓ seedance: {SEEDANCE_MCP}" in text and "Connected" in text,
        env={"GEMINI_CLI_TRUST_WORKSPACE": "true"},
    ),
    "opencode": Reader(
        file=".config/opencode/opencode.jsonc",
        before=OPENCODE,
        command=["opencode", "mcp", "list"],
        says=lambda text: "✓ seedance" in text and "connected" in text,
        env={"OPENCODE_DISABLE_MODELS_FETCH": "1"},
    ),
}


class Failed(Exception):
    """A client or the installer did something else than it should."""


@dataclass(frozen=True, kw_only=True)
class Home:
    """The home of a client; `nowhere` is a URL that refuses every connection."""

    folder: Path
    reader: Reader
    nowhere: str

    @property
    def file(self) -> Path:
        """Return the client's configuration."""
        return self.folder / self.reader.file

    def content(self) -> bytes | None:
        """Return what is in its configuration, None if it has none."""
        return self.file.read_bytes() if self.file.exists() else None

    def run(self, *command: str) -> str:
        """Run a command as its user, and return what it printed.

        Raises:
            Failed: It failed.
        """
        path = os.pathsep.join([str(NODE / ".bin"), os.environ["PATH"]])
        proxies = {"HTTPS_PROXY": self.nowhere, "HTTP_PROXY": self.nowhere, "NO_PROXY": "127.0.0.1"}
        env = {"PATH": path, "HOME": str(self.folder), "RUNCOMFY_API_TOKEN": "none", **proxies}
        done = subprocess.run(
            command,
            env=env | dict(self.reader.env),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        if done.returncode:
            raise Failed(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")
        # Some print what they found to stderr.
        return done.stdout if "--json" in command else done.stdout + done.stderr

    def ours(self, *arguments: str) -> str:
        """Run our command."""
        return self.run(SEEDANCE_MCP, *arguments)

    def shows(self) -> bool:
        """Return whether the client shows the server."""
        try:
            return self.reader.says(self.run(*self.reader.command))
        except Failed:
            return False  # some fail if there is none


def check(name: str, home: Home, before: str | None) -> None:
    """Install, install again and uninstall, and read the client's own view after each.

    Raises:
        Failed: Something is not as it should be.
    """
    if before is not None:
        home.file.parent.mkdir(parents=True, exist_ok=True)
        home.file.write_text(before, "utf-8")
    expect(not home.shows(), "it shows the server before it is installed")
    for command in home.reader.first:
        home.run(*command)
    original = home.content()
    install = ["install", name, "--base-url", home.nowhere]
    said = home.ours(*install)
    expect("Added seedance" in said, f"nothing was added: {said}")
    expect(home.shows(), "it does not show the server")
    installed = home.content()
    said = home.ours(*install)
    expect("has seedance already" in said, f"the second install did something: {said}")
    expect(home.content() == installed, "the second install changed the file")
    home.ours("uninstall", name)
    now = home.content()
    expect(now == original, f"its file is not as it was: {now!r} instead of {original!r}")
    expect(not home.shows(), "it shows the server after it was uninstalled")


def expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads as a sentence
    """Check that something holds.

    Raises:
        Failed: It does not.
    """
    if not holds:
        raise Failed(otherwise)


def main() -> None:
    """Check every client, and exit with 1 if one of them fails."""
    parser = argparse.ArgumentParser(prog="python -m clients.installing", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(READERS)}")
    names = parser.parse_args().names or list(READERS)
    kinds = [(name, has_file) for name in names for has_file in (False, True)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        problems = list(threads.map(problem, kinds))
    for (name, has_file), found in zip(kinds, problems, strict=True):
        kind = "with a file" if has_file else "without a file"
        said = f"✗ {found}" if found else "✓ installed, shown, and taken out to the byte"
        say(f"{name} {kind}: {said}")
    sys.exit(any(problems))


def problem(kind: tuple[str, bool]) -> str | None:
    """Return what is wrong with a client, with or without a configuration; None if nothing is."""
    name, has_file = kind
    reader = READERS[name]
    with tempfile.TemporaryDirectory() as folder, refusing_url() as nowhere:
        home = Home(folder=Path(folder), reader=reader, nowhere=nowhere)
        try:
            check(name, home, reader.before if has_file else None)
        except (Failed, subprocess.TimeoutExpired) as error:
            return str(error)
    return None


if __name__ == "__main__":
    main()
