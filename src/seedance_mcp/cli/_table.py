"""A table for a terminal, whatever texts are in it."""

import re
from collections.abc import Collection, Sequence
from unicodedata import category, east_asian_width, normalize

from seedance_mcp.text import one_line

GAP = "  "

# Escape sequences, and how emoji are joined, drawn and coloured, which terminals disagree about.
_STYLES = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]|[\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0000-\U000e01ef]"
)
# Letters that make flags in pairs, which some terminals draw two columns wide and some four.
_FLAG_LETTERS = {0x1F1E6 + number: ord("A") + number for number in range(26)}


def plain(text: str, limit: int = 500) -> str:
    """Return a text as one line of at most `limit` characters that moves no cursor.

    Escape and control characters and marks of direction are gone.
    """
    drawn = _STYLES.sub("", text[: 2 * limit]).translate(_FLAG_LETTERS)
    return one_line(normalize("NFC", drawn), limit)


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(map(_columns, text))


def fit(text: str, columns: int) -> str:
    """Return a text that takes at most some columns, cut with "…" if it is longer."""
    if width(text) <= columns:
        return text
    cut = ""
    while width(cut + text[len(cut)]) < columns:
        cut += text[len(cut)]
    return f"{cut}…" if columns else ""


def fit_end(text: str, columns: int) -> str:
    """Return a text that takes at most some columns, cut at its beginning if it is longer."""
    return text if width(text) <= columns else fit(text[::-1], columns)[::-1]


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    columns: int,
    flexible: int,
    right: Collection[int] = (),
) -> list[str]:
    """Return the lines of a table, each at most some columns wide.

    Args:
        head: The titles.
        rows: Texts without control characters.
        columns: The width of the terminal.
        flexible: The number of the cell that takes the columns that others leave.
        right: The numbers of the cells that end at the right.
    """
    widths = [max(map(width, cells)) for cells in zip(head, *rows, strict=True)]
    others = sum(widths) - widths[flexible] + len(GAP) * (len(widths) - 1)
    # At least its title, even if the lines are then cut.
    widths[flexible] = max(width(head[flexible]), min(widths[flexible], columns - others))
    lines = [
        GAP.join(
            _padded(fit(cell, room), room, right=number in right)
            for number, (cell, room) in enumerate(zip(cells, widths, strict=True))
        )
        for cells in (head, *rows)
    ]
    return [fit(line.rstrip(), columns) for line in lines]


def _padded(text: str, columns: int, *, right: bool) -> str:
    space = " " * (columns - width(text))
    return space + text if right else text + space


def _columns(char: str) -> int:
    if category(char) in {"Mn", "Me", "Cf"} or "\u1160" <= char <= "\u11ff":
        return 0
    return 2 if east_asian_width(char) in "WF" else 1
