"""Machines for the installer, each in a folder of its own."""

from collections.abc import Mapping
from pathlib import Path

from seedance_mcp.cli.install.machine import Machine, System

SYSTEMS: tuple[System, ...] = ("darwin", "linux", "win32")


def empty_machine(
    folder: Path, system: System, environment: Mapping[str, str] | None = None
) -> Machine:
    """Return a machine with nothing on it; its PATH is `bin`, its home `home`."""
    return Machine(
        system=system,
        home=folder / "home",
        environment={"PATH": str(folder / "bin"), **(environment or {})},
        root=folder / "root",
    )
