"""The file that a clip comes into: a `.part` file first, gone on with later, named when whole."""

import io
import os
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from seedance_mcp.errors import DownloadFailed

from ._file_names import numbered, renamed, synced
from ._file_types import HEAD_BYTES, extension
from ._part_metadata import PartMetadata, lock_first_free

MAX_OUTPUT_BYTES = 2 * 1024**3  # as much as RunComfy's own CLI takes (client)
_NOUNS = {"video": "MP4", "image": "image"}


class IncompleteDownload(Exception):
    """An attempt ended before the clip was whole; another one may help."""


class PartFile:
    """A clip's `.part` file and its note, both nobody else's while it is open.

    Args:
        folder: Where they lie.
        name: What the clip will be called, without its extension, where that is free.
        origin: Whose clip it is and where it lies; what another origin left is not continued.
        kind: What it must turn out to be, a video or an image.
    """

    def __init__(self, folder: Path, name: str, origin: str, kind: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name, self._kind = folder, name, kind
        self._note = lock_first_free(numbered(folder, name, ".part"))
        self._path = self._note.part
        self._named = self._named_before(origin)
        self._known = False
        if self._content.origin != origin or not _is_plain(self._path):
            # Not emptied: after a crash within `finish` it is the other name of a finished clip.
            self._path.unlink(missing_ok=True)
            if not self._named:
                self._note.content = PartMetadata(origin)
        self._file = io.FileIO(self._path, "a+")
        self.size = self._file.seek(0, os.SEEK_END)  # in bytes

    def close(self) -> None:
        """Let go of both files; what came of a clip stays for the next attempt."""
        self._file.close()
        with suppress(OSError):
            if not self.size or self._named:
                self._path.unlink(missing_ok=True)
            if not self._path.exists() and (self._known or not self._named):
                self._note.remove()
        self._note.close()

    @property
    def _content(self) -> PartMetadata:
        return self._note.content

    @property
    def total(self) -> int | None:
        """How long the clip is, in bytes, None while unknown."""
        return self._content.total

    @property
    def whole(self) -> bool:
        """Whether every byte is there."""
        return self._named is not None or (self.total is not None and 0 < self.size == self.total)

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
            IncompleteDownload: It is not what is missing.
            DownloadFailed: The clip is too long.
        """
        old = self._content
        if start == 0:
            self._restart(PartMetadata(old.origin, validator, total))
            return
        new = PartMetadata(old.origin, validator or old.validator, total or old.total)
        if start != self.size or replace(old, total=old.total or total) != new:
            self._restart(PartMetadata(old.origin))
            raise IncompleteDownload("another part was sent")
        self._note.write(new)

    def add(self, chunk: bytes) -> None:
        """Write a piece of the body down.

        Raises:
            IncompleteDownload: It is more than was promised.
            DownloadFailed: The clip is too long.
        """
        if self.total is not None and self.size + len(chunk) > self.total:
            self._restart(PartMetadata(self._content.origin))
            raise IncompleteDownload("more was sent than promised")
        self._bound(self.size + len(chunk))
        while chunk:
            written = self._file.write(chunk)
            self.size += written
            chunk = chunk[written:]

    def end(self) -> None:
        """Take note that the body has ended.

        Raises:
            IncompleteDownload: It ended too early.
        """
        if self.total is None:
            self._note.content = replace(self._content, total=self.size)
        if not self.whole:
            raise IncompleteDownload("less was sent than promised")

    def finish(self) -> Path:
        """Give the whole file a name that is free, for good; it blocks.

        The note remembers the name, for whoever comes after a crash, until `remember`.

        Raises:
            DownloadFailed: It is not what it should be.
        """
        if self._named:
            return self._named
        ending = self._ending()
        os.fsync(self._file.fileno())
        self._file.close()
        for path in numbered(self._folder, self._name, ending):
            if os.path.lexists(path):
                continue
            self._note.write(replace(self._content, total=self.size, named=path.name))
            if renamed(self._path, path):
                self._named = path
                break
        synced(self._folder)
        return self._named or self._path

    def remember(self) -> None:
        """Take note that where the finished file lies is known elsewhere."""
        self._known = True

    def _ending(self) -> str:
        self._file.seek(0)
        ending = extension(self._kind, self._file.read(HEAD_BYTES))
        if ending is None:
            self.size = 0
            raise DownloadFailed(f"What came is no {_NOUNS[self._kind]} and was not kept.")
        if self._file.seek(0, os.SEEK_END) != self.size:
            # Only where the folder has no locks.
            self.size = 0
            raise DownloadFailed("Another program wrote into the clip's file, which was not kept.")
        return ending

    def _named_before(self, origin: str) -> Path | None:
        """Find the finished file where whoever finished it was killed before anybody knew."""
        content = self._content
        if content.origin != origin or not content.named:
            return None
        final = self._folder / content.named
        with suppress(OSError, ValueError):
            status = final.lstat()
            if os.path.lexists(self._path):
                return final if os.path.samestat(status, self._path.lstat()) else None
            return (
                final if stat.S_ISREG(status.st_mode) and status.st_size == content.total else None
            )
        return None

    def _restart(self, content: PartMetadata) -> None:
        self._bound(content.total or 0)
        self._file.truncate(0)
        self.size = 0
        self._note.write(content)

    def _bound(self, size: int) -> None:
        if size > MAX_OUTPUT_BYTES:
            self.size = 0
            raise DownloadFailed("The clip is longer than 2 GiB, the most that is saved.")


def _is_plain(path: Path) -> bool:
    """Tell whether a path is a file that has no other name."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    return False
