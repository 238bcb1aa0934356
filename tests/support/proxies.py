"""Caddy and nginx as real processes on ports of this machine, and a client that comes through them.

Both are configured as docs/hosting.md and hosting/ say; only ports, paths and certificates change.
"""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client
from mcp.client.client import ConnectMode
from mcp.client.streamable_http import streamable_http_client

from .certificates import certificate
from .timeouts import TIMEOUT_SECONDS, wait_until

SITE = "clips.example.com"
"""The name of the server in every example."""

CADDY_OPTIONS = """{{
	admin off
	local_certs
	skip_install_trust
	persist_config off
	auto_https disable_redirects
	default_bind 127.0.0.1
	https_port {port}
	storage file_system {storage}
}}
"""
"""What is not as in production: certificates of Caddy's own, and a port that others may have."""

NGINX = """daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


def needed(program: str) -> str:
    """Return the path of a program; without it the test is skipped, but fails in CI."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if not found:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing(f"NOT TESTED WITH {program.upper()}, which is not in the PATH")
    return str(found)


def free_port() -> int:
    """Return a port of this machine that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Proxy:
    """A running proxy: the port of its TLS, and what its clients trust."""

    def __init__(self, port: int, authority: Path) -> None:
        self.port = port
        self.authority = authority

    def http_client(self, token: str | None, **options: str) -> httpx2.AsyncClient:
        """Return a client that reaches every host through this proxy."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        trust = ssl.create_default_context(cafile=str(self.authority))
        transport = _Through(self.port, httpx2.AsyncHTTPTransport(verify=trust))
        return httpx2.AsyncClient(
            transport=transport, headers=headers | options, timeout=TIMEOUT_SECONDS
        )

    async def status_of(self, request: bytes) -> int:
        """Send a request as it stands, and return the status of its answer."""
        trust = ssl.create_default_context(cafile=str(self.authority))
        stream = await anyio.connect_tcp(
            "127.0.0.1", self.port, tls_hostname=SITE, ssl_context=trust
        )

        async def send() -> None:
            with suppress(anyio.BrokenResourceError):
                await stream.send(request)

        answer = b""
        async with stream, anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            answer = await BufferedByteReceiveStream(stream).receive_until(b"\r\n", 1000)
            tasks.cancel_scope.cancel()
        return int(answer.split()[1])

    async def wait_for(self, path: str, *statuses: int) -> None:
        """Wait until a path is answered over TLS, with one of the statuses if some are given."""
        async with self.http_client(None) as http:
            with anyio.fail_after(TIMEOUT_SECONDS):
                while True:
                    with suppress(httpx2.HTTPError):
                        answer = await http.get(f"https://{SITE}{path}")
                        if not statuses or answer.status_code in statuses:
                            return
                    await anyio.sleep(0.02)

    @asynccontextmanager
    async def client(self, token: str, mode: ConnectMode) -> AsyncGenerator[Client, None]:
        """Connect the SDK's client, by the public URL."""
        url = f"https://{SITE}/mcp"
        async with (
            self.http_client(token) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            yield client


class _Through(httpx2.AsyncBaseTransport):
    """Sends every request to a port of this machine, by TLS for the host that it names."""

    def __init__(self, port: int, inner: httpx2.AsyncBaseTransport) -> None:
        self._port = port
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request."""
        request.extensions = {**request.extensions, "sni_hostname": request.url.host}
        request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


@asynccontextmanager
async def caddy(
    caddyfile: str, folder: Path, environment: Mapping[str, str]
) -> AsyncGenerator[Proxy, None]:
    """Run Caddy, and wait until it shows its certificate."""
    program, port = needed("caddy"), free_port()
    options = CADDY_OPTIONS.format(port=port, storage=folder)
    path = _write(folder / "Caddyfile", options + caddyfile)
    command = [program, "run", "--config", str(path), "--adapter", "caddyfile"]
    variables = {"PATH": os.defpath, "HOME": str(folder), **environment}
    with running(command, folder / "log", variables):
        authority = folder / "pki" / "authorities" / "local" / "root.crt"
        await wait_until(authority.exists)
        proxy = Proxy(port, authority)
        await proxy.wait_for("/metrics")
        yield proxy


@asynccontextmanager
async def nginx(site: str, folder: Path) -> AsyncGenerator[Proxy, None]:
    """Run nginx with a site, and wait until it shows the certificate that is made for it."""
    program, port = needed("nginx"), free_port()
    authority = _write_site(site, folder, port)
    command = [program, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with running(command, folder / "log", {"PATH": os.defpath}):
        proxy = Proxy(port, authority)
        await proxy.wait_for("/metrics")
        yield proxy


def _write_site(site: str, folder: Path, port: int) -> Path:
    """Write the files of nginx, and return a new certificate, which is there with its key."""
    folder.mkdir()
    authority = certificate(folder, SITE)
    live = f"/etc/letsencrypt/live/{SITE}"
    for old, new in (
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        (f"{live}/fullchain.pem", str(authority)),
        (f"{live}/privkey.pem", str(authority)),
    ):
        assert old in site
        site = site.replace(old, new)
    _write(folder / "site.conf", site)
    user = "" if os.geteuid() else "user root;"
    _write(folder / "nginx.conf", NGINX.format(folder=folder, user=user))
    return authority


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@contextmanager
def running(
    command: list[str], log: Path, environment: Mapping[str, str]
) -> Generator["subprocess.Popen[bytes]", None, None]:
    """Run a process as long as the context lasts."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
