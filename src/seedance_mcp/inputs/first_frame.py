"""Makes the poster of a clip that has yet to be made: the image that it begins with.

The image is what the call sends: data, as preflight has prepared a file of this machine or the
frame of another clip, or the URL of one that anyone can reach, which is fetched from public
addresses only.
"""

from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

import anyio
import anyio.from_thread
import httpx

from seedance_mcp.models.model import FileArgument, JSONObject, Model
from seedance_mcp.one_at_a_time import OneAtATime

from ._data_uri import decode_uri, is_data
from ._errors import BlockedAddress, UnusableFile, Unverifiable
from ._fetcher import Resolve, open_fetcher, resolve_by_system
from ._remote_file import RemoteFile
from ._rules import max_bytes
from ._shrinking import shrink_image

FETCH_SECONDS = 10.0
"""How long a host may take to send an image."""

MOST_FETCHED_BYTES = 12 * 1024 * 1024
"""How much of an image is fetched; few models take larger ones."""

MOST_AT_ONCE = 4
"""How many images are fetched side by side."""

MOST_UNDER_WAY = 20
"""How many are made or wait for it; a call's image may take 6 MB of memory meanwhile."""


@dataclass(eq=False, repr=False, kw_only=True)
class FirstFrames:
    """Makes posters of the images that clips begin with.

    Hosts are looked up and images are fetched only with `fetches`; the other switches are those of
    `Preflight`. One image at a time is decoded.
    """

    fetches: bool
    allow_private: bool
    turns: OneAtATime
    behind_proxy: bool = False
    resolve: Resolve = resolve_by_system
    transport: httpx.AsyncBaseTransport | None = None
    _slots: anyio.Semaphore = field(
        init=False, default_factory=lambda: anyio.Semaphore(MOST_AT_ONCE)
    )
    _under_way: int = field(init=False, default=0)

    async def make_poster(self, model: Model, arguments: JSONObject) -> bytes | None:
        """Return the poster of a clip by its arguments as preflight returned them.

        None where the model takes no such image, there is none that can be shown, or too many are
        made already.
        """
        files = (file for file in model.files(arguments) if file.path == model.first_frame)
        file = next(files, None)
        if file is None or self._under_way >= MOST_UNDER_WAY:
            return None
        self._under_way += 1
        try:
            if is_data(file.value):
                return await self.turns.run(partial(_shrink_uri, file.value))
            data = await self._fetch(file)
            return await self.turns.run(partial(_shrink, data)) if data else None
        finally:
            self._under_way -= 1

    async def _fetch(self, file: FileArgument) -> bytes | None:
        """Return an image behind a URL, None where its host does not send it whole and in time."""
        if not self.fetches:
            return None
        fetching = open_fetcher(
            allow_private=self.allow_private,
            behind_proxy=self.behind_proxy,
            resolve=self.resolve,
            transport=self.transport,
        )
        try:
            async with self._slots, fetching as fetcher:
                with anyio.move_on_after(FETCH_SECONDS):
                    most = int(min(max_bytes(file.rules), MOST_FETCHED_BYTES))
                    remote = RemoteFile(fetcher, file.value, accept="image/*", first_bytes=most)
                    return await _read(remote, most)
        except (BlockedAddress, UnusableFile, Unverifiable):
            pass  # where it matters, preflight has said so
        return None


async def _read(remote: RemoteFile, most_bytes: int) -> bytes | None:
    """Return a file, None if it is larger than allowed."""
    data = bytearray()
    async with aclosing(remote):
        while (chunk := await remote.read_chunk()) is not None:
            data += chunk
            if len(data) > most_bytes:
                return None
    return bytes(data)


def _shrink_uri(uri: str) -> bytes | None:
    try:
        data = decode_uri(uri)
    except UnusableFile:
        return None
    return _shrink(data)


def _shrink(data: bytes) -> bytes | None:
    return shrink_image(data, anyio.from_thread.check_cancelled)
