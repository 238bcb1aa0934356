"""A configuration file of a client, read and replaced whole, behind symbolic links too."""

import os
import stat
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import BinaryIO

from seedance_mcp.clock import Clock
from seedance_mcp.errors import SeedanceError
from seedance_mcp.file_locks import open_in_place, replacing
from seedance_mcp.text import one_line

MOST_BYTES = 10_000_000
"""How large a configuration may be; Claude Code's, which has its history, is the largest known."""

PRIVATE_MODE, NEW_MODE = 0o600, 0o644

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""A FIFO in the file's place must not block."""


class UnusableFile(SeedanceError):
    """A configuration file cannot be read, or not be written; the message begins with its path."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{one_line(str(path), 300)} {problem}.")


@dataclass
class ConfigFile:
    """A file that may not be there.

    Attributes:
        path: Where the client looks for it.
        clock: What the names of backups are taken from.
        target: Where it is, behind symbolic links, which may lead nowhere yet.
        status: What the system says of it, None if it is not there; known after `read`.
    """

    path: Path
    clock: Clock = field(default_factory=Clock)
    target: Path = field(init=False)
    status: os.stat_result | None = field(init=False, default=None)
    _seen: bytes | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Follow symbolic links, as far as they lead."""
        self.target = Path(os.path.realpath(self.path))

    def read(self) -> bytes | None:
        """Return all of it, None if it is not there.

        Raises:
            UnusableFile: It is something else than a file, too large or not readable.
        """
        self._seen, self.status = self._now()
        return self._seen

    def missing_folders(self) -> tuple[Path, ...]:
        """Return the folders that have to be made for it, the outermost first."""
        missing = [folder for folder in self.target.parents if not os.path.lexists(folder)]
        return tuple(reversed(missing))

    def replace(self, data: bytes, *, private: bool, backup: bool = True) -> Path | None:
        """Write all of it, or nothing; return where the backup of an older one is.

        It keeps its mode and owner, but becomes readable by its owner alone if it is private.

        Raises:
            UnusableFile: It cannot be written, or is another one than that which was read.
        """
        status = self.check_writable()
        with self._explaining("cannot be written"):
            self.target.parent.mkdir(parents=True, exist_ok=True)
            if status is None:
                with replacing(self.target, mode=PRIVATE_MODE if private else NEW_MODE) as file:
                    file.write(data)
                    self._last_check(file)
                copy = None
            else:
                mode = PRIVATE_MODE if private else stat.S_IMODE(status.st_mode)
                copy = self._back_up(mode, status) if backup else None
                with _gone_on_failure(copy), replacing(self.target, mode=PRIVATE_MODE) as file:
                    file.write(data)
                    _own(file.fileno(), mode, status, self.target)
                    self._last_check(file)
        self._seen, self.status = self._now()
        return copy

    def back_up(self, *, private: bool) -> Path | None:
        """Copy it beside itself, and return where to; None if it is not there.

        Raises:
            UnusableFile: That is impossible, or it is another one than that which was read.
        """
        if (status := self.check_writable()) is None:
            return None
        with self._explaining("cannot be backed up"):
            return self._back_up(PRIVATE_MODE if private else stat.S_IMODE(status.st_mode), status)

    def set_mode(self, mode: int) -> None:
        """Change its permissions.

        Raises:
            UnusableFile: They cannot be changed.
        """
        with self._explaining("cannot be made private"):
            self.target.chmod(mode)

    def remove(self) -> None:
        """Remove it; a symbolic link to it stays.

        Raises:
            UnusableFile: It cannot be removed, or is another one than that which was read.
        """
        self.check_writable()
        with self._explaining("cannot be removed"):
            self.target.unlink(missing_ok=True)
        self._seen = self.status = None

    def _now(self) -> tuple[bytes | None, os.stat_result | None]:
        """Return what it is now."""
        with self._explaining("cannot be read"), suppress(FileNotFoundError):
            descriptor = os.open(self.target, _FLAGS)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise UnusableFile(self.path, "is not a file")
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    data = file.read(MOST_BYTES + 1)
            finally:
                os.close(descriptor)
            if len(data) > MOST_BYTES:
                raise UnusableFile(self.path, f"has more than {MOST_BYTES:,} bytes")
            return data, status
        return None, None

    def check_writable(self) -> os.stat_result | None:
        """Return what the system says of it, if it may be changed and nothing else did so.

        Raises:
            UnusableFile: It may not, or something else did.
        """
        seen = self._seen
        now, status = self._now()
        if now != seen:
            raise UnusableFile(self.path, "was changed by another program meanwhile; try again")
        # A folder that may be written to would let it be replaced all the same.
        if status and not (status.st_mode & 0o222 and os.access(self.target, os.W_OK)):
            raise UnusableFile(self.path, "is read-only")
        return status

    def _last_check(self, file: BinaryIO) -> None:
        """Check that nothing else changed it, once all that takes long is done.

        Raises:
            UnusableFile: Something did.
        """
        file.flush()
        os.fsync(file.fileno())
        self.check_writable()

    def _back_up(self, mode: int, status: os.stat_result) -> Path:
        """Write what was read beside the file, under a name that is free."""
        stem = f"{self.target.name}.bak-{self.clock.now().astimezone(UTC):%Y%m%dT%H%M%SZ}"
        for number in range(1, 1000):
            copy = self.target.with_name(stem if number == 1 else f"{stem}-{number}")
            with suppress(FileExistsError):
                file = open_in_place(copy, "x", mode=PRIVATE_MODE)
                break
        else:
            raise UnusableFile(self.path, "has too many backups")
        with _gone_on_failure(copy), file:
            file.write(self._seen or b"")
            _own(file.fileno(), mode, status, self.target)
            os.fsync(file.fileno())
        return copy

    @contextmanager
    def _explaining(self, problem: str) -> Generator[None, None, None]:
        """Raise what the system says as one line that names the file."""
        try:
            yield
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            raise UnusableFile(self.path, f"{problem}: {one_line(why)}") from error


