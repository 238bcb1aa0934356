"""The machine that a client runs on: its system, its folders and its programs."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

System = Literal["darwin", "linux", "win32"]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The facts of a machine that decide where files are.

    Attributes:
        system: Its operating system, as `sys.platform` names it; any other Unix counts as linux.
        home: The user's home folder.
        environment: The environment of this process.
        root: The root of its files, where the programs of all users are.
    """

    system: System
    home: Path
    environment: Mapping[str, str]
    root: Path = Path("/")

    @property
    def config_home(self) -> Path:
        """Return the folder of configurations that the XDG specification names."""
        return self.folder("XDG_CONFIG_HOME") or self.home / ".config"

    @property
    def roaming(self) -> Path:
        """Return %APPDATA%, where Windows programs keep what follows the user."""
        return self.folder("APPDATA") or self.home / "AppData" / "Roaming"

    @property
    def local(self) -> Path:
        """Return %LOCALAPPDATA%, where Windows programs keep what stays on the machine."""
        return self.folder("LOCALAPPDATA") or self.home / "AppData" / "Local"

    @property
    def application_support(self) -> Path:
        """Return where macOS programs keep their data."""
        return self.home / "Library" / "Application Support"

    @property
    def application_data(self) -> Path:
        """Return where programs with windows keep their settings: the one of its system."""
        if self.system == "linux":
            return self.config_home
        return self.application_support if self.system == "darwin" else self.roaming

    def which(self, program: str) -> Path | None:
        """Return where the PATH has a program, None if it has not.

        What is relative to the working directory, as `.` is, does not count: it may be anyone's.
        """
        folders = self.environment.get("PATH", os.defpath).split(os.pathsep)
        path = os.pathsep.join(folder for folder in folders if Path(folder).is_absolute())
        found = Path(shutil.which(program, path=path) or "")
        return found if found.is_absolute() else None

    def has_program(self, *names: str) -> bool:
        """Return whether the PATH has one of some programs."""
        return any(self.which(name) for name in names)

    def has_app(self, *names: str) -> bool:
        """Return whether one of some programs with windows is installed, on macOS or Windows.

        On Linux they have no common place; look for their programs and folders.
        """
        return any(is_there(folder / place) for folder, place in self._app_places(names))

    def _app_places(self, names: Sequence[str]) -> Iterator[tuple[Path, str]]:
        """Yield the folders where programs show up, and what these programs are called there."""
        if self.system == "darwin":
            for folder in (self.root / "Applications", self.home / "Applications"):
                yield from ((folder, f"{name}.app") for name in names)
        elif self.system == "win32":
            start_menu = Path("Microsoft", "Windows", "Start Menu", "Programs")
            for folder in (self.roaming, self.folder("ProgramData") or self.root / "ProgramData"):
                for name in names:
                    yield folder / start_menu, f"{name}.lnk"
                    yield folder / start_menu / name, f"{name}.lnk"

    def folder(self, variable: str) -> Path | None:
        """Return the path that a variable has, None unless it is absolute, as XDG demands."""
        value = self.environment.get(variable, "").strip()
        return Path(value) if Path(value).is_absolute() else None


def is_there(path: Path) -> bool:
    """Return whether there is something under a path; what cannot be reached is not there."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def holds(folder: Path, besides: str) -> bool:
    """Return whether a folder holds anything besides a file and its backups.

    A folder with nothing else in it may have been made for that file by an install.
    """
    try:
        with os.scandir(folder) as entries:
            return any(not entry.name.startswith(besides) for entry in entries)
    except OSError:
        return False
