"""What the proxies do with a stream: events go out as they come, and a hang-up is passed on.

A server of the test's own stands behind them, which sees both.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from tests.support import proxies
from tests.support.container import ROOT
from tests.support.hosting_page import set_up
from tests.support.proxies import SITE, Proxy
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.repository, pytest.mark.hosting]

STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"9\r\ndata: 1\n\n\r\n"
)
READY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class StreamServer:
    """Answers a POST with a stream that has one event and does not end.

    Attributes:
        port: Where it listens.
        hung_up: Set once the connection of a stream is closed.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.hung_up = anyio.Event()

    async def serve(self, stream: SocketStream) -> None:
        """Answer the requests of a connection."""
        async with stream:
            async for request in stream:
                if not request.startswith(b"POST "):
                    await stream.send(READY)
                    continue
                await stream.send(STREAM)
                async for _ in stream:
                    pass
                self.hung_up.set()


@asynccontextmanager
async def stream_server() -> AsyncGenerator[StreamServer, None]:
    """Run the server as long as the context lasts."""
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        server = StreamServer(listener.extra(SocketAttribute.local_port))
        tasks.start_soon(listener.serve, server.serve)
        yield server
        tasks.cancel_scope.cancel()


def proxy_of(kind: str, port: int, folder: Path) -> AbstractAsyncContextManager[Proxy]:
    """Return a proxy as the page or compose.yaml has it, for a server on a port."""
    match kind:
        case "nginx":
            files = set_up("A team with access tokens, behind nginx").files
            site = files[f"/etc/nginx/sites-enabled/{SITE}"]
            return proxies.nginx(site.replace("8000", str(port)), folder)
        case "Caddy of compose.yaml":
            text = (ROOT / "hosting" / "Caddyfile").read_text("utf-8")
            text = text.replace("replica-1:8000 replica-2:8000", f"127.0.0.1:{port}")
            return proxies.caddy(text, folder, {"SITE": SITE})
        case _:
            text = set_up("One person, behind Caddy").files["Caddyfile"]
            return proxies.caddy(text.replace("8000", str(port)), folder, {})


@pytest.mark.parametrize("kind", ["Caddy", "Caddy of compose.yaml", "nginx"])
async def test_events_pass_as_they_come_and_a_hang_up_reaches_the_server(
    kind: str, tmp_path: Path
) -> None:
    proxies.needed(kind.split(maxsplit=1)[0].lower())
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with stream_server() as server, proxy_of(kind, server.port, tmp_path / "p") as proxy:
            await proxy.wait_for("/readyz", 200)
            async with (
                proxy.http_client(None) as http,
                http.stream("POST", f"https://{SITE}/mcp", json={}) as answer,
            ):
                assert await anext(answer.aiter_lines()) == "data: 1"
                assert not server.hung_up.is_set()
            await server.hung_up.wait()
