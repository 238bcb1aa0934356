"""The metadata of a protected resource (RFC 9728): which issuer a client gets its tokens from."""

import re
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from seedance_mcp.setting_values import is_loopback

from ._refusals import ALL_SCOPES

WELL_KNOWN = "/.well-known/"
METADATA_PATH = f"{WELL_KNOWN}oauth-protected-resource"

_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?", re.ASCII)


class Metadata:
    """What clients need to know to get a token for this server.

    Args:
        issuer: Its URL, byte for byte: clients compare it with what the issuer says of itself.
        audience: The resource, if it is a URL; else the URL of a request is.
        path: Where the server answers.
    """

    def __init__(self, issuer: str, audience: str, path: str) -> None:
        self._issuer = issuer
        parts = urlsplit(audience)
        self._resource = audience if parts.scheme in {"https", "http"} and parts.netloc else None
        self._path = path.rstrip("/")
        own = parts.path.rstrip("/") if self._resource else self._path
        self._paths = {f"{METADATA_PATH}{each}" for each in ("", "/", self._path, own)}

    def is_at(self, path: str) -> bool:
        """Return whether a path is one of the metadata: the resource's own, or the root's."""
        return path in self._paths

    def url(self, scope: Scope) -> str:
        """Return the URL of the metadata, as a client reaches it."""
        parts = urlsplit(self._resource_of(scope))
        return f"{parts.scheme}://{parts.netloc}{METADATA_PATH}{parts.path.rstrip('/')}"

    def answer(self, scope: Scope) -> Response:
        """Return the answer to a request for it."""
        if scope["method"] not in {"GET", "HEAD"}:
            return Response(status_code=405, headers={"Allow": "GET, HEAD"})
        document: dict[str, Any] = {
            "resource": self._resource_of(scope),
            "authorization_servers": [self._issuer],
            "scopes_supported": list(ALL_SCOPES),
            "bearer_methods_supported": ["header"],
            "resource_name": "Seedance video",
        }
        # Without a URL as the audience, it depends on the header Host.
        kept = "max-age=3600" if self._resource else "no-store"
        return JSONResponse(document, headers={"Cache-Control": kept})

    def _resource_of(self, scope: Scope) -> str:
        if self._resource:
            return self._resource
        host = Headers(scope=scope).get("host", "")
        match = _HOST.fullmatch(host)
        host, name = (host, match[1].strip("[]")) if match else ("localhost", "localhost")
        # What others reach is behind a proxy, which ends TLS.
        scheme = "http" if is_loopback(name) else "https"
        return f"{scheme}://{host}{self._path}"
