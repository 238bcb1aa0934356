"""The `.part` file of a download: resumed after a crash, and renamed when it is complete.

A download takes these steps, in this order:

    1. lock NAME.part.json       it holds the metadata of NAME.part
    2. write the metadata        origin, validator, total
    3. append to NAME.part       as often as the connection breaks
    4. fsync NAME.part
    5. write the metadata        and `named`, the final file's name
    6. link the final file to NAME.part, and unlink NAME.part; or rename it, on a disk without links
    7. fsync the folder
    8. record the path           in the ledger
    9. remove NAME.part.json

What a restart does with the same origin, by what a crash left on the disk:

    NAME.part.json      NAME.part          final file       a restart
    locked              any                any              takes NAME-2.part: a live process has it
    missing, invalid    any                any              unlinks NAME.part, begins at byte 0
    another origin      any                any              the same
    no validator        bytes              missing          begins at byte 0
    validator           bytes              missing          requests the rest; all if it has changed
    total               `total` bytes      missing          goes on with step 4; sends no request
    named               `total` bytes      missing          the same
    named               link to the final  present          unlinks NAME.part, goes on with step 8
    named               missing            `total` bytes    goes on with step 8
    named               missing            anything else    begins at byte 0

A final file that this download did not make is never overwritten: the next free name is taken.
"""

import os
import stat
from contextlib import suppress
from dataclasses import replace
from itertools import filterfalse, islice
from pathlib import Path

from seedance_mcp.errors import DownloadFailed
from seedance_mcp.file_locks import open_in_place
from seedance_mcp.text import one_line

from ._file_names import fsync_folder, numbered, rename_to_free
from ._file_types import HEAD_BYTES, extension
from ._part_metadata import MetadataFile, PartMetadata

MAX_OUTPUT_BYTES = 2 * 1024**3  # as RunComfy's own CLI has it (client)
MOST_PART_FILES = 20
"""How many downloads of one clip may be under way side by side, in as many processes."""

_NOUNS = {"video": "MP4", "image": "image"}


class IncompleteDownload(Exception):
    """An attempt ended before the output was complete; another attempt may help."""


