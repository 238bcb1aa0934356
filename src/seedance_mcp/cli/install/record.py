"""What installs changed, kept in the state folder, so that it can be undone to the byte."""

import json
import os
import stat
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from seedance_mcp.errors import SeedanceError
from seedance_mcp.file_locks import folder_lock, replacing
from seedance_mcp.text import one_line

from .edits import Keys, Undo

LOCK_SECONDS = 60.0
"""How long the end of another install is awaited, which may run a client's own command."""

_MOST_BYTES = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Change:
    """What was put at one place of a file."""

    keys: Annotated[Keys, Field(min_length=1)]
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
        mode: Its permissions before, None if they stayed.
        made: Whether it was made.
        folders: The folders that were made for it, the outermost first.
    """

    path: Path
    changes: Annotated[tuple[Change, ...], Field(min_length=1)]
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
        """Return what was done for a client; nothing if the record is lost, damaged or not ours."""
        with suppress(OSError, ValueError, RecursionError):
            path = self._path(client)
            status = path.stat()
            if stat.S_ISREG(status.st_mode) and status.st_size <= _MOST_BYTES and _is_ours(status):
                records = self._adapter.validate_python(json.loads(path.read_bytes()))
                return tuple(map(_bounded, records))
        return ()

    def by_target(self, client: str) -> dict[Path, FileRecord]:
        """Return what was done for a client, by where each file is behind links."""
        return {Path(os.path.realpath(record.path)): record for record in self.read(client)}

    @contextmanager
    def locked(self, *, make: bool = False) -> Generator[None, None, None]:
        """Keep others from changing files and records meanwhile, which would lose one's records.

        Args:
            make: Whether the folder to lock is made where it is missing.

        Raises:
            SeedanceError: Another install does not end.
        """
        with suppress(OSError):
            if make:
                self._make_folder()
        with ExitStack() as stack:
            try:
                stack.enter_context(folder_lock(self.folder, seconds=LOCK_SECONDS))
            except OSError as error:
                raise SeedanceError("Another install has not ended; try again.") from error
            try:
                yield
            finally:
                with suppress(OSError):  # it has records, or was never made
                    self.folder.rmdir()

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
            return
        self._make_folder()
        # Paths that are not UTF-8 survive as escapes.
        text = json.dumps(self._adapter.dump_python(records, mode="json"), indent=1)
        with replacing(self._path(client), mode=0o600) as file:
            file.write(text.encode("ascii"))

    def _make_folder(self) -> None:
        """Make the folder and the state folder, which is for the user alone, too."""
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def _path(self, client: str) -> Path:
        return self.folder / f"{client}.json"

    @cached_property
    def _adapter(self) -> TypeAdapter[tuple[FileRecord, ...]]:
        """Return what checks a record; building it takes longer than installing."""
        return TypeAdapter(tuple[FileRecord, ...])


def _is_ours(status: os.stat_result) -> bool:
    """Return whether only its user can have written a file, which says what is overwritten."""
    if sys.platform == "win32":
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _bounded(record: FileRecord) -> FileRecord:
    """Return a record that names nothing but a file, a backup beside it and folders above it."""
    target, backup = Path(os.path.realpath(record.path)), record.backup
    if backup and backup != target.with_name(backup.name):
        backup = None
    if backup and not backup.name.startswith(f"{target.name}.bak-"):
        backup = None
    folders = tuple(folder for folder in record.folders if folder in target.parents)
    return replace(record, backup=backup, folders=folders)


def digest(data: bytes) -> str:
    """Return the SHA-256 of a file."""
    return sha256(data).hexdigest()
