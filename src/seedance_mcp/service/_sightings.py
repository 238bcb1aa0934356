"""When each model was last seen in RunComfy's catalogue, kept in a file of the state folder."""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import anyio
from anyio import to_thread

from ._json_files import read_json, write_json

logger = logging.getLogger(__name__)

_MOST_KEPT = 500


@dataclass(frozen=True)
class Sightings:
    """The last sightings of models in the catalogue of one origin.

    A file that cannot be read or written costs only the date in a message. Of two servers that
    write at the same time, one may lose a sighting, which it notes again within an hour.
    """

    path: Path
    origin: str
    # A server asks for all of its models at once.
    _noting: anyio.Lock = field(default_factory=anyio.Lock, init=False)

    async def note(self, model_id: str, now: datetime) -> None:
        """Write down that a model was seen now."""
        async with self._noting:
            await to_thread.run_sync(self._note, model_id, now, abandon_on_cancel=True)

    async def last(self, model_id: str) -> datetime | None:
        """Return when a model was last seen, None if that is not known."""
        seen = await to_thread.run_sync(self._read, abandon_on_cancel=True)
        try:
            return datetime.fromisoformat(seen[self._key(model_id)])
        except (KeyError, ValueError):
            return None

    def _key(self, model_id: str) -> str:
        return f"{self.origin} {model_id}"

    def _read(self) -> dict[str, str]:
        try:
            read: Any = read_json(self.path)
        except (OSError, ValueError):
            return {}
        found = cast("dict[str, Any]", read) if isinstance(read, dict) else {}
        return {key: value for key, value in found.items() if isinstance(value, str)}

    def _note(self, model_id: str, now: datetime) -> None:
        seen = self._read()
        seen.pop(self._key(model_id), None)
        # The newest comes last.
        kept = [*seen.items()][1 - _MOST_KEPT :]
        try:
            write_json(self.path, dict(kept) | {self._key(model_id): now.isoformat()})
        except OSError as error:
            logger.info("When %s was last seen is not written: %s", model_id, error)