class PartFile:
    """An output's `.part` file and its metadata, locked until `close`.

    Args:
        folder: Where the output goes; created if it is missing.
        name: The output's name without its extension.
        origin: The job, the output and its URL. Bytes of another origin are never resumed.
        kind: "video" or "image", which the bytes must turn out to be.

    Raises:
        DownloadFailed: Too many other downloads of this output are under way.
    """

    def __init__(self, folder: Path, name: str, origin: str, kind: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name, self._kind = folder, name, kind
        self._metadata = _lock_metadata(folder, name)
        self._path = self._metadata.path.with_suffix("")
        self._final = self._find_final(origin)
        # Set when the ledger has the final file's path: the metadata is then of no more use.
        self.recorded = False
        if self._content.origin != origin or not _has_one_name(self._path):
            # Unlinked, not truncated: it may be a link to a finished file.
            self._path.unlink(missing_ok=True)
            if not self._final:
                self._metadata.content = PartMetadata(origin)
        self._file = open_in_place(self._path, "a+")
        self.size = self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        self._file.close()
        with suppress(OSError):
            if not self.size or self._final:
                self._path.unlink(missing_ok=True)
            if not self._path.exists() and (self.recorded or not self._final):
                self._metadata.remove()
        self._metadata.close()

    @property
    def _content(self) -> PartMetadata:
        return self._metadata.content

    @property
    def total(self) -> int | None:
        return self._content.total

    @property
    def is_complete(self) -> bool:
        return self._final is not None or (self.total is not None and 0 < self.size == self.total)

    def resume_headers(self) -> dict[str, str]:
        """Return the headers that request the missing bytes; none where all are requested."""
        if not self.size or not self._content.validator:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self._content.validator}

    def begin(self, start: int | None, *, total: int | None, validator: str | None) -> None:
        """Prepare for the body of a response, which resumes the file or replaces its content.

        `start` is the body's first byte within the output, None if the response does not say.

        Raises:
            IncompleteDownload: The body is not the missing part.
            DownloadFailed: The output is too large.
        """
        old = self._content
        if start == 0:
            self._restart(validator, total)
            return
        new = PartMetadata(old.origin, validator or old.validator, total or old.total)
        if start != self.size or replace(old, total=old.total or total) != new:
            self._restart()
            raise IncompleteDownload("it sent another range")
        self._metadata.write(new)

    def append(self, chunk: bytes) -> None:
        """Append a chunk of the body.

        Raises:
            IncompleteDownload: The body is longer than announced.
            DownloadFailed: The output is too large.
        """
        if self.total is not None and self.size + len(chunk) > self.total:
            self._restart()
            raise IncompleteDownload("it sent more than announced")
        self._check_size(self.size + len(chunk))
        while chunk:
            written = self._file.write(chunk)
            self.size += written
            chunk = chunk[written:]

    def end(self) -> None:
        if self.total is None:
            self._metadata.content = replace(self._content, total=self.size)
        if not self.is_complete:
            raise IncompleteDownload("it sent less than announced")

    def finish(self) -> Path:
        """Rename the complete file to a free name and return its path; it blocks.

        The metadata keeps the name until it is `recorded`, for a restart after a crash.

        Raises:
            DownloadFailed: The file is not of the kind that it should be.
        """
        if self._final:
            return self._final
        suffix = self._check_content()
        os.fsync(self._file.fileno())
        self._file.close()
        for path in filterfalse(os.path.lexists, numbered(self._folder, self._name, suffix)):
            # Before the rename: a file under its final name must be found after a crash.
            self._metadata.write(replace(self._content, total=self.size, named=path.name))
            if rename_to_free(self._path, path):
                self._final = path
                break
        fsync_folder(self._folder)
        return self._final or self._path

    def _check_content(self) -> str:
        """Return the complete file's extension, or let `close` discard what is not of its kind."""
        self._file.seek(0)
        suffix = extension(self._kind, self._file.read(HEAD_BYTES))
        if suffix and self._file.seek(0, os.SEEK_END) == self.size:
            return suffix
        self.size = 0
        if suffix is None:
            raise DownloadFailed(f"The download was not an {_NOUNS[self._kind]} and was discarded.")
        # Possible only where the folder has no locks.
        raise DownloadFailed("Another program wrote to the download's file, which was discarded.")

    def _find_final(self, origin: str) -> Path | None:
        """Return the finished file of a process that died before it recorded the path."""
        content = self._content
        if content.origin != origin or not content.named:
            return None
        final = self._folder / content.named
        with suppress(OSError, ValueError):
            status = final.lstat()
            if os.path.lexists(self._path):
                return final if os.path.samestat(status, self._path.lstat()) else None
            if stat.S_ISREG(status.st_mode) and status.st_size == content.total:
                return final
        return None

    def _restart(self, validator: str | None = None, total: int | None = None) -> None:
        self._check_size(total or 0)
        # Before the metadata: old bytes must never stand under a new validator.
        self._file.truncate(0)
        self.size = 0
        self._metadata.write(PartMetadata(self._content.origin, validator, total))

    def _check_size(self, size: int) -> None:
        if size > MAX_OUTPUT_BYTES:
            self.size = 0
            raise DownloadFailed("The clip is larger than 2 GiB, the limit for downloads.")


def _lock_metadata(folder: Path, name: str) -> MetadataFile:
    """Lock the first metadata file that no other download has, as readable as the clips."""
    for path in islice(numbered(folder, name, ".part.json"), MOST_PART_FILES):
        # A link may lead to anything, and metadata is written in place.
        free = _has_one_name(path) or not os.path.lexists(path)
        if free and (file := MetadataFile.try_lock(path, mode=0o666)):
            return file
    raise DownloadFailed(
        f"{one_line(str(folder), 200)} has {MOST_PART_FILES} files of other downloads of this clip"
        " that are locked or links: set SEEDANCE_OUTPUT_DIR to another folder."
    )


def _has_one_name(path: Path) -> bool:
    """Return whether a path is a regular file without another hard link."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    return False
