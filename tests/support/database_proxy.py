"""A network between a ledger and PostgreSQL that can be made to fail at the worst moment."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from urllib.parse import quote

import anyio


class DatabaseProxy:
    """A Unix socket that passes everything on to a server's.

    Attributes:
        url: The URL of the database behind it.
        broken: Set once a commit has been carried out and its answer lost.
    """

    def __init__(self, server_url: str, folder: Path) -> None:
        self._folder = folder
        self._server = _socket_of(server_url)
        self.url = f"{server_url.partition('?')[0]}?host={quote(str(folder), safe='')}"
        self.broken = anyio.Event()
        self._loses_commit = False
        self._closed = False
        self._silence = anyio.Event()
        self._silence.set()

    def lose_next_commit(self) -> None:
        """Let the server carry the next commit out, lose its answer, and close from then on."""
        self._loses_commit = True

    def be_silent(self) -> None:
        """Pass nothing on any more, as a network that drops packets."""
        self._silence = anyio.Event()

    def mend(self) -> None:
        """Pass everything on again."""
        self._closed = self._loses_commit = False
        self._silence.set()

    def forget(self) -> None:
        """Pass everything on again but what was sent into the silence, and all that follows it."""
        self._silence = anyio.Event()
        self._silence.set()

    async def pass_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Pass on what a client and the server send each other, until either has closed."""
        with closing(writer), suppress(OSError):
            if self._closed:
                return
            answers, requests = await asyncio.open_unix_connection(self._server)
            with closing(requests):
                ways = [self._to_server(reader, requests), self._to_client(answers, writer)]
                _, other = await asyncio.wait(
                    map(asyncio.ensure_future, ways), return_when=asyncio.FIRST_COMPLETED
                )
                for task in other:
                    task.cancel()

    async def _to_server(self, reader: StreamReader, writer: StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._silence.wait()
            if self._loses_commit and b"COMMIT\0" in data:
                # Only what comes back for this commit is lost, and all that comes later.
                self._closed = True
            writer.write(data)

    async def _to_client(self, reader: StreamReader, writer: StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._silence.wait()
            if self._closed:
                self.broken.set()
                return
            writer.write(data)


@asynccontextmanager
async def open_proxy(server_url: str, folder: Path) -> AsyncGenerator[DatabaseProxy, None]:
    """Yield a proxy whose socket is in a folder with a short path."""
    proxy = DatabaseProxy(server_url, folder)
    async with await asyncio.start_unix_server(proxy.pass_on, folder / ".s.PGSQL.5432"):
        yield proxy


def _socket_of(url: str) -> str:
    from psycopg.conninfo import conninfo_to_dict

    return f"{conninfo_to_dict(url)['host']}/.s.PGSQL.5432"
