"""Decides how a client starts this program, by how it was started itself.

An environment that lasts has a script, which starts quickest. One that uvx, `uv run --with` or
`pipx run` made is in a cache, and may be gone tomorrow: there the client runs uvx again, which
takes the package from where this one came (PEP 610).
"""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit, urlunsplit

from seedance_mcp.errors import SeedanceError

from .machine import Machine, System

PACKAGE = "seedance-mcp"

# uv names the folders of its cache by their layouts.
_CACHES = re.compile(
    r"[/\\]((archive|builds|environments)-v\d+|(\.cache|Caches)[/\\]pipx|pipx[/\\](\.cache|Cache))[/\\]"
)


class NoLauncher(SeedanceError):
    """Nothing here would start the server tomorrow."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """How this program was started.

    Attributes:
        system: The operating system.
        python: The interpreter.
        script: The script `seedance-mcp` of its environment, None if there is none.
        origin: What PEP 610 records of where the package came from, None if from an index.
        video: Whether PyAV is installed.
        uvx: A command that does what uvx does, None if there is none.
    """

    system: System
    python: str
    script: str | None
    origin: Mapping[str, Any] | None
    video: bool
    uvx: Sequence[str] | None


def command_of(start: Start) -> list[str]:
    """Return the command that a client starts the server with; its first word is absolute.

    Raises:
        NoLauncher: This environment will not last, and there is no uvx to make it again.
    """
    lasting = [start.script] if start.script else [start.python, "-m", "seedance_mcp"]
    if not is_passing(lasting[0]):
        return lasting
    if start.uvx is None:
        raise NoLauncher(
            "This program runs in a cache, which may be emptied, and uvx was not found, which would"
            f" start it anew. Install uv, or install the program with pipx install {PACKAGE}; then"
            " repeat this."
        )
    source = _source(start)
    return [*start.uvx, *(["--from", source] if source else []), PACKAGE]


def is_passing(path: str) -> bool:
    """Return whether a program is in a cache of uv or pipx."""
    return _CACHES.search(path) is not None


def _source(start: Start) -> str | None:
    """Return what uvx installs, None if that is what the command is called."""
    named = f"{PACKAGE}[video]" if start.video else PACKAGE
    url = _url(start.origin) if start.origin else None
    if url is None:
        return named if start.video else None
    if start.video:
        return f"{named} @ {url}"
    return _path(url, start.system) if url.startswith("file:") else url


def _url(origin: Mapping[str, Any]) -> str | None:
    """Return where the package came from, as pip and uv write it, without a password."""
    url, vcs = origin.get("url"), origin.get("vcs_info")
    if not isinstance(url, str):
        return None
    url = _without_password(url)
    if isinstance(vcs, Mapping):
        known = cast("Mapping[str, Any]", vcs)
        url = f"{known.get('vcs', 'git')}+{url}@{known.get('commit_id', 'HEAD')}"
    folder = origin.get("subdirectory")
    return f"{url}#subdirectory={folder}" if folder else url


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    # The user of ssh is no secret, and needed.
    kept = f"{user.partition(':')[0]}{at}{host}" if parts.scheme == "ssh" else host
    return urlunsplit(parts._replace(netloc=kept))


def _path(url: str, system: System) -> str:
    """Return the path that a file URL names."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    if system != "win32":
        return path
    path = f"//{parts.netloc}{path}" if parts.netloc else path.removeprefix("/")
    return path.replace("/", "\\")


def read_start(machine: Machine) -> Start:
    """Return how this program was started."""
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:  # its sources are in the path
        origin, files = None, []
    else:
        origin, files = package.read_text("direct_url.json"), package.files or []
    names = {PACKAGE, f"{PACKAGE}.exe"}
    scripts = [os.path.normpath(str(file.locate())) for file in files if file.name in names]
    return Start(
        system=machine.system,
        python=sys.executable,
        script=next((script for script in scripts if Path(script).is_file()), None),
        origin=_parsed(origin),
        video=find_spec("av") is not None,
        uvx=find_uvx(machine),
    )


def _parsed(origin: str | None) -> Mapping[str, Any] | None:
    with suppress(ValueError):
        found = json.loads(origin or "")
        return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None
    return None


def find_uvx(machine: Machine) -> list[str] | None:
    """Return the absolute path of uvx, or of uv with the arguments that make it uvx.

    It is looked for beside the uv that started this program, in the PATH, and where uv's installer,
    Homebrew and cargo put it. A link to it is taken in its place: the folder that Homebrew's link
    leads to has the version in its name, and is gone after an upgrade.
    """
    # uv sets it: docs.astral.sh/uv/reference/environment.
    uv = Path(machine.environment.get("UV", "").strip())
    folders = [uv.parent] if uv.is_absolute() else []
    path = machine.environment.get("PATH", "")
    folders += [Path(folder) for folder in path.split(os.pathsep) if Path(folder).is_absolute()]
    home, root = machine.home, machine.root
    folders += [home / ".local" / "bin", root / "opt" / "homebrew" / "bin"]
    folders += [root / "usr" / "local" / "bin", home / ".cargo" / "bin"]
    suffix = ".exe" if machine.system == "win32" else ""
    for name, arguments in ("uvx", []), ("uv", ["tool", "run"]):
        programs = [folder / f"{name}{suffix}" for folder in dict.fromkeys(folders)]
        there = [program for program in programs if _runs(program)]
        if there:
            links = (other for other in there[1:] if other.samefile(there[0]))
            return [str(next(links, there[0])), *arguments]
    return None


def _runs(program: Path) -> bool:
    """Return whether a program can be run, also tomorrow."""
    return os.access(program, os.X_OK) and program.is_file() and not is_passing(str(program))
