"""What is to be done to a file: decided for all files of a client before one is changed."""

import stat
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from seedance_mcp.errors import SeedanceError
from seedance_mcp.text import one_line

from .client import Client, Server
from .config_file import ConfigFile
from .edits import Json, Keys, Undo, UneditableFile, value_at, with_value, without_value
from .machine import Machine
from .record import Change, FileRecord, digest

_BLANK = " \t\r\n\ufeff"


@dataclass(frozen=True, kw_only=True)
class Addition:
    """How the server comes into a file.

    Attributes:
        file: The file, which has been read.
        before: What it is, None if it is not there.
        after: What it becomes.
        entry: The entry.
        replaces: Whether an entry is there already.
        private: Whether only its owner may read it from now on.
        narrows: Whether others can read it now, and no longer may.
        record: What is to be kept, as far as it is known before.
        old: What was kept of an earlier install.
        kept: Whether what it was before that one can be put back, so that it needs no new backup.
    """

    file: ConfigFile
    before: bytes | None
    after: bytes
    entry: Mapping[str, Json]
    replaces: bool
    private: bool
    narrows: bool
    record: FileRecord
    old: FileRecord | None
    kept: bool

    @property
    def needed(self) -> bool:
        """Return whether anything is to be done."""
        return self.before != self.after or self.narrows

    def recorded(self, now: bytes, backup: Path | None) -> FileRecord:
        """Return what is to be kept, once the file is what it has become."""
        if self.before is None or self.old is None:
            before = None if self.before is None else digest(self.before)
            return replace(self.record, before=before, after=digest(now), backup=backup)
        if self.old.after != digest(self.before):  # others changed it: its backup is too old
            return self.record
        return replace(
            self.record, before=self.old.before, after=digest(now), backup=self.old.backup
        )


@dataclass(frozen=True, kw_only=True)
class Removal:
    """How the server comes out of a file.

    Attributes:
        file: The file, which has been read.
        before: What it is, None if it is not there.
        after: What it becomes, None if it is removed.
        exact: Whether that is what it was before the install, and nothing else was changed since.
        restores: Whether the entry that the install replaced is put back.
        old: What was kept of the install.
    """

    file: ConfigFile
    before: bytes | None
    after: bytes | None
    exact: bool = False
    restores: bool = False
    old: FileRecord | None


def adding(
    client: Client, server: Server, file: ConfigFile, old: FileRecord | None, machine: Machine
) -> Addition:
    """Return how a server comes into a file.

    Raises:
        UneditableFile: It cannot be parsed, or not be changed without harm.
        UnusableFile: It cannot be read.
    """
    before = file.read()
    with naming(file.path):
        keys, entry = client.keys(before), client.entry(server)
        replaces = value_at(before or b"", client.form, keys) is not None
        extras = [(extra.keys, extra.value) for extra in client.extras(server)]
        after, changes = _put(before or b"", client, [(keys, entry), *extras], old)
    private = server.authentication == "file"
    narrows = private and machine.system != "win32" and bool((_mode(file) or 0) & 0o077)
    return Addition(
        file=file,
        before=before,
        after=after,
        entry=entry,
        replaces=replaces,
        private=private,
        narrows=narrows,
        record=_intent(file, before, changes, old, narrows=narrows),
        old=old,
        kept=old is not None and before is not None and _can_be_put_back(old, before),
    )


def removing(client: Client, file: ConfigFile, old: FileRecord | None) -> Removal:
    """Return how the server comes out of a file.

    Raises:
        UneditableFile: It cannot be parsed, or not be changed without harm.
        UnusableFile: It cannot be read.
    """
    before = file.read()
    if before is None:
        return Removal(file=file, before=None, after=None, old=old)
    changes = old.changes if old else _changes_without_record(client, before)
    entry, without = changes[0], before
    with naming(file.path):
        # A record that is wrong has nothing undone but a configuration with the server.
        there = value_at(before, client.form, entry.keys) is not None
        for change in reversed(changes):
            without = without_value(without, client.form, change.keys, change.undo)
    exact = there and old is not None and _can_be_put_back(old, before)
    gone = old is not None and old.made and not without.decode().strip(_BLANK)
    return Removal(
        file=file,
        before=before,
        after=_original(old) if old and exact else None if gone else without,
        exact=exact,
        restores=there and entry.undo.replaced is not None,
        old=old,
    )


def _intent(
    file: ConfigFile,
    before: bytes | None,
    changes: tuple[Change, ...],
    old: FileRecord | None,
    *,
    narrows: bool,
) -> FileRecord:
    """Return what is to be kept about a file, as far as it is known before it is changed."""
    folders = (*(old.folders if old else ()), *file.missing_folders())
    mode = _mode(file) if narrows else None
    record = FileRecord(path=file.path, changes=changes, mode=mode, folders=folders)
    if old is None or before is None:
        return replace(record, made=before is None)
    return replace(record, made=old.made, mode=old.mode or mode)


def _mode(file: ConfigFile) -> int | None:
    """Return the permissions of a file, None if it is not there."""
    return stat.S_IMODE(file.status.st_mode) if file.status else None


def _put(
    data: bytes, client: Client, places: Sequence[tuple[Keys, Json]], old: FileRecord | None
) -> tuple[bytes, tuple[Change, ...]]:
    """Return a file with values at their places, and without what an earlier install put in."""
    known = {change.keys: change.undo for change in (old.changes if old else ())}
    wanted = {keys for keys, _ in places}
    for change in reversed(old.changes if old else ()):
        if change.keys not in wanted:
            data = without_value(data, client.form, change.keys, change.undo)
    changes: list[Change] = []
    for keys, value in places:
        there = value_at(data, client.form, keys) is not None
        edited = with_value(data, client.form, keys, value)
        undo = known.get(keys, edited.undo) if there else edited.undo
        changes.append(Change(keys=keys, undo=undo))
        data = edited.data
    return data, tuple(changes)


def _changes_without_record(client: Client, data: bytes) -> tuple[Change, ...]:
    """Return what an install would have put in, if its record is lost."""
    extras = client.extras(Server(command="", authentication="client"))
    places = [client.keys(data), *(extra.keys for extra in extras)]
    return tuple(Change(keys=keys, undo=Undo()) for keys in places)


def _can_be_put_back(record: FileRecord, now: bytes) -> bool:
    """Return whether a file is what an install made of it, and what it was before is known."""
    return record.after == digest(now) and (record.made or _original(record) is not None)


def _original(record: FileRecord) -> bytes | None:
    """Return what a file was before an install, None if its backup is gone or changed."""
    if record.backup is None or record.before is None:
        return None
    with suppress(SeedanceError):
        data = ConfigFile(record.backup).read()
        return data if data is not None and digest(data) == record.before else None
    return None


@contextmanager
def naming(path: Path) -> Generator[None, None, None]:
    """Say which file cannot be edited.

    Raises:
        UneditableFile: It is that.
    """
    try:
        yield
    except UneditableFile as error:
        where = one_line(str(path), 300)
        raise UneditableFile(f"{where} was left alone: {error.message}.") from error
