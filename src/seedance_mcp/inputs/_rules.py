"""What a model demands of an image, held against what is known of one."""

from collections.abc import Sequence
from contextlib import suppress
from math import inf

from seedance_mcp.models.model import ImageRule

from ._errors import RuleViolated
from ._image_header import Header

MEGABYTE = 1024 * 1024
"""The larger of the two megabytes: which one the service counts in is unknown."""


def byte_limit(rules: Sequence[ImageRule]) -> float:
    """Give how many bytes the rules allow an image, or infinity."""
    bounds = [r.bound for r in rules if r.quantity == "file_size_mb" and r.comparison == "<"]
    return min(bounds, default=inf) * MEGABYTE


def hold(
    rules: Sequence[ImageRule],
    header: Header | None,
    byte_size: int | None = None,
    *,
    or_more: bool = False,
) -> None:
    """Hold an image against the rules, as far as it is known.

    Args:
        rules: The argument's rules, the first that is broken winning.
        header: The size in pixels, where it is known.
        byte_size: The size in bytes, where it is known.
        or_more: Whether no more bytes than these were counted.

    Raises:
        RuleViolated: In the service's words.
    """
    try:
        _hold(rules, header, byte_size, or_more=or_more)
    except RuleViolated:
        # Whether the service heeds a camera's orientation tag is unknown: only what breaks a rule
        # both ways is surely refused. Today's rules are alike both ways.
        if header is None or not header.turned:
            raise
        with suppress(RuleViolated):
            return _hold(rules, header.shown, byte_size, or_more=or_more)
        raise


def _hold(
    rules: Sequence[ImageRule], header: Header | None, byte_size: int | None, *, or_more: bool
) -> None:
    measures: dict[str, tuple[float, str]] = {}
    if header is not None:
        ratio = header.width / header.height
        size = f"It is {header}."
        measures |= {"width_pixels": (header.width, size), "height_pixels": (header.height, size)}
        measures["width/height"] = (ratio, f"It is {header}, width/height {ratio:.5g}.")
    if byte_size is not None:
        megabytes = byte_size / MEGABYTE
        said = f"It is {megabytes:.4g} MB ({byte_size:,} bytes){' or more' if or_more else ''}."
        measures["file_size_mb"] = (megabytes, said)
    for rule in rules:
        measured, said = measures.get(rule.quantity, (None, ""))
        if measured is not None and not rule.holds(measured):
            raise RuleViolated(f"{rule.message} {said}")
