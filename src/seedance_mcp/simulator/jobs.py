"""The simulator's record of a job that it accepted."""

from dataclasses import dataclass, field
from typing import Any

import anyio

from seedance_mcp.models.model import Model


@dataclass(kw_only=True, eq=False)
class Job:
    """An accepted job; the first four attributes are what tests ask about.

    Attributes:
        request_id: The id that the submit was answered with.
        model_id: The model.
        arguments: The body of the submit, as it came.
        accepted_at: The moment, in the simulator's clock.
        model: The model's description.
        price_usd: What it costs.
        failure: Why its run fails; None while nothing stands against it.
        images: Its input images in the order of the model's image arguments, once fetched.
        drawing: Whether its clip has been begun.
        drawn: Set when its clip is there.
        looking: Held while its images are being fetched.
        result_reads: How often its result was read since its run was over.
    """

    request_id: str
    model_id: str
    arguments: dict[str, Any]
    accepted_at: float
    model: Model
    price_usd: float
    failure: str | None = None
    images: list[bytes] | None = None
    drawing: bool = False
    drawn: anyio.Event = field(default_factory=anyio.Event)
    looking: anyio.Lock = field(default_factory=anyio.Lock)
    result_reads: int = 0

    def argument(self, name: str, otherwise: Any) -> Any:
        """Read an argument, else the model's default for it, else `otherwise`."""
        prop = self.model.properties.get(name, {})
        return self.arguments.get(name, prop.get("default", otherwise))
