"""The figures of `make bench`, each with its aim, as a table, as Markdown and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure that should be small, or large if it is a share of somebody else's speed.

    Attributes:
        name: What was measured.
        value: The figure.
        aim: The most that it may be, or the least.
        unit: The unit of both, `x` for a ratio.
        least: Whether the aim is the least.
        details: The measurements that the figure comes from.
    """

    name: str
    value: float
    aim: float
    unit: str
    least: bool = False
    details: str = ""

    @property
    def met(self) -> bool:
        """Return whether the figure meets its aim."""
        return self.value >= self.aim if self.least else self.value <= self.aim

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the name, the figure, its aim, whether it is met, and the details."""
        bound = "≥" if self.least else "≤"
        measured, aim = (f"{_short(number)} {self.unit}" for number in (self.value, self.aim))
        return self.name, measured, f"{bound} {aim}", "met" if self.met else "MISSED", self.details


HEAD = ("what", "measured", "aim", "", "details")


def as_table(figures: Sequence[Figure]) -> str:
    """Return a table for a terminal."""
    rows = [HEAD, *(figure.cells for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def as_markdown(figures: Sequence[Figure]) -> str:
    """Return a table for a page."""
    rows = [HEAD, ("---",) * len(HEAD), *(figure.cells for figure in figures)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def as_json(figures: Sequence[Figure]) -> str:
    """Return the figures for a program."""
    return json.dumps([{**asdict(each), "met": each.met} for each in figures], indent=2) + "\n"


def _short(number: float) -> str:
    """Return a number with three digits, or all of a whole one."""
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.3g}"
