"""How a client shows that it is on a machine."""

from collections.abc import Callable, Sequence
from pathlib import Path

from seedance_mcp.cli.install.machine import Machine, holds


def found_by(
    files: Callable[[Machine], Sequence[Path]],
    *,
    apps: Sequence[str] = (),
    programs: Sequence[str] = (),
) -> Callable[[Machine], bool]:
    """Return what looks for a client's apps and programs, and for what is beside its files."""

    def found(machine: Machine) -> bool:
        return (
            machine.has_app(*apps)
            or machine.has_program(*programs)
            or any(holds(file.parent, besides=file.name) for file in files(machine))
        )

    return found
