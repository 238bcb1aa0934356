"""What a caller's URL leads to, and nothing from anywhere inside.

Every name is looked up once, every address it has must be public, and the connection goes to one
of these addresses, not to the name: nothing can be looked up differently in between. TLS still
holds the certificate against the name. Nothing else is sent: no token, no cookies, no proxy.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from urllib.parse import quote, urljoin, urlsplit

import anyio.to_thread
import httpx

from seedance_mcp.text import one_line

from ._errors import BlockedAddress, UnusableImage, Unverifiable
from ._public_urls import PRIVATE_HINT, Address, Place, is_public, place

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host and port, and raises OSError where there are none."""

REDIRECTS = 3
ADDRESSES = 3
"""How many of a host's addresses are tried."""

_TIMEOUT = httpx.Timeout(5.0, connect=2.0).as_dict()
_MOVED = frozenset({301, 302, 303, 307, 308})
_NO_SUCH_HOST = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

_CHECK_HINT = "where only the service can look it up, SEEDANCE_CHECK_IMAGES=false skips this check"
# The backslash is left for place() to refuse: some take it for a slash.
_NOT_ESCAPED = "%/:?#[]@!$&'()*+,;=~\\"


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Look a host's addresses up as any program on this machine does."""
    found = await anyio.to_thread.run_sync(
        lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM),
        abandon_on_cancel=True,
    )
    return [str(entry[4][0]) for entry in found]


async def open_transport() -> httpx.AsyncBaseTransport:
    """Make connections of our own; reading the certificates takes a tenth of a second."""
    context = await anyio.to_thread.run_sync(lambda: httpx.create_ssl_context(trust_env=False))
    # A connection kept open belongs to one name, and the pool tells them by address.
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=limits)


class Fetcher:
    """Fetches what must be public.

    Args:
        transport: The connections; requests name addresses, and hosts in their `Host` and SNI.
        resolve: How names are looked up.
        allow_private: Whether plain http, any port and any address pass.
    """

    def __init__(
        self, transport: httpx.AsyncBaseTransport, *, resolve: Resolve, allow_private: bool
    ) -> None:
        self._transport = transport
        self._resolve = resolve
        self._allow_private = allow_private

    async def get(self, url: str, span: str | None) -> httpx.Response:
        """Ask for a span of bytes, or for all, following redirects, each checked like the first.

        Returns:
            The head of an answer of any status; the caller reads the rest and closes it.

        Raises:
            BlockedAddress: It leads, perhaps by a redirect, where nothing may be fetched.
            UnusableImage: There is nobody who could answer.
            Unverifiable: No answer came.
        """
        redirected = ""
        for _ in range(1 + REDIRECTS):
            try:
                response = await self._answer(place(url), span)
            except BlockedAddress as error:
                raise BlockedAddress(f"{redirected}{error}") from None
            location = response.headers.get("Location")
            if response.status_code not in _MOVED or not location:
                return response
            await response.aclose()
            redirected = "it redirects, and then "
            try:
                url = _escaped(urljoin(url, location))
            except ValueError:
                raise BlockedAddress(f"{redirected}it cannot be parsed") from None
        raise BlockedAddress(f"it redirects more than {REDIRECTS} times")

    async def _answer(self, spot: Place, span: str | None) -> httpx.Response:
        """Ask the host, at the first of its addresses that takes the connection."""
        if not self._allow_private:
            spot.check_public()
            spot.check_port()
        refused = True
        for address in (await self._addresses(spot))[:ADDRESSES]:
            try:
                return await self._transport.handle_async_request(_request(spot, address, span))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                _raise_if_distrusted(error)
                refused = refused and _is_refusal(error)
            except httpx.TransportError as error:
                raise broken_off(error) from error
            except httpx.InvalidURL:
                raise BlockedAddress("it cannot be parsed") from None
        if refused:
            raise UnusableImage("its host refuses connections")
        raise Unverifiable("its host could not be reached")

    async def _addresses(self, spot: Place) -> Sequence[Address]:
        if spot.literal is not None:
            return [spot.literal]
        try:
            names = await self._resolve(spot.host, spot.port)
        except UnicodeError as error:
            raise UnusableImage(_nobody(spot)) from error
        except OSError as error:
            if isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_HOST:
                raise UnusableImage(_nobody(spot)) from error
            raise Unverifiable("its host could not be looked up") from error
        # Without an interface, which means nothing in a URL.
        found = list(dict.fromkeys(ip_address(name.partition("%")[0]) for name in names))
        if not found:
            raise UnusableImage(_nobody(spot))
        if not self._allow_private and not all(map(is_public, found)):
            raise BlockedAddress(f"its host has an address that is not public ({PRIVATE_HINT})")
        return found


def _escaped(url: str) -> str:
    """Escape what stands raw in a redirect's path and query, as browsers do; never the host."""
    parts = urlsplit(url)
    path, query = (quote(part, safe=_NOT_ESCAPED) for part in (parts.path, parts.query))
    return parts._replace(path=path, query=query, fragment="").geturl()


def _nobody(spot: Place) -> str:
    return f"there is no host named {one_line(spot.host)} ({_CHECK_HINT})"


def _request(spot: Place, address: Address, span: str | None) -> httpx.Request:
    url = httpx.URL(
        scheme=spot.scheme,
        host=str(address),
        port=spot.port,
        raw_path=spot.target.encode(),
    )
    headers = {
        "Host": spot.host_header,
        "User-Agent": "seedance-mcp",
        "Accept": "image/*",
        "Accept-Encoding": "identity",
        **({"Range": span} if span else {}),
        "Connection": "close",
    }
    name = spot.host.removesuffix(".")
    extensions = {"timeout": _TIMEOUT, "sni_hostname": name}
    return httpx.Request("GET", url, headers=headers, extensions=extensions)


def broken_off(error: httpx.TransportError) -> Unverifiable:
    """Say why an answer did not come to its end."""
    if isinstance(error, httpx.TimeoutException):
        return Unverifiable("its host is too slow")
    return Unverifiable("its host broke the connection off")


def _is_refusal(error: BaseException) -> bool:
    return isinstance(_first_cause(error), ConnectionRefusedError)


def _raise_if_distrusted(error: httpx.TransportError) -> None:
    if isinstance(_first_cause(error), ssl.SSLError):
        raise Unverifiable("its host's certificate is not trusted here") from error


def _first_cause(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
