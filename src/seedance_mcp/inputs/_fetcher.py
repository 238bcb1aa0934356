"""Fetches callers' URLs from public addresses only (SSRF).

Every name is resolved once, every address it has must be public, and the connection goes to one
of these addresses, not to the name: nothing can resolve differently in between. TLS still checks
the certificate against the name. Nothing else is sent: no token, no cookies, no proxy.
"""

import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from urllib.parse import quote, urljoin, urlsplit

import anyio
import anyio.to_thread
import httpx

from seedance_mcp.http_heads import bound_heads
from seedance_mcp.text import one_line

from ._errors import BlockedAddress, UnusableFile, Unverifiable
from ._public_urls import PRIVATE_HINT, Address, ParsedUrl, is_public, parse_url

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host and port, and raises OSError if there are none."""

MAX_REDIRECTS = 3
MAX_ADDRESSES_TRIED = 3

_TIMEOUT = httpx.Timeout(5.0, connect=2.0).as_dict()
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_NO_SUCH_HOST = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

_CHECK_HINT = "if only RunComfy can resolve it, SEEDANCE_CHECK_IMAGES=false skips this check"
# The backslash stays raw for parse_url to refuse: some clients read it as a slash.
_NOT_ESCAPED = "%/:?#[]@!$&'()*+,;=~\\"


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Resolve a host as any program on this machine does."""
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await anyio.to_thread.run_sync(look_up, abandon_on_cancel=True)
    return [str(entry[4][0]) for entry in found]


class LazyTransport(httpx.AsyncBaseTransport):
    """Connections without proxies, made ready by the first request of many at the same time."""

    def __init__(self) -> None:
        self._opening = anyio.Lock()
        self._opened: httpx.AsyncBaseTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        async with self._opening:
            # In a thread, as certificates take 0.1 s to read.
            self._opened = self._opened or await anyio.to_thread.run_sync(_open_transport)
        return await self._opened.handle_async_request(request)

    async def aclose(self) -> None:
        """Close what was opened."""
        if self._opened:
            await self._opened.aclose()


def _open_transport() -> httpx.AsyncBaseTransport:
    context = httpx.create_ssl_context(trust_env=False)
    # The pool would reuse a connection by its address, for another name's certificate.
    limits = httpx.Limits(max_keepalive_connections=0)
    return bound_heads(httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=limits))


