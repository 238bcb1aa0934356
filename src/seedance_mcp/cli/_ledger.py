"""`seedance-mcp ledger`: what is done with the ledger as a whole."""

from argparse import Namespace
from collections.abc import Iterator

from seedance_mcp.clock import Clock
from seedance_mcp.service.ledger_move import Move, move_ledger
from seedance_mcp.settings import load_settings

from ._output import print_lines
from ._table import plain


def ledger(options: Namespace) -> None:
    """Move the ledger of the state folder into PostgreSQL, and print what was moved.

    Raises:
        SeedanceError: Nothing was moved, and why.
    """
    move = move_ledger(load_settings(options.environment), Clock())
    print_lines(_lines(move))


def _lines(move: Move) -> Iterator[str]:
    jobs, left = len(move.copy.jobs), move.left
    if move.already:
        yield f"All {_count(jobs, 'job')} of {plain(str(move.path))} are in the database already."
    else:
        states = ", ".join(f"{count} {status}" for status, count in move.copy.counts.items())
        yield f"Moved {_count(jobs, 'job')}{f' ({states})' if states else ''},"
        yield f"{_count(move.copy.events, 'event')} and {move.copy.usd:.2f} USD of known costs;"
        yield "every row and the key of the hashes were read back and are the same."
    if left:
        yield f"Damaged, so not moved: {', '.join(map(plain, left))}."
        yield "Look for these jobs in your RunComfy account: they may be paid for."
    yield f"{plain(str(move.path))} stays as it is. From now on, every server needs"
    yield "SEEDANCE_DATABASE_URL: one without it would go on with the old ledger, and pay again."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
