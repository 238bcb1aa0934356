"""Lines on stdout, for a person or a program."""

import io
import os
import sys
from collections.abc import Iterable
from typing import cast

from seedance_mcp.errors import SeedanceError


def print_lines(lines: Iterable[str]) -> None:
    """Write lines; what a terminal's encoding lacks becomes a question mark.

    Raises:
        BrokenPipeError: Whoever read has gone.
        SeedanceError: They cannot be written, as on a full disk.
    """
    out = cast("io.TextIOWrapper", sys.stdout)
    out.reconfigure(errors="replace")
    try:
        out.writelines(f"{line}\n" for line in lines)
        out.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_output()
        why = (error.strerror or "it failed").lower()
        raise SeedanceError(f"Cannot write to stdout: {why}.") from error


def drop_output() -> None:
    """Write what is left nowhere: Python flushes it at its end, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def replace_closed_streams() -> None:
    """Read from nowhere, and write nowhere, where a stream is closed, as by `>&-`."""
    # Else the next file that is opened would take its number, and be taken for it.
    for name, flags in ("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY):
        if getattr(sys, name) is None:
            mode = "r" if flags == os.O_RDONLY else "w"
            file = os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8")
            setattr(sys, name, file)
