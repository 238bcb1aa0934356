"""Checks of the folders: whether files can be written there, and how much room is left."""

import errno
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from seedance_mcp.text import quoted

from .finding import Finding, fault, ok, warning

LITTLE_BYTES = 500_000_000
"""With less room than this, a few clips may fill the disk."""

# More than a small file system keeps inside of its own entries.
_PROBE = b"seedance-mcp doctor\n" * 4096

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}


def check_folder(check: str, folder: Path, variable: str) -> list[Finding]:
    """Check a folder by writing a file, or below what folder it would be made; nothing is left.

    Args:
        check: The name of the check.
        folder: An absolute path.
        variable: The setting's variable.
    """
    place = folder
    # As the server would make it: with all that is missing above it.
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    try:
        _write_into(place, is_new=place != folder)
        room = shutil.disk_usage(place).free
    except OSError as error:
        return [_unusable(check, folder, variable, error)]
    shown = quoted(str(folder), 200)
    message = f"{shown} can be written, with {_size(room)} left."
    if place != folder:
        message = f"{shown} is not there yet and will be made; {_size(room)} are left."
    if room < LITTLE_BYTES:
        remedy = f"Make room on that disk, or set {variable} to a folder on another."
        return [warning(check, message, remedy)]
    return [ok(check, message)]


def _write_into(folder: Path, *, is_new: bool) -> None:
    """Write a file to the disk and remove it; in a folder of its own where one is to be made."""
    if is_new:
        with TemporaryDirectory(prefix=".seedance-", dir=folder) as made:
            _write_into(Path(made), is_new=False)
        return
    with TemporaryFile(prefix=".seedance-", dir=folder) as file:
        file.write(_PROBE)
        file.flush()
        os.fsync(file.fileno())


def _unusable(check: str, folder: Path, variable: str, error: OSError) -> Finding:
    shown = quoted(str(folder), 200)
    if error.errno in _FULL:
        message = f"{shown} cannot be written: the disk is full."
        remedy = f"Make room on that disk, or set {variable} to a folder on another."
        return fault(check, message, remedy)
    why = (error.strerror or "it failed").lower()
    message = f"{shown} cannot be written: {why}."
    return fault(check, message, f"Set {variable} to a folder that can be written.")


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
