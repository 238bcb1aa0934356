"""A saved clip as an answer, whole or in part, read as the client takes it.

The file is opened once, and everything else is asked of what was opened: a path may change its
meaning in between.
"""

import os
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

CHUNK_BYTES = 256 * 1024

MP4_HEAD = re.compile(rb"....ftyp", re.DOTALL)
"""How every clip begins that was saved."""

HEAD_BYTES = 8

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True)
class ClipFile:
    """A clip that is open.

    Attributes:
        descriptor: What it is read by, to be closed.
        size: Its bytes.
        tag: Changes with the file.
    """

    descriptor: int
    size: int
    tag: str

    def close(self) -> None:
        """Close it."""
        os.close(self.descriptor)


def open_clip(path: Path) -> ClipFile | None:
    """Return the clip at a path, opened; None if there is no regular file that begins as an MP4.

    A link in the place of the file is not followed, and nothing there is waited for.
    """
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError):
        return None
    try:
        found = os.fstat(descriptor)
        if S_ISREG(found.st_mode) and MP4_HEAD.match(os.read(descriptor, HEAD_BYTES)):
            tag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
            return ClipFile(descriptor, found.st_size, tag)
    except OSError:
        pass
    os.close(descriptor)
    return None


class ClipResponse(StreamingResponse):
    """Answers with a clip or a part of it, and closes it.

    Args:
        clip: The clip.
        request: The headers of the request.
        headers: Those of every answer.
    """

    def __init__(self, clip: ClipFile, request: Headers, headers: Mapping[str, str]) -> None:
        self._clip = clip
        part = wanted_part(request, clip)
        own = {"Accept-Ranges": "bytes", "ETag": clip.tag}
        self._start, length, status = 0, clip.size, 200
        if part is not None:
            self._start, length = part.start, len(part)
            status = 206 if part else 416
            span = f"{part.start}-{part.stop - 1}" if part else "*"
            own["Content-Range"] = f"bytes {span}/{clip.size}"
        self._left = length
        own["Content-Length"] = str(length)
        super().__init__(self._read(), status, {**headers, **own}, "video/mp4")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            if scope["method"] == "HEAD":
                await Response(None, self.status_code, dict(self.headers))(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            self._clip.close()

    async def _read(self) -> AsyncGenerator[bytes, None]:
        while self._left:
            size = min(CHUNK_BYTES, self._left)
            # A disk may hang, and with it all that a thread does not do.
            chunk = await anyio.to_thread.run_sync(self._read_at, self._start, size)
            if not chunk:
                return
            self._start += len(chunk)
            self._left -= len(chunk)
            yield chunk

    def _read_at(self, start: int, size: int) -> bytes:
        os.lseek(self._clip.descriptor, start, os.SEEK_SET)
        return os.read(self._clip.descriptor, size)


def wanted_part(request: Headers, clip: ClipFile) -> range | None:
    """Return the bytes that a request wants, empty if there are none; None if it wants them all.

    Of a request for several parts, or one for a part of another version, the whole is the answer.
    """
    found = _RANGE.fullmatch(request.get("range", ""))
    if not found or request.get("if-range", clip.tag) != clip.tag:
        return None
    first, last = found.groups()
    if first:
        end = min(int(last) + 1, clip.size) if last else clip.size
        return None if last and int(last) < int(first) else range(int(first), max(int(first), end))
    if last:
        return range(max(0, clip.size - int(last)), clip.size)
    return None
