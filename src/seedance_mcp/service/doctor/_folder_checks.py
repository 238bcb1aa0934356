"""Checks of the folders: whether files can be written there, and how much room is left."""

import errno
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from seedance_mcp.file_locks import has_sqlite_locks
from seedance_mcp.text import quoted

from .finding import Finding, fault, ok, warning

LITTLE_BYTES = 500_000_000
"""With less room than this, a few clips may fill the disk."""

# More than a small file system keeps inside of its own entries.
_PROBE = b"seedance-mcp doctor\n" * 4096

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}


def check_folder(check: str, folder: Path, variable: str, *, locks: bool) -> list[Finding]:
    """Check a folder by writing a file, or below what folder it would be made; nothing is left.

    Args:
        check: The name of the check.
        folder: An absolute path.
        variable: The setting's variable.
        locks: Whether the folder needs file locks.
    """
    place = folder
    # As the server would make it: with all that is missing above it.
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    shown = quoted(str(folder), 200)
    try:
        _write_into(place, is_new=place != folder)
        room = shutil.disk_usage(place).free
    except OSError as error:
        return [_unusable(check, shown, variable, error)]
    if locks and not has_sqlite_locks(place):
        message = f"{shown} has no file locks, without which the ledger cannot be shared."
        return [fault(check, message, f"Set {variable} to a folder on a disk of this machine.")]
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


def _unusable(check: str, shown: str, variable: str, error: OSError) -> Finding:
    if error.errno in _FULL:
        message = f"{shown} cannot be written: the disk is full."
        remedy = f"Make room on that disk, or set {variable} to a folder on another."
        return fault(check, message, remedy)
    why = (error.strerror or "it failed").lower()
    message = f"{shown} cannot be written: {why}."
    return fault(check, message, f"Set {variable} to a folder that can be written.")


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