class Fetcher:
    """Fetches URLs from public addresses; `allow_private` allows plain http and any port too.

    Where this machine is `behind_proxy`, it may reach no host by itself, so a host that cannot be
    found or connected to proves nothing.

    The URL of a request to the transport has an address; the name is in its `Host` and SNI.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        resolve: Resolve,
        allow_private: bool,
        behind_proxy: bool = False,
    ) -> None:
        self._transport = transport
        self._resolve = resolve
        self._allow_private = allow_private
        self._behind_proxy = behind_proxy

    async def get(self, url: str, span: str | None, *, accept: str) -> httpx.Response:
        """Request a URL, following redirects, each of which is checked like the first URL.

        `span` is the value of the Range header, None for all bytes; `accept` is that of Accept.

        Returns:
            The head of an answer of any status; the caller reads the body and closes it.

        Raises:
            BlockedAddress: It leads, perhaps by a redirect, to an address that is not allowed.
            UnusableFile: Its host does not exist or refused the connection.
            Unverifiable: No answer came.
        """
        redirected = ""
        for _ in range(1 + MAX_REDIRECTS):
            try:
                response = await self._request(self._parse(url), span, accept)
            except BlockedAddress as error:
                raise BlockedAddress(f"{redirected}{error}") from None
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECT_STATUSES or not location:
                return response
            await response.aclose()
            redirected = "after a redirect, "
            try:
                url = _escaped(urljoin(url, location))
            except ValueError:
                raise BlockedAddress(f"{redirected}it cannot be parsed") from None
        raise BlockedAddress(f"it redirects more than {MAX_REDIRECTS} times")

    def _parse(self, url: str) -> ParsedUrl:
        return parse_url(url, allow_private=self._allow_private)

    async def _request(self, url: ParsedUrl, span: str | None, accept: str) -> httpx.Response:
        """Send a request to the first of the host's addresses that accepts the connection."""
        if not self._allow_private:
            url.check_port()
        refused = True
        for address in (await self._addresses(url))[:MAX_ADDRESSES_TRIED]:
            try:
                return await self._transport.handle_async_request(
                    _build_request(url, address, span, accept)
                )
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                cause = _first_cause(error)
                if isinstance(cause, ssl.SSLError):
                    raise Unverifiable("its host's certificate is not trusted") from error
                refused = refused and isinstance(cause, ConnectionRefusedError)
            except httpx.TransportError as error:
                raise interrupted(error) from error
            except httpx.InvalidURL:
                raise BlockedAddress("it cannot be parsed") from None
        if refused and not self._behind_proxy:
            raise UnusableFile("its host refused the connection")
        raise Unverifiable("its host could not be reached")

    async def _addresses(self, url: ParsedUrl) -> Sequence[Address]:
        if url.address is not None:
            return [url.address]
        names: Sequence[str] = ()
        try:
            names = await self._resolve(url.host, url.port)
        except UnicodeError:
            pass  # a name that IDNA cannot encode: it does not exist
        except OSError as error:
            if not isinstance(error, socket.gaierror) or error.errno not in _NO_SUCH_HOST:
                raise Unverifiable("its host could not be resolved") from error
        # A scoped address such as fe80::1%eth0 names an interface, which a URL cannot.
        found = list(dict.fromkeys(ip_address(name.partition("%")[0]) for name in names))
        if not found:
            host = one_line(url.host)
            if self._behind_proxy:
                raise Unverifiable(f"its host {host} cannot be resolved without the proxy")
            raise UnusableFile(f"its host {host} does not exist ({_CHECK_HINT})")
        if not self._allow_private and not all(map(is_public, found)):
            raise BlockedAddress(f"its host has an address that is not public ({PRIVATE_HINT})")
        return found


@asynccontextmanager
async def open_fetcher(
    *,
    allow_private: bool,
    behind_proxy: bool = False,
    resolve: Resolve = resolve_by_system,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncGenerator[Fetcher, None]:
    """Yield a fetcher with connections of its own, unless a test gives it a `transport`."""
    used = transport or LazyTransport()
    try:
        yield Fetcher(
            used,
            resolve=resolve,
            allow_private=allow_private,
            behind_proxy=behind_proxy,
        )
    finally:
        if used is not transport:
            await used.aclose()


def _escaped(url: str) -> str:
    # The path and the query, as browsers do, but never the host.
    parts = urlsplit(url)
    path, query = (quote(part, safe=_NOT_ESCAPED) for part in (parts.path, parts.query))
    return parts._replace(path=path, query=query, fragment="").geturl()


def _build_request(
    parsed: ParsedUrl, address: Address, span: str | None, accept: str
) -> httpx.Request:
    target = parsed.target.encode()
    url = httpx.URL(scheme=parsed.scheme, host=str(address), port=parsed.port, raw_path=target)
    headers = {
        "Host": parsed.host_header,
        "User-Agent": "seedance-mcp",
        "Accept": accept,
        "Accept-Encoding": "identity",
        **({"Range": span} if span else {}),
        "Connection": "close",
    }
    extensions = {"timeout": _TIMEOUT, "sni_hostname": parsed.host.removesuffix(".")}
    return httpx.Request("GET", url, headers=headers, extensions=extensions)


def interrupted(error: httpx.TransportError) -> Unverifiable:
    """Return why an answer did not arrive whole."""
    too_slow = isinstance(error, httpx.TimeoutException)
    return Unverifiable(f"its host {'is too slow' if too_slow else 'closed the connection early'}")


def _first_cause(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