@contextmanager
def _gone_on_failure(path: Path | None) -> Generator[None, None, None]:
    """Remove a backup again if what it was made for fails, as on a full disk."""
    try:
        yield
    except BaseException:
        if path:
            with suppress(OSError):
                path.unlink()
        raise


def distinct_files(paths: Iterable[Path], clock: Clock) -> list[ConfigFile]:
    """Return files, each of them once, since links may lead to one from several places."""
    files: dict[Path, ConfigFile] = {}
    for path in paths:
        file = ConfigFile(path, clock)
        files.setdefault(file.target, file)
    return [*files.values()]


def _own(descriptor: int, mode: int, status: os.stat_result, source: Path) -> None:
    """Set the owner, attributes and mode of an open file as another one has; Windows has none.

    Raises:
        OSError: Only the administrator can give a file to that owner.
    """
    if sys.platform == "win32":
        return
    made = os.fstat(descriptor)
    if made.st_uid != status.st_uid:
        os.fchown(descriptor, status.st_uid, status.st_gid)
    elif made.st_gid != status.st_gid:
        try:
            os.fchown(descriptor, -1, status.st_gid)
        except PermissionError:  # not a group of the user's, so what it may do is not for ours
            mode &= ~0o070
    if not _attributed(descriptor, source):
        mode &= ~0o070  # without its access control list, they are not the group's
    os.fchmod(descriptor, mode)


def _attributed(descriptor: int, source: Path) -> bool:
    """Copy the attributes of a file to an open one, and return whether its ACL is among them.

    Python cannot read them on macOS, where an ACL only adds to the permissions.
    """
    if sys.platform != "linux":
        return True
    whole = True
    with suppress(OSError):  # the file system has none
        for name in os.listxattr(source):
            try:
                os.setxattr(descriptor, name, os.getxattr(source, name))
            except OSError:
                whole = whole and name != "system.posix_acl_access"
    return whole
