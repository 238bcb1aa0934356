"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(*rows: Sequence[str]) -> str:
    """Return rows, of which the first is the head, as a table."""
    head, *body = [
        "| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows
    ]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def code(value: object) -> str:
    """Return a value in code font."""
    return f"`{value}`"


def listed(values: Iterable[object]) -> str:
    """Return values in code font, with commas."""
    return ", ".join(map(code, values))
