"""The file that a clip comes into: a `.part` file first, gone on with later, named when whole.

Beside a `.part` file lies its note, `.part.json`: which content the bytes belong to. The note is
locked while bytes are added, by a lock that ends with the process, so that what a killed one left
is continued by one other and never by two.
"""

import errno
import io
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

from .errors import DownloadFailed

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


MOST_BYTES = 2 * 1024**3  # as much as RunComfy's own CLI takes (client)
_TAKEN = {errno.EAGAIN, errno.EACCES, errno.EDEADLK, errno.ENOENT}


class BrokenOff(Exception):
    """An attempt ended before the clip was whole; another one may help."""


@dataclass(frozen=True)
class Content:
    """What the bytes of a `.part` file belong to.

    Attributes:
        origin: Whose clip it is and where it lies.
        validator: What tells this content from another at the same place, None where nothing does.
        total: How long it is, in bytes, None while unknown.
    """

    origin: str
    validator: str | None = None
    total: int | None = None


class PartFile:
    """A clip's `.part` file and its note, both nobody else's while it is open.

    Args:
        folder: Where they lie.
        name: What the clip will be called, without its extension, where that is free.
        origin: Whose clip it is and where it lies; what another origin left is not continued.
    """

    def __init__(self, folder: Path, name: str, origin: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name = folder, name
        self._path, self._note = _claimed(folder, name)
        self._content = _noted(self._note)
        if self._content.origin != origin or not _is_plain(self._path):
            # Not emptied: after a crash within `finish` it is the other name of a finished clip.
            self._path.unlink(missing_ok=True)
            self._content = Content(origin)
        self._file = io.FileIO(self._path, "a+")
        self.size = self._file.seek(0, os.SEEK_END)  # in bytes

    def close(self) -> None:
        """Let go of both files; what came of a clip stays for the next attempt."""
        self._file.close()
        with suppress(OSError):
            if not self.size:
                self._path.unlink(missing_ok=True)
            if not self._path.exists():
                Path(self._note.name).unlink(missing_ok=True)
        self._note.close()

    @property
    def total(self) -> int | None:
        """How long the clip is, in bytes, None while unknown."""
        return self._content.total

    @property
    def whole(self) -> bool:
        """Whether every byte is there."""
        return self.total is not None and 0 < self.size == self.total

    def wanted(self) -> dict[str, str]:
        """Give the headers that ask for what is missing; none where all must come again."""
        if not self.size or not self._content.validator:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self._content.validator}

    def begin(self, start: int | None, *, total: int | None, validator: str | None) -> None:
        """Make ready for the body of an answer: to go on with it, or to begin anew.

        Args:
            start: Where in the clip it begins, None where that cannot be read.
            total: How long the clip is, in bytes, None where that is not said.
            validator: What tells this content from another, None where that is not said.

        Raises:
            BrokenOff: It is not what is missing.
            DownloadFailed: The clip is too long.
        """
        old = self._content
        if start == 0:
            self._restart(Content(old.origin, validator, total))
            return
        new = Content(old.origin, validator or old.validator, total or old.total)
        if start != self.size or replace(old, total=old.total or total) != new:
            self._restart(Content(old.origin))
            raise BrokenOff("another part was sent")
        self._note_down(new)

    def add(self, chunk: bytes) -> None:
        """Write a piece of the body down.

        Raises:
            BrokenOff: It is more than was promised.
            DownloadFailed: The clip is too long.
        """
        if self.total is not None and self.size + len(chunk) > self.total:
            self._restart(Content(self._content.origin))
            raise BrokenOff("more was sent than promised")
        self._bound(self.size + len(chunk))
        while chunk:
            written = self._file.write(chunk)
            self.size += written
            chunk = chunk[written:]

    def end(self) -> None:
        """Take note that the body has ended.

        Raises:
            BrokenOff: It ended too early.
        """
        if self.total is None:
            self._content = replace(self._content, total=self.size)
        if not self.whole:
            raise BrokenOff("less was sent than promised")

    def finish(self) -> Path:
        """Give the whole file a name that is free, for good; it blocks.

        Raises:
            DownloadFailed: It is no MP4.
        """
        self._file.seek(0)
        if self._file.read(12)[4:8] != b"ftyp":
            self.size = 0
            raise DownloadFailed("What came is no MP4 and was not kept.")
        os.fsync(self._file.fileno())
        self._file.close()
        final = next(
            path for path in _names(self._folder, self._name, ".mp4") if _named(self._path, path)
        )
        _sync(self._folder)
        return final

    def _restart(self, content: Content) -> None:
        self._bound(content.total or 0)
        self._file.truncate(0)
        self.size = 0
        self._note_down(content)

    def _note_down(self, content: Content) -> None:
        self._content = content
        self._note.truncate(0)
        self._note.write(json.dumps(asdict(content)).encode())

    def _bound(self, size: int) -> None:
        if size > MOST_BYTES:
            self.size = 0
            raise DownloadFailed("The clip is longer than 2 GiB, the most that is saved.")


def _names(folder: Path, name: str, extension: str) -> Iterator[Path]:
    yield folder / f"{name}{extension}"
    yield from (folder / f"{name}-{number}{extension}" for number in count(2))


def _claimed(folder: Path, name: str) -> tuple[Path, io.FileIO]:
    """Claim a `.part` file that nobody adds to; give its path and its note, locked."""
    for path in _names(folder, name, ".part"):
        note = io.FileIO(f"{path}.json", "a+")
        try:
            _lock(note.fileno())
            # Whoever had it before may have taken the name away between the two calls above.
            if os.path.samestat(os.fstat(note.fileno()), Path(note.name).stat()):
                return path, note
        except OSError as error:
            note.close()
            if error.errno not in _TAKEN:
                raise
        note.close()
    raise AssertionError("there are endless names")


def _noted(note: io.FileIO) -> Content:
    note.seek(0)
    try:
        return Content(**json.loads(note.readall()))
    except (ValueError, TypeError):
        return Content("")


def _is_plain(path: Path) -> bool:
    """Tell whether a path is a file that has no other name."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    return False


def _named(part: Path, final: Path) -> bool:
    """Move a file to a name unless that is taken."""
    try:
        os.link(part, final)
    except FileExistsError:
        return False
    except OSError:
        # exFAT and others have no links: there the name is taken first, and then filled.
        with suppress(FileExistsError):
            final.open("xb").close()
            part.replace(final)
            return True
        return False
    part.unlink()
    return True


def _sync(folder: Path) -> None:
    with suppress(OSError):  # Windows cannot open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
