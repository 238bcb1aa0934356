"""Where a server over HTTP listens, and which names and pages may reach it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class HttpOptions:
    """Where a server over HTTP listens, and which names and pages may reach it.

    Attributes:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        path: The path of the MCP endpoint.
        allowed_hosts: Further names in the `Host` of requests; `NAME:*` is a name with any port.
        allowed_origins: Origins whose pages may call; `http://NAME:*` is one with any port.
        metrics_host: The address of the figures for Prometheus.
        metrics_port: Their port; None serves no figures.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    path: str = "/mcp"
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None

    @property
    def host_name(self) -> str:
        """Return the address as it stands in a URL."""
        return url_host(self.host)


def url_host(host: str) -> str:
    """Return an address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host
