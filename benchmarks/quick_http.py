"""A caller of tools over HTTP that costs little itself: one connection, one call at a time."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.server_process import MODERN_META


class QuickCaller:
    """A connection to a server of the 2026-07-28 revision."""

    def __init__(self, url: str, token: str) -> None:
        self._url = urlsplit(url)
        self._token = token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, tool: str, **arguments: Any) -> Mapping[str, Any]:
        """Call a tool, and return its result.

        Raises:
            RuntimeError: It was answered with an error.
        """
        if self._streams is None:
            host, port = self._url.hostname, self._url.port
            self._streams = await asyncio.open_connection(host, port, limit=2**22)
        reader, writer = self._streams
        params = {"name": tool, "arguments": arguments, "_meta": MODERN_META}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        writer.write(self._request(tool, json.dumps(body).encode()))
        answer = await _read(reader)
        _, _, data = answer.rpartition(b"data: ")
        result = json.loads(data).get("result")
        if result is None or result.get("isError"):
            raise RuntimeError(f"{tool}: {answer[-300:].decode()}")
        return result

    def _request(self, tool: str, body: bytes) -> bytes:
        head = [
            f"POST {self._url.path} HTTP/1.1",
            f"Host: {self._url.netloc}",
            f"Authorization: Bearer {self._token}",
            "Accept: application/json, text/event-stream",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "mcp-protocol-version: 2026-07-28",
            "mcp-method: tools/call",
            f"mcp-name: {tool}",
        ]
        return "\r\n".join([*head, "", ""]).encode() + body

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._streams:
            self._streams[1].close()


async def _read(reader: asyncio.StreamReader) -> bytes:
    """Read an answer, and return its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" not in head:
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return await reader.readexactly(int(length))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body
