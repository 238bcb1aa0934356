"""What to say when a clip cannot be written."""

import errno
from pathlib import Path

from seedance_mcp.text import one_line

_DISK_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


def disk_error(folder: Path, error: OSError, setting: str = "SEEDANCE_OUTPUT_DIR") -> str:
    """Return in one line why a clip cannot be written to a folder, which a setting names."""
    where = one_line(str(folder), 200)
    if error.errno in _DISK_FULL:
        return f"{where} has no space left for the clip: free some, or set {setting}."
    why = one_line(error.strerror or type(error).__name__)
    return f"Cannot write to {where} ({why}): set {setting} to a writable folder."
