"""The ledger as callers from elsewhere use it: its errors do not say where it is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from seedance_mcp.errors import LedgerError
from seedance_mcp.ledger.store import Rows, Store

_T = TypeVar("_T")


@dataclass(eq=False, repr=False)
class DiscreetStore(Store):
    """A ledger of this machine, in a state folder that callers need not know of."""

    _store: Store
    _folder: Path

    async def run(
        self, step: Callable[[Rows], _T], *, writes: bool = False, settles: bool = False
    ) -> _T:
        """Run a step in one transaction."""
        try:
            return await self._store.run(step, writes=writes, settles=settles)
        except LedgerError as error:
            message = error.message
            for place in (f" {self._folder / 'ledger.db'}", f" in {self._folder}"):
                message = message.replace(place, "")
            raise LedgerError(message) from error

    def close(self) -> None:
        """Leave the ledger open, which others use."""
