"""Checks what is known about an image against a model's rules."""

from collections.abc import Sequence
from contextlib import suppress
from math import inf

from seedance_mcp.models.model import FileRule

from ._errors import RuleViolated
from ._image_header import Header

MEGABYTE = 1024 * 1024
"""The larger of the two megabytes: which one RunComfy means is unknown."""


def max_bytes(rules: Sequence[FileRule]) -> float:
    """Return how many bytes the rules allow an image, or infinity."""
    bounds = [r.bound for r in rules if r.quantity == "file_size_mb" and r.comparison == "<"]
    return min(bounds, default=inf) * MEGABYTE


def check_rules(
    rules: Sequence[FileRule],
    header: Header | None,
    byte_size: int | None = None,
    *,
    or_more: bool = False,
) -> None:
    """Check an image against the rules, as far as it is known; `or_more` if it was not counted on.

    Raises:
        RuleViolated: The first rule that it breaks, in RunComfy's words, with the measured value.
    """
    try:
        _check_as_stored(rules, header, byte_size, or_more=or_more)
    except RuleViolated:
        # Whether RunComfy honours a camera's orientation tag is unknown, so only an image that
        # breaks a rule both ways is refused.
        if header is None or not header.sideways:
            raise
        with suppress(RuleViolated):
            return _check_as_stored(rules, header.shown, byte_size, or_more=or_more)
        raise


def _check_as_stored(
    rules: Sequence[FileRule], header: Header | None, byte_size: int | None, *, or_more: bool
) -> None:
    measures: dict[str, tuple[float, str]] = {}
    if header is not None:
        ratio = header.width / header.height
        size = f"It is {header}."
        measures |= {"width_pixels": (header.width, size), "height_pixels": (header.height, size)}
        measures["width/height"] = (ratio, f"It is {header}, width/height {ratio:.5g}.")
    if byte_size is not None:
        megabytes = byte_size / MEGABYTE
        size = f"It is {megabytes:.4g} MB ({byte_size:,} bytes){' or more' if or_more else ''}."
        measures["file_size_mb"] = (megabytes, size)
    for rule in rules:
        measured, words = measures.get(rule.quantity, (None, ""))
        if measured is not None and not rule.holds(measured):
            raise RuleViolated(f"{rule.message} {words}")
