"""Reads as much of an image behind a URL as its type and size need: seldom more than 64 KB."""

from contextlib import aclosing
from math import inf

from seedance_mcp.models.model import FileArgument
from seedance_mcp.text import quoted

from ._errors import NotAnImage, UnsupportedImage, UnusableFile, Unverifiable
from ._fetcher import Fetcher
from ._image_header import Header, read_header
from ._remote_file import RemoteFile
from ._rules import check_rules, max_bytes

FIRST_REQUEST_BYTES = 64 * 1024
"""What is requested first; few images have their size further in."""

MAX_HEADER_BYTES = 64 * 1024 * 1024
"""How far into a file its size in pixels is searched for, where no rule limits the bytes."""

PARSE_STEP_BYTES = 16 * 1024
"""How many more bytes must arrive before the header is parsed again."""

MAX_STEPPED_BYTES = 256 * 1024
"""Up to here the header is parsed at every step; after that, at each doubling."""


async def check_image(file: FileArgument, fetcher: Fetcher) -> Header:
    """Fetch as much of an image as its rules need, and check it against them.

    Raises:
        UnusableFile: It is not an image, or does not exist.
        RuleViolated: It breaks a rule.
        BlockedAddress: The URL leads to an address that is not allowed.
        Unverifiable: The host did not send enough of it, or its type is not known here.
    """
    limit = max_bytes(file.rules)
    first = FIRST_REQUEST_BYTES
    async with aclosing(
        RemoteFile(fetcher, file.value, accept="image/*", first_bytes=first)
    ) as remote:
        header = await _read_header(remote, min(limit, MAX_HEADER_BYTES))
        check_rules(file.rules, header)
        if limit < inf:
            byte_size, or_more = await remote.count_bytes(limit)
            check_rules(file.rules, header, byte_size, or_more=or_more)
        if header is None:
            raise Unverifiable("its size in pixels is too far into the file")
        return header


async def _read_header(remote: RemoteFile, limit: float) -> Header | None:
    """Read an image's type and size, None where they are not in its first `limit` bytes."""
    try:
        return await _parse_header(remote, limit)
    except NotAnImage as error:
        kind = f" ({quoted(remote.media_type)})" if remote.media_type else ""
        raise UnusableFile(f"it is {error}{kind}") from None
    except UnsupportedImage as error:
        raise Unverifiable(f"it is of type {error}, which cannot be measured here") from None


async def _parse_header(remote: RemoteFile, limit: float) -> Header | None:
    data, parse_at = bytearray(), 0
    try:
        while (chunk := await remote.read_chunk()) is not None:
            data += chunk
            if len(data) >= parse_at:
                if header := read_header(data, whole=False):
                    return header
                parse_at = _next_parse(len(data))
            if len(data) > limit:
                return None
    except Unverifiable:
        if header := read_header(data, whole=False):
            return header
        raise
    return read_header(data, whole=True)


def _next_parse(length: int) -> int:
    # The header is parsed from its beginning each time. Doing so at every chunk would let a host
    # that drips single bytes keep the event loop busy.
    return 2 * length if length > MAX_STEPPED_BYTES else min(2 * length, length + PARSE_STEP_BYTES)
