"""The simulator's record of a job that it accepted."""

from dataclasses import dataclass, field
from typing import Any

import anyio

from seedance_mcp.models.model import Model


@dataclass(kw_only=True, eq=False)
class Job:
    """An accepted job; the first four attributes are for tests.

    Attributes:
        arguments: The body of the submit.
        accepted_at: The time, in the simulator's clock.
        failure: Why its run fails, or None.
        images: Its input images in the order of the model's image arguments, once fetched.
        rendering: Whether rendering its clip has started.
        rendered: Set when its clip is ready.
        images_lock: Held while its images are fetched.
        result_reads: How often its result was read since its run ended.
    """

    request_id: str
    model_id: str
    arguments: dict[str, Any]
    accepted_at: float
    model: Model = field(repr=False)
    price_usd: float = 0.0
    failure: str | None = None
    images: list[bytes] | None = None
    rendering: bool = False
    rendered: anyio.Event = field(default_factory=anyio.Event)
    images_lock: anyio.Lock = field(default_factory=anyio.Lock)
    result_reads: int = 0

    def argument(self, name: str, otherwise: Any) -> Any:
        """Return an argument, else the model's default for it, else `otherwise`."""
        prop = self.model.properties.get(name, {})
        return self.arguments.get(name, prop.get("default", otherwise))
