"""The files that joins have made, kept in a file of the state folder: the same is made once."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ._json_files import read_json, write_json
from .reports import JoinedClip

logger = logging.getLogger(__name__)

MOST_KEPT = 500
"""How many joins are remembered."""

_MOST_SECONDS = 1_000_000


@dataclass(frozen=True)
class JoinedClips:
    """Finds the file of a join, as long as it is as it was made.

    A file of ours that cannot be read or written costs another join. It is written by whoever has
    the lock of joins.
    """

    path: Path

    def find(self, key: str) -> JoinedClip | None:
        """Return what a join made, None if it is gone or has changed; it blocks."""
        match self._read().get(key):
            case {"path": str(path), "seconds": int() | float() as seconds, "state": str(state)}:
                made = JoinedClip(path=path, seconds=seconds)
                # Anything may stand in the file; JSON as Python reads it has NaN.
                plausible = state and 0 <= seconds <= _MOST_SECONDS
                return made if plausible and _state(path) == state else None
            case _:
                return None

    def note(self, key: str, made: JoinedClip) -> None:
        """Write down what a join has made; it blocks."""
        kept = {name: value for name, value in self._read().items() if name != key}
        # The newest comes last.
        newest = dict([*kept.items()][1 - MOST_KEPT :])
        entry = {"path": made.path, "seconds": made.seconds, "state": _state(made.path)}
        try:
            write_json(self.path, newest | {key: entry})
        except OSError as error:
            logger.info("The record of %s is not written: %s", made.path, error)

    def _read(self) -> dict[str, Any]:
        try:
            read: Any = read_json(self.path)
        except (OSError, ValueError):
            return {}
        return cast("dict[str, Any]", read) if isinstance(read, dict) else {}


def _state(path: str) -> str:
    """Return what changes whenever a file does, "" if it is gone."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"
