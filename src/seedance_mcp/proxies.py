"""The proxy for https that the environment names, without what httpx cannot read.

httpx reads the environment by itself, but then a proxy that is never used, or one odd entry of
NO_PROXY, keeps it from starting.
"""

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.request import getproxies

import httpx


@dataclass(frozen=True, kw_only=True)
class Proxies:
    """The proxy for https.

    Attributes:
        url: None where connections are made directly.
        direct: httpx's patterns of the hosts that are not behind it.
        unreadable: The entries of NO_PROXY that httpx cannot read.
    """

    url: str | None
    direct: tuple[str, ...]
    unreadable: tuple[str, ...]

    def mounts(
        self, certificates: ssl.SSLContext, limits: httpx.Limits | None = None
    ) -> dict[str, httpx.AsyncBaseTransport | None]:
        """Return the transports that an httpx client should use instead of its own.

        Raises:
            ImportError, ValueError, httpx.InvalidURL: The proxy cannot be used.
        """
        if self.url is None:
            return {}
        url = self.url if "://" in self.url else f"http://{self.url}"
        limits = limits or httpx.Limits()
        proxy = httpx.AsyncHTTPTransport(proxy=url, verify=certificates, limits=limits)
        return {"https://": proxy, **dict.fromkeys(self.direct)}


def read_proxies() -> Proxies:
    """Read the environment's proxies, or the system's where the environment names none."""
    named = getproxies()
    hosts = [host for part in named.get("no", "").split(",") if (host := part.strip())]
    patterns = {host: _pattern(host) for host in hosts if host != "*"}
    return Proxies(
        url=None if "*" in hosts else named.get("https") or named.get("all"),
        direct=tuple(pattern for pattern in patterns.values() if pattern),
        unreadable=tuple(host for host, pattern in patterns.items() if not pattern),
    )


def _pattern(host: str) -> str | None:
    """Return httpx's pattern for an entry of NO_PROXY, None where it has none."""
    if "://" in host:
        pattern = host
    else:
        try:
            six = ip_address(host.partition("/")[0]).version == 6
            pattern = f"all://[{host}]" if six else f"all://{host}"
        except ValueError:
            pattern = f"all://{host}" if host.lower() == "localhost" else f"all://*{host}"
    try:
        # Also decodes the host, as httpx does for its pattern.
        return pattern if httpx.URL(pattern).host else None
    except (httpx.InvalidURL, UnicodeError):
        return None
