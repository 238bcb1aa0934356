"""What installs changed, kept in the state folder, so that it can be undone to the byte."""

import json
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from pydantic import TypeAdapter

from seedance_mcp.errors import SeedanceError
from seedance_mcp.file_locks import replacing
from seedance_mcp.text import one_line

from .edits import Keys, Undo

_MOST_BYTES = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Change:
    """What was put at one place of a file."""

    keys: Keys
    undo: Undo


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """What was done to a file.

    Attributes:
        path: Where the client looks for it.
        changes: What was put in, in that order.
        before: The SHA-256 of what it was, None if it was made, or changed by others in between.
        after: The SHA-256 of what it became, None if that is not known.
        backup: What it was.
        mode: Its permissions before, None if it was made.
        made: Whether it was made.
        folders: The folders that were made for it, the outermost first.
    """

    path: Path
    changes: tuple[Change, ...]
    before: str | None = None
    after: str | None = None
    backup: Path | None = None
    mode: int | None = None
    made: bool = False
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Records:
    """The records, one file a client.

    They hold what an entry replaced, which may be a secret, so only the user may read them.

    Attributes:
        folder: The folder `installs` of the state folder; it is made when it is needed.
    """

    folder: Path

    def read(self, client: str) -> tuple[FileRecord, ...]:
        """Return what was done for a client; nothing if the record is lost or damaged."""
        with suppress(OSError, ValueError, RecursionError):
            path = self._path(client)
            if stat.S_ISREG(path.stat().st_mode) and path.stat().st_size <= _MOST_BYTES:
                return self._adapter.validate_python(json.loads(path.read_bytes()))
        return ()

    def write(self, client: str, records: tuple[FileRecord, ...]) -> None:
        """Keep what was done for a client, in place of what was kept before.

        Raises:
            SeedanceError: It cannot be written.
        """
        try:
            self._write(client, records)
        except OSError as error:
            why = one_line((error.strerror or type(error).__name__).lower())
            where = one_line(str(self.folder), 300)
            raise SeedanceError(f"{where} cannot keep what is changed: {why}.") from error

    def _write(self, client: str, records: tuple[FileRecord, ...]) -> None:
        if not records:
            self._path(client).unlink(missing_ok=True)
            with suppress(OSError):  # it has records of other clients, or was never made
                self.folder.rmdir()
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Paths that are not UTF-8 survive as escapes.
        text = json.dumps(self._adapter.dump_python(records, mode="json"), indent=1)
        with replacing(self._path(client), mode=0o600) as file:
            file.write(text.encode("ascii"))

    def _path(self, client: str) -> Path:
        return self.folder / f"{client}.json"

    @cached_property
    def _adapter(self) -> TypeAdapter[tuple[FileRecord, ...]]:
        """Return what checks a record; building it takes longer than installing."""
        return TypeAdapter(tuple[FileRecord, ...])


def digest(data: bytes) -> str:
    """Return the SHA-256 of a file."""
    return sha256(data).hexdigest()
