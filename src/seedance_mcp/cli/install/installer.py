"""Puts the server into the files of a client, and takes it out of them again."""

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from seedance_mcp.clock import Clock
from seedance_mcp.text import one_line

from ._plan import Addition, Removal, adding, naming, removing
from .client import Client, Server
from .config_file import PRIVATE_MODE, ConfigFile, UnusableFile, distinct_files
from .edits import Json, UneditableFile, value_at
from .machine import Machine
from .own_command import OwnCommandFailed, find_program, run_program
from .record import FileRecord, Records


@dataclass(frozen=True, kw_only=True)
class ChangedFile:
    """What was done to a file.

    Attributes:
        path: Where the client looks for it.
        changed: False if everything was as it should be.
        backup: What it was before.
        original: What it was before the install that is undone, if that stays beside it.
        made: Whether it was made by installing.
        updated: Whether it had another entry for the server.
        removed: Whether it was removed, since installing had made it.
        restored: Whether the entry is there again that installing had replaced.
        own: Whether the client's own command changed it.
    """

    path: Path
    changed: bool = True
    backup: Path | None = None
    original: Path | None = None
    made: bool = False
    updated: bool = False
    removed: bool = False
    restored: bool = False
    own: bool = False


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What installing did.

    Attributes:
        files: The client's files.
        doubt: What the client's own command says against the entry, None if nothing.
    """

    files: tuple[ChangedFile, ...]
    doubt: str | None = None

    @property
    def changed(self) -> bool:
        """Return whether anything was changed."""
        return any(file.changed for file in self.files)


@dataclass(frozen=True, kw_only=True)
class Uninstalled:
    """What uninstalling did; the files are those that had the server."""

    files: tuple[ChangedFile, ...]


def install(
    client: Client, server: Server, machine: Machine, records: Records, clock: Clock
) -> Installed:
    """Put a server into every file of a client; where it is already, nothing is changed.

    Raises:
        UneditableFile: A file cannot be parsed, or not be changed without harm; none was changed.
        SeedanceError: A file or the record cannot be read or written.
    """
    with records.locked(make=True):
        known = records.by_target(client.id)
        files = distinct_files(client.files(machine), clock)
        additions = [adding(client, server, f, known.get(f.target), machine) for f in files]
        needed = [addition for addition in additions if addition.needed]
        for addition in needed:
            addition.file.check_writable()
        done = {a.file.target: ChangedFile(path=a.file.path, changed=False) for a in additions}
        for addition in needed:
            target = addition.file.target
            # What is killed before it can say what it did can be undone all the same.
            _keep(records, client, {**known, target: addition.record})
            try:
                done[target] = _add(addition, client, server, machine)
            except BaseException:
                _keep(records, client, known)
                raise
            now = addition.file.read() or b""
            known[target] = addition.recorded(now, done[target].backup)
            _keep(records, client, known)
    doubt = _doubt(client, machine) if needed else None
    return Installed(files=tuple(done.values()), doubt=doubt)


def uninstall(client: Client, machine: Machine, records: Records, clock: Clock) -> Uninstalled:
    """Take the server out of every file of a client.

    A file is then as it was, but for what others changed since. Without a record, only containers
    that were made for the server stay.

    Raises:
        UneditableFile: A file cannot be parsed, or not be changed without harm; none was changed.
        SeedanceError: A file or the record cannot be read or written.
    """
    with records.locked():
        known = records.by_target(client.id)
        paths = [*(record.path for record in known.values()), *_existing(client, machine)]
        files = distinct_files(paths, clock)
        removals = [removing(client, file, known.get(file.target)) for file in files]
        changed = [_remove(removal) for removal in removals if removal.before != removal.after]
        for record in known.values():
            for folder in reversed(record.folders):
                with suppress(OSError):  # others use it
                    folder.rmdir()
        records.write(client.id, ())
    return Uninstalled(files=tuple(changed))


def read_back(client: Client, machine: Machine) -> dict[Path, Json | None]:
    """Return the entry that each file of a client has.

    Raises:
        SeedanceError: A file cannot be read or parsed.
    """
    found: dict[Path, Json | None] = {}
    for path in _existing(client, machine):
        if (data := ConfigFile(path).read()) is not None:
            with naming(path):
                found[path] = value_at(data, client.form, client.keys(data))
    return found


def _existing(client: Client, machine: Machine) -> Sequence[Path]:
    """Return the files of a client that are there, be it as symbolic links to be filled."""
    return [path for path in client.files(machine) if os.path.lexists(path)]


def _keep(records: Records, client: Client, known: Mapping[Path, FileRecord]) -> None:
    """Keep what was done to each file."""
    records.write(client.id, tuple(known.values()))


def _add(addition: Addition, client: Client, server: Server, machine: Machine) -> ChangedFile:
    """Put the server into a file, by the client's own command if that can do it.

    Raises:
        SeedanceError: The file cannot be written, or something else changes it, too.
    """
    file, private = addition.file, addition.private
    commands = _own_commands(addition, client, server, machine)
    backup = file.back_up(private=private) if commands else None
    own = bool(commands) and _succeed(commands, machine)
    now = addition
    if commands:  # they may have done something else, or nothing
        with _naming_backup(backup):
            now = adding(client, server, file, addition.old, machine)
    if now.before != now.after:
        needed = backup is None and not addition.kept
        copy = file.replace(now.after, private=private, backup=needed)
        own, backup = False, backup or copy
    elif now.narrows:
        file.set_mode(PRIVATE_MODE)
    if file.read() != now.after:
        raise UnusableFile(file.path, "was changed by another program meanwhile; try again")
    made, updated = addition.before is None, addition.replaces
    return ChangedFile(path=file.path, backup=backup, made=made, updated=updated, own=own)


@contextmanager
def _naming_backup(backup: Path | None) -> Generator[None, None, None]:
    """Say where a file is as it was before a command that broke it.

    Raises:
        UneditableFile: It is broken.
    """
    try:
        yield
    except UneditableFile as error:
        if backup is None:
            raise
        where = one_line(str(backup), 300)
        raise UneditableFile(f"{error.message} What it was is in {where}.") from error


def _own_commands(
    addition: Addition, client: Client, server: Server, machine: Machine
) -> Sequence[Sequence[str]]:
    """Return the client's own commands that would do it, none if there are none."""
    # Others can read the arguments of a process.
    own = client.own if server.authentication != "file" else None
    program = find_program(own.program, machine) if own else None
    add = own.add(addition.entry, server) if own else None
    if own is None or program is None or add is None:
        return ()
    if not addition.replaces:
        return [[str(program), *add]]
    return [[str(program), *own.remove], [str(program), *add]] if own.remove else ()


