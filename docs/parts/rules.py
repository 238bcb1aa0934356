"""The tables of what a job may become and until when it is owed, from where the code decides it."""

import inspect
from collections.abc import Callable

from seedance_mcp.jobs.job import advance, is_owed

from .table import table


def states() -> str:
    """Return what each observation makes of a job."""
    return _table_of(advance)


def owed() -> str:
    """Return until when an identical call gets a job back."""
    return _table_of(is_owed)


def _table_of(function: Callable[..., object]) -> str:
    """Return the table in a function's docstring."""
    lines = (inspect.getdoc(function) or "").splitlines()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"
    ]
    head, _, *body = rows
    return table(head, *body)
