"""Checks a video or audio file behind a URL by its first bytes and its length."""

from contextlib import aclosing
from math import inf

from seedance_mcp.models.model import FileArgument
from seedance_mcp.text import quoted

from ._errors import NotMedia, UnusableFile, Unverifiable
from ._fetcher import Fetcher
from ._media_type import ENOUGH_BYTES, read_media_type
from ._remote_file import RemoteFile
from ._rules import check_rules, max_bytes

FIRST_REQUEST_BYTES = 4096

# What no host says of a video or an audio file.
_OTHER_MEDIA = ("text/", "image/", "application/json", "application/pdf", "application/xml")


async def check_media(file: FileArgument, fetcher: Fetcher) -> str:
    """Read the first bytes of a video or audio file, check it, and return its type, such as MP4.

    Raises:
        UnusableFile: It is something else, or does not exist.
        RuleViolated: It breaks a rule.
        BlockedAddress: The URL leads to an address that is not allowed.
        Unverifiable: Its host did not send enough of it, or not its length, or its type is unknown.
    """
    remote = RemoteFile(fetcher, file.value, accept="*/*", first_bytes=FIRST_REQUEST_BYTES)
    async with aclosing(remote):
        start = await _read_start(remote)
    said = f" ({quoted(remote.media_type)})" if remote.media_type else ""
    try:
        found = read_media_type(start, file.kind)
    except NotMedia as error:
        raise UnusableFile(f"it is {error}{said}") from None
    if found is None and remote.media_type.lower().startswith(_OTHER_MEDIA):
        raise UnusableFile(f"its host says that it is {quoted(remote.media_type)}")
    check_rules(file.rules, None, remote.byte_size)
    if found is None:
        raise Unverifiable(f"its type is unknown{said}")
    if remote.byte_size is None and max_bytes(file.rules) < inf:
        raise Unverifiable("its host does not say how many bytes it has")
    return found


async def _read_start(remote: RemoteFile) -> bytes:
    """Read as much as the type needs, less where the file or the connection ends."""
    start = bytearray()
    try:
        while len(start) < ENOUGH_BYTES and (chunk := await remote.read_chunk()) is not None:
            start += chunk
    except Unverifiable:
        if not start:
            raise
    return bytes(start[:ENOUGH_BYTES])
