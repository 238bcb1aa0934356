"""Lines on stdout, for a person or a program."""

import io
import sys
from collections.abc import Iterable
from typing import cast


def print_lines(lines: Iterable[str]) -> None:
    """Write lines; what a terminal's encoding lacks becomes a question mark.

    Raises:
        BrokenPipeError: Whoever read has gone.
    """
    out = cast("io.TextIOWrapper", sys.stdout)
    out.reconfigure(errors="replace")
    out.writelines(f"{line}\n" for line in lines)
    out.flush()
