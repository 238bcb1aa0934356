"""Who a caller is, and what it may do."""

from dataclasses import dataclass

from seedance_mcp.service.principals import Principal


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who a caller is.

    Attributes:
        scopes: What its token allows; None where that is everything.
    """

    principal: Principal
    scopes: frozenset[str] | None = None

    def has(self, scope: str) -> bool:
        """Return whether its token allows what a scope stands for."""
        return self.scopes is None or scope in self.scopes
