"""Who may reach the endpoint: its path, its methods, and the `Host` and `Origin` of requests."""

import re
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from seedance_mcp.setting_values import is_loopback

from ._refusals import refusal
from .http_options import HttpOptions

METHODS = ("GET", "POST", "DELETE")
"""What Streamable HTTP uses, beside the OPTIONS of a browser, which is answered before."""

EXPOSED_HEADERS = ("mcp-session-id", "mcp-protocol-version", "retry-after", "www-authenticate")
"""What a page's code may read of an answer."""

PREFLIGHT_SECONDS = 600
"""How long a browser need not ask again whether a page may call."""


class Endpoint:
    """ASGI middleware that serves the endpoint's path, also with a slash, to those who may call.

    The SDK has such checks too, but it logs what it refuses in full, and compares names by case.
    """

    def __init__(self, app: ASGIApp, options: HttpOptions) -> None:
        self._app = app
        self._path = options.path
        self._hosts = _pattern([*_own_names(options), *options.allowed_hosts])
        own = [f"http://{name}" for name in _own_names(options)]
        self._origins = _pattern([*own, *options.allowed_origins])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        app = self._app
        if scope["type"] == "http":
            if scope["path"].rstrip("/") == self._path:
                scope = {**scope, "path": self._path, "raw_path": self._path.encode()}
            app = self._refusal(scope) or app
        await app(scope, receive, send)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        """Return what a request is answered that may not reach the server; None if it may."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if not self._hosts.fullmatch(headers.get("host", "").lower()):
            said = "The server is not known by the name in Host. --allowed-host adds a name."
            return refusal(421, said)
        if origin is not None and not self._origins.fullmatch(origin.lower()):
            said = "Pages of this Origin may not call the server. --allowed-origin adds an origin."
            return refusal(403, said)
        if scope["path"] == self._path and scope["method"] not in METHODS:
            return refusal(405, "Use POST.", allow=", ".join(METHODS))
        return None


def cross_origin(options: HttpOptions) -> list[Middleware]:
    """Return what lets the pages of the allowed origins call; none is allowed by default."""
    if not options.allowed_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origin_regex=_pattern(options.allowed_origins).pattern,
            allow_methods=METHODS,
            # Also the Mcp-Param-… headers, whose names are those of a tool's arguments.
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
            max_age=PREFLIGHT_SECONDS,
        )
    ]


def _own_names(options: HttpOptions) -> list[str]:
    """Return what the server is called on this machine, with any port."""
    names = {options.host_name.lower()}
    if is_loopback(options.host) or options.host in {"0.0.0.0", "::"}:  # noqa: S104
        names |= {"127.0.0.1", "localhost", "[::1]"}
    return [f"{name}:*" for name in sorted(names)]


def _pattern(names: Iterable[str]) -> re.Pattern[str]:
    """Return what matches the names, in which a port may be `*`."""
    forms = (
        f"{re.escape(name.removesuffix(':*'))}(?::[0-9]{{1,5}})?"
        if name.endswith(":*")
        else re.escape(name)
        for name in names
    )
    return re.compile("|".join(forms))
