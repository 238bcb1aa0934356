"""What RunComfy's catalogue has said of one model."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

import anyio

from seedance_mcp.models.differences import contradictions
from seedance_mcp.models.model import Model
from seedance_mcp.spending.pricing import Price, read_price

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class CatalogueEntry:
    """What the catalogue has said of a model.

    Attributes:
        price: The last price read; None if there was none, or none that can be used.
        was_read: Whether an entry was ever read.
        gone: Whether RunComfy, when it last said anything of the model, did not know it.
        warnings: How the published schema contradicts the model's file.
        refusal: Why the model cannot be used, None unless that was confirmed.
        ask_again_at: When a call that may be refused asks again, on the event loop's clock.
        refresh_at: When the next answer is due, on that clock.
        answered: Set while no answer is waited for.
    """

    model: Model
    price: Price | None = None
    was_read: bool = False
    gone: bool = False
    warnings: tuple[str, ...] = ()
    refusal: str | None = None
    ask_again_at: float = -inf
    refresh_at: float = -inf
    answered: anyio.Event = field(default_factory=anyio.Event)
    asking_again: anyio.Lock = field(default_factory=anyio.Lock)

    def __post_init__(self) -> None:
        self.answered.set()

    def note(self, read: Mapping[str, Any]) -> None:
        """Note what a readable entry says, and log what is new in how it contradicts the file."""
        self.price, self.was_read, self.gone = read_price(read, self.model), True, False
        warnings = tuple(
            f"RunComfy has changed {self.model.model_id}: {line}; calls are still checked by this"
            " server's own file of it."
            for line in contradictions(self.model, read.get("input_schema"))
        )
        for warning in warnings:
            if warning not in self.warnings:
                logger.warning("%s", warning)
        self.warnings = warnings
