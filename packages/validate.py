"""Have the real Claude Code and Gemini CLI check and start what is theirs: `make packages`.

Each has an empty home and reaches nothing but this machine. As the package may not be published
yet, `uvx` is a script that starts this checkout.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clients.scene import NODE
from conformance.common import SEEDANCE_MCP, exit_on_signals, refusing_url, say, settings

from ._project import PLUGIN, ROOT, SERVER, SKILL, load_project

COMMAND_SECONDS = 120
TOKEN = "made-up"  # noqa: S105 - it reaches nothing
UVX = """#!PYTHON
import json, os, sys
seen = {"args": sys.argv[1:], "token": os.environ.get("RUNCOMFY_API_TOKEN", "")}
seen |= {"second": os.environ.get("RUNCOMFY_TOKEN", "")}
seen |= {"limit": os.environ.get("SEEDANCE_MAX_COST_USD_PER_DAY", "")}
with open(os.path.join(os.environ["HOME"], "saw.jsonl"), "a") as file:
    file.write(json.dumps(seen) + "\\n")
os.environ |= json.loads('SETTINGS')
os.execv("COMMAND", ["COMMAND"])
"""
"""The script that stands in for uvx, and notes with what it was started."""


class CheckFailed(Exception):
    """A client did not accept or start what it should."""


@dataclass(frozen=True, kw_only=True)
class Home:
    """An empty home with clients in its PATH."""

    folder: Path
    env: Mapping[str, str]

    def run(self, *command: str, answer: str = "", **env: str) -> str:
        """Run a client, and return what it printed.

        Raises:
            CheckFailed: It ended with an error.
        """
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.env, **env},
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            raise CheckFailed(f"{' '.join(command)}:\n{done.stdout}")
        return done.stdout

    def expect(self, output: str, *parts: str) -> None:
        """Check that the parts are in what a client printed.

        Raises:
            CheckFailed: One is missing.
        """
        if missing := [part for part in parts if part not in output]:
            raise CheckFailed(f"{missing} is not in:\n{output}")

    def expect_started(self, **seen: str) -> None:
        """Check how the server was started last, and forget it.

        Raises:
            CheckFailed: It was started otherwise, or not at all.
        """
        path = self.folder / "saw.jsonl"
        lines = path.read_text("utf-8").splitlines() if path.is_file() else [""]
        path.unlink(missing_ok=True)
        unset = {"token": "", "second": "", "limit": ""}
        expected = json.dumps({"args": load_project().command[1]} | unset | seen)
        if lines[-1] != expected:
            raise CheckFailed(f"The server was started with {lines[-1]}, not with {expected}.")


@contextmanager
def opened_home() -> Generator[Home]:
    """Make a home, and remove it at the end."""
    with tempfile.TemporaryDirectory() as name, refusing_url() as nowhere:
        folder, binaries = Path(name, "home"), Path(name, "bin")
        folder.mkdir()
        binaries.mkdir()
        variables = json.dumps(settings(str(Path(name, "state")), nowhere))
        script = UVX.replace("PYTHON", sys.executable).replace("COMMAND", SEEDANCE_MCP)
        (binaries / "uvx").write_text(script.replace("SETTINGS", variables), "utf-8")
        (binaries / "uvx").chmod(0o755)
        path = [str(binaries), str(NODE / ".bin"), os.environ["PATH"]]
        proxies = {"HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "NO_PROXY": "127.0.0.1"}
        own = {
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        }
        own |= {"HOME": str(folder), "PATH": os.pathsep.join(path)}
        yield Home(folder=folder, env={**proxies, **own})


def check_claude_code(home: Home) -> str:
    """Check the marketplace and the plugin, install it, and see its server start."""
    validate = ["claude", "plugin", "validate", "--strict"]
    home.run(*validate, str(ROOT))
    home.run(*validate, "--profile", "directory", str(ROOT / PLUGIN))
    home.run("claude", "plugin", "marketplace", "add", str(ROOT))
    name = f"{SERVER}@{load_project().name}"
    home.run("claude", "plugin", "install", name)
    started = f"plugin:{SERVER}:{SERVER}", "Connected"
    home.expect(home.run("claude", "mcp", "list"), *started)
    home.expect_started()
    shell = {"RUNCOMFY_API_TOKEN": TOKEN, "SEEDANCE_MAX_COST_USD_PER_DAY": "5"}
    home.expect(home.run("claude", "mcp", "list", **shell), *started)
    home.expect_started(second=TOKEN, limit="5")
    home.run(
        *["claude", "plugin", "configure", name, "--values-stdin"],
        answer=json.dumps({"token": TOKEN, "max_cost_usd_per_day": "3"}),
    )
    home.expect(home.run("claude", "mcp", "list"), *started)
    home.expect_started(token=TOKEN, limit="3")
    home.expect(home.run("claude", "mcp", "list", **shell), *started)
    home.expect_started(token=TOKEN, second=TOKEN, limit="5")
    return "Claude Code validates and installs the plugin, and starts its server with its options."


def check_gemini(home: Home) -> str:
    """Check the extension, install it, and see its server start."""
    home.run("gemini", "extensions", "validate", str(ROOT))
    # It would copy all of the checkout, environments included.
    copy = home.folder / "extension"
    (copy / SKILL).parent.mkdir(parents=True)
    for name in ("gemini-extension.json", SKILL):
        shutil.copyfile(ROOT / name, copy / name)
    install = ["gemini", "extensions", "install", str(copy), "--consent", "--skip-settings"]
    home.run(*install, answer="y\n")
    listed = home.run("gemini", "extensions", "list")
    home.expect(listed, "Agent skills:", "RunComfy token: [not set]", f"  {SERVER}\n")
    home.expect(home.run("gemini", "mcp", "list"), f"{SERVER} (from {SERVER})", "Connected")
    home.expect_started()
    listed = home.run("gemini", "mcp", "list", RUNCOMFY_API_TOKEN=TOKEN)
    home.expect(listed, f"{SERVER} (from {SERVER})", "Connected")
    home.expect_started(token=TOKEN)
    return "Gemini CLI validates and installs the extension, and starts its server with its token."


def main() -> None:
    """Check both, and exit with 1 if one fails."""
    exit_on_signals()
    failures: list[str] = []
    for check in (check_claude_code, check_gemini):
        try:
            with opened_home() as home:
                say(check(home))
        except CheckFailed as failed:
            failures.append(str(failed))
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
