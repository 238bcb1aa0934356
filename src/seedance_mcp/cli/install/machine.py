"""The machine that a client runs on: its system, its folders and its programs."""

import os
import shutil
from collections.abc import Mapping
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
    """

    system: System
    home: Path
    environment: Mapping[str, str]

    @property
    def config_home(self) -> Path:
        """Return the folder of configurations that the XDG specification names."""
        return self._folder("XDG_CONFIG_HOME", self.home / ".config")

    @property
    def roaming(self) -> Path:
        """Return %APPDATA%, where Windows programs keep what follows the user."""
        return self._folder("APPDATA", self.home / "AppData" / "Roaming")

    @property
    def local(self) -> Path:
        """Return %LOCALAPPDATA%, where Windows programs keep what stays on the machine."""
        return self._folder("LOCALAPPDATA", self.home / "AppData" / "Local")

    @property
    def application_support(self) -> Path:
        """Return where macOS programs keep their data."""
        return self.home / "Library" / "Application Support"

    def which(self, program: str) -> Path | None:
        """Return where the PATH has a program, None if it has not."""
        found = shutil.which(program, path=self.environment.get("PATH", os.defpath))
        return Path(found) if found else None

    def _folder(self, variable: str, default: Path) -> Path:
        """Return the folder that a variable names, if it is absolute, as XDG demands."""
        value = self.environment.get(variable, "").strip()
        return Path(value) if Path(value).is_absolute() else default
