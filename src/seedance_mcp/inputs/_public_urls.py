"""Parses URLs, and decides which addresses are public: this is what keeps SSRF out.

A URL is parsed once, by `parse_url`, and connections are made from its parts, so that no second
parser can read it differently.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal
from urllib.parse import urlsplit

from ._errors import BlockedAddress

Address = IPv4Address | IPv6Address

MAX_URL_CHARACTERS = 8192
"""Signed URLs run to a few thousand characters; many servers refuse longer ones than this."""

_MAX_HOST_CHARACTERS = 253  # RFC 1035
_PORTS = {"https": 443, "http": 80}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,19}(?=:)")
_BRACKETED = re.compile(r"\[[0-9a-f:.]+\](:[0-9]*)?", re.ASCII | re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# A host whose last label is a number is an IPv4 address to some resolvers (WHATWG: "ends in a
# number").
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
# Browsers read a backslash as a slash, Python does not.
_MUST_BE_ESCAPED = frozenset(' \\"<>')

# IANA's special-purpose registry, and addresses that look public but reach a cloud's internals.
_BLOCKED_V4 = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("10.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),  # carrier-grade NAT; Alibaba's metadata
    IPv4Network("127.0.0.0/8"),
    IPv4Network("168.63.129.16/32"),  # Azure's wire server
    IPv4Network("169.254.0.0/16"),  # link-local; most clouds' metadata
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.0.0.0/24"),  # protocol assignments; Oracle's metadata
    IPv4Network("192.0.2.0/24"),
    IPv4Network("192.31.196.0/24"),
    IPv4Network("192.52.193.0/24"),
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("192.168.0.0/16"),
    IPv4Network("192.175.48.0/24"),
    IPv4Network("198.18.0.0/15"),
    IPv4Network("198.51.100.0/24"),
    IPv4Network("203.0.113.0/24"),
    IPv4Network("224.0.0.0/4"),
    IPv4Network("240.0.0.0/4"),
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_BLOCKED_V6 = (
    IPv6Network("2001::/23"),  # protocol assignments; Teredo
    IPv6Network("2001:db8::/32"),
    IPv6Network("2620:4f:8000::/48"),
    IPv6Network("3fff::/20"),
)
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")

PRIVATE_HINT = "SEEDANCE_ALLOW_PRIVATE_URLS=true allows it"
"""What to do where such an address is meant, or where a VPN maps every name to one."""


@dataclass(frozen=True, kw_only=True)
class ParsedUrl:
    """The parts of an http or https URL.

    Attributes:
        host: A name in lower case, or an address without brackets.
        target: Path and query, as they are sent.
    """

    scheme: Literal["https", "http"]
    host: str
    port: int
    target: str

    @property
    def address(self) -> Address | None:
        """Return the host as an address, None if it is a name."""
        return _parse_address(self.host)

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def check_port(self) -> None:
        """Check that the port is the scheme's default, so that a fetch cannot scan ports."""
        if self.port != _PORTS[self.scheme]:
            raise BlockedAddress(f"its port is {self.port}; files are fetched from port 443 only")


def parse_url(url: str, *, allow_private: bool) -> ParsedUrl:
    """Parse a URL that RunComfy may fetch; plain http and private addresses must be allowed.

    Raises:
        BlockedAddress: It is not an http or https URL, two parsers could read it differently, or
            its host is neither a plain name nor a plain address, or is a private address.
    """
    _check_form(url, ("https", "http") if allow_private else ("https",))
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise BlockedAddress("it cannot be parsed") from None
    if not host or "@" in parts.netloc:
        raise BlockedAddress("it contains a user name" if "@" in parts.netloc else "it has no host")
    bracketed = "[" in parts.netloc
    if bracketed and not _BRACKETED.fullmatch(parts.netloc):
        raise BlockedAddress("its host is an address in an unusual form")
    known: Literal["https", "http"] = "https" if parts.scheme == "https" else "http"
    parsed = ParsedUrl(
        scheme=known,
        host=_parse_address_host(host) if bracketed else _parse_host(host),
        port=_PORTS[known] if port is None else port,
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )
    address = parsed.address
    if not allow_private and address is not None and not is_public(address):
        raise BlockedAddress(f"its address is not public ({PRIVATE_HINT})")
    return parsed


def _check_form(url: str, schemes: tuple[str, ...]) -> None:
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise BlockedAddress("it has no scheme")
    if scheme[0].lower() not in schemes:
        raise BlockedAddress(f"it begins with {scheme[0]}:")
    if not url.isprintable() or not url.isascii() or set(url) & _MUST_BE_ESCAPED:
        raise BlockedAddress("it has characters that a URL must escape")


def check_length(url: str) -> None:
    """Check the length of a caller's URL; a redirect may lead to a longer one.

    Raises:
        BlockedAddress: It is too long.
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise BlockedAddress(f"it has {len(url):,} characters; at most {MAX_URL_CHARACTERS:,} work")


def is_public(address: Address) -> bool:
    """Return whether an address is public, and does not embed one that is not."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _BLOCKED_V4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if address in _SIX_TO_FOUR:
        return is_public(IPv4Address(int(address) >> 80 & 0xFFFFFFFF))
    return address in _GLOBAL_V6 and not any(address in network for network in _BLOCKED_V6)


def _parse_host(host: str) -> str:
    name = host.removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _parse_address_host(name)
    if len(name) > _MAX_HOST_CHARACTERS or not all(map(_LABEL.fullmatch, labels)):
        raise BlockedAddress("its host is not a valid name")
    return host


def _parse_address_host(host: str) -> str:
    address = _parse_address(host)
    if address is None:
        raise BlockedAddress("its host is an address in an unusual form")
    return str(address)


def _parse_address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
