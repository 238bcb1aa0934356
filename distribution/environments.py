"""A new environment of Python, which knows nothing of the sources."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Environment:
    """An environment in a folder; its commands run in another, empty one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "environment"
        self._empty = folder / "empty"
        self._empty.mkdir()
        uv("venv", "--quiet", "--python", sys.executable, str(self._folder))

    def install(self, *requirements: str) -> None:
        """Install packages, and check that what each requires is there."""
        python = str(self.command("python"))
        uv("pip", "install", "--quiet", "--python", python, *requirements)
        uv("pip", "check", "--quiet", "--python", python)

    def command(self, name: str) -> Path:
        """Return the path of a command."""
        windows = sys.platform == "win32"
        return self._folder / (f"Scripts/{name}.exe" if windows else f"bin/{name}")

    def run(
        self, name: str, *arguments: str, variables: Mapping[str, str], cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        command = [str(self.command(name)), *arguments]
        return subprocess.run(
            command,
            cwd=cwd or self._empty,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )


def uv(*arguments: str) -> None:
    """Run uv, which has put its own path into this variable."""
    subprocess.run([os.environ["UV"], *arguments], cwd=ROOT, check=True)
