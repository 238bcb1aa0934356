"""Where a URL leads, and which addresses are public: what keeps the server from looking inside.

A URL is taken apart once, by one parser, and what is connected to is put together from its parts,
so that no second parser can read it differently.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

from seedance_mcp.errors import InputError
from seedance_mcp.models.model import Model

from ._errors import BlockedAddress

Address = IPv4Address | IPv6Address

_PORTS = {"https": 443, "http": 80}
_BRACKETED = re.compile(r"\[[0-9a-f:.]+\](:[0-9]*)?", re.ASCII | re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# What some resolver takes for an address: WHATWG's "ends in a number".
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)

# IANA's special-purpose registry, and what clouds answer to although it looks public.
_CLOSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's wire server
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments; Teredo
        "2001:db8::/32",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")

PRIVATE_HINT = "SEEDANCE_ALLOW_PRIVATE_URLS=true lets it pass"
"""What the user can do where such an address is meant, or where a VPN gives it to every name."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A URL, taken apart.

    Attributes:
        scheme: https, or http.
        host: A name in lower case, or an address without brackets.
        port: The port.
        target: Path and query, as they are sent.
    """

    scheme: Literal["https", "http"]
    host: str
    port: int
    target: str

    @property
    def literal(self) -> Address | None:
        """Give the address, where the host is one and no name."""
        return _literal(self.host)

    @property
    def host_header(self) -> str:
        """Name the host, and the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def check_public(self) -> None:
        """Check what can be told without looking anything up.

        Raises:
            BlockedAddress: It is plain http, or the host is an address that is not public.
        """
        if self.scheme != "https":
            raise BlockedAddress("it is not https")
        if self.literal is not None and not is_public(self.literal):
            raise BlockedAddress(f"its address is not public ({PRIVATE_HINT})")

    def check_port(self) -> None:
        """Check that a fetch meets a web server: this package is nobody's port scanner.

        Raises:
            BlockedAddress: The port is not the scheme's own.
        """
        if self.port != _PORTS[self.scheme]:
            raise BlockedAddress(f"its port is {self.port}, and images are fetched from 443 only")


def place(url: str) -> Place:
    """Take a URL apart.

    Raises:
        BlockedAddress: It is not an http or https URL, or its host is neither a plain name nor
            an address.
    """
    if not url.isascii() or not url.isprintable() or set(url) & set(' \\"<>'):
        raise BlockedAddress("it has characters that a URL must escape")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise BlockedAddress("it cannot be parsed") from None
    if parts.scheme not in ("https", "http"):
        raise BlockedAddress("it is not https")
    if "@" in parts.netloc:
        raise BlockedAddress("it names a user")
    bracketed = "[" in parts.netloc
    if bracketed and not _BRACKETED.fullmatch(parts.netloc):
        raise BlockedAddress("its host is an address in an odd form")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(
        scheme=parts.scheme,
        host=_host(host or "", bracketed=bracketed),
        port=_PORTS[parts.scheme] if port is None else port,
        target=target,
    )


def is_public(address: Address) -> bool:
    """Tell whether an address is anybody's to reach, and none that hides another one inside."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if address in _SIX_TO_FOUR:
        return is_public(IPv4Address(int(address) >> 80 & 0xFFFFFFFF))
    return address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)


def _host(host: str, *, bracketed: bool) -> str:
    if bracketed:
        return _address_host(host)
    name = host.removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _address_host(name)
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise BlockedAddress("its host is no plain name")
    return host


def _address_host(host: str) -> str:
    address = _literal(host)
    if address is None:
        raise BlockedAddress("its host is an address in an odd form")
    return str(address)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


# Signed URLs run to a few thousand characters; servers refuse longer ones than this.
_URL_LIMIT = 8192


_NEVER_IN_URLS = frozenset(' \\"<>')


def check_image_urls(model: Model, arguments: Mapping[str, Any], *, allow_http: bool) -> None:
    """Check that every image argument is a URL that the service can fetch.

    Args:
        model: The model whose image arguments are meant.
        arguments: Arguments that `check_arguments` has passed.
        allow_http: Whether plain http passes too.

    Raises:
        InputError: In one line, which argument is wrong and what is allowed.
    """
    schemes = ("https", "http") if allow_http else ("https",)
    for name in model.image_rules:
        if name in arguments and (problem := _url_problem(arguments[name], schemes)):
            allowed = "an https URL that anyone can fetch"
            raise InputError(name, f"{name} must be {allowed}; {problem}.")


def _url_problem(url: str, schemes: tuple[str, ...]) -> str | None:
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]{0,19}(?=:)", url)
    if scheme is None or scheme[0].lower() not in schemes:
        return f"this one begins with {scheme[0]}:" if scheme else "this one has no scheme"
    if len(url) > _URL_LIMIT:
        return f"this one has {len(url):,} characters, and {_URL_LIMIT:,} is the limit"
    if not url.isprintable() or not url.isascii() or set(url) & _NEVER_IN_URLS:
        return "this one has characters that a URL must escape"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "this one cannot be parsed"
    if not parts.hostname or "@" in parts.netloc:
        return "this one names no host, or a user name before it"
    return None