def _succeed(commands: Sequence[Sequence[str]], machine: Machine) -> bool:
    """Run commands, and return whether all of them succeeded."""
    with suppress(OwnCommandFailed):
        for program, *arguments in commands:
            run_program(Path(program), arguments, machine.environment, folder=machine.home)
        return True
    return False


def _doubt(client: Client, machine: Machine) -> str | None:
    """Return why the client's own command does not show the entry, None if it does."""
    if client.own and client.own.show and (program := find_program(client.own.program, machine)):
        try:
            run_program(program, client.own.show, machine.environment, folder=machine.home)
        except OwnCommandFailed as error:
            return error.message
    return None


def _remove(removal: Removal) -> ChangedFile:
    """Take the server out of a file.

    Raises:
        UnusableFile: It cannot be written.
    """
    file, backup = removal.file, None
    original = removal.old.backup if removal.old and not removal.exact else None
    if removal.after is None:
        file.remove()
    else:
        backup = file.replace(removal.after, private=False, backup=not removal.exact)
        if removal.exact and removal.old:
            if removal.old.mode is not None:
                file.set_mode(removal.old.mode)
            if removal.old.backup:  # the file is the same again
                with suppress(OSError):
                    removal.old.backup.unlink()
    return ChangedFile(
        path=file.path,
        backup=backup,
        original=original if original and original.exists() else None,
        removed=removal.after is None,
        restored=removal.restores,
    )
