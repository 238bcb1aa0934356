"""The types of command-line arguments, each with a message that states what is allowed."""

from argparse import ArgumentTypeError
from contextlib import suppress

MAX_COUNT = 1_000_000


def count(text: str) -> int:
    """Parse a whole number from 1 to `MAX_COUNT`."""
    with suppress(ValueError):
        number = int(text)
        if 1 <= number <= MAX_COUNT:
            return number
    raise ArgumentTypeError(f"expected a whole number from 1 to {MAX_COUNT}, got {text}")


def seconds(text: str) -> float:
    """Parse a finite number of seconds, 0 or more."""
    with suppress(ValueError):
        number = float(text)
        # The comparison is false for NaN, too.
        if 0 <= number < float("inf"):
            return number
    raise ArgumentTypeError(f"expected a number of seconds from 0, got {text}")


def port(text: str) -> int:
    """Parse a TCP port; 0 asks for a free one."""
    with suppress(ValueError):
        number = int(text)
        if 0 <= number <= 65_535:
            return number
    raise ArgumentTypeError(f"expected a port from 0 to 65535, got {text}")
