"""What an OAuth issuer publishes: where its keys are (RFC 8414, OpenID Connect), and the keys."""

import json
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import httpx
from anyio import to_thread

from seedance_mcp import __version__
from seedance_mcp.proxies import read_proxies
from seedance_mcp.setting_values import is_loopback
from seedance_mcp.text import quoted

MAX_DOCUMENT_BYTES = 512 * 1024
"""How long the metadata or the keys may be."""

FETCH_SECONDS = 8.0
"""How long fetching both may take; a caller waits for it."""


class UnusableIssuer(Exception):
    """The issuer does not answer, or not as it should."""


def metadata_urls(issuer: str) -> Iterator[str]:
    """Yield where the metadata of an issuer may be, in the order of the MCP specification."""
    parts = urlsplit(issuer)
    origin = f"{parts.scheme}://{parts.netloc}"
    path = parts.path.rstrip("/")
    yield f"{origin}/.well-known/oauth-authorization-server{path}"
    yield f"{origin}/.well-known/openid-configuration{path}"
    if path:
        yield f"{origin}{path}/.well-known/openid-configuration"


async def fetch_keys(issuer: str) -> list[dict[str, Any]]:
    """Return the keys of an issuer, as JWKs.

    Raises:
        UnusableIssuer: It does not answer in time, or not as it should.
    """
    try:
        with anyio.fail_after(FETCH_SECONDS):
            async with await _client(issuer) as http:
                uri = await _find_keys(http, issuer)
                document = await _get(http, uri)
    except (httpx.HTTPError, httpx.InvalidURL, ImportError, OSError, ValueError) as error:
        # What httpx says of a URL may be a part of a proxy's password.
        raise UnusableIssuer(type(error).__name__) from error
    keys = document.get("keys")
    if not isinstance(keys, list):
        raise UnusableIssuer(f"{quoted(uri, 200)} holds no keys")
    return [key for key in cast("list[Any]", keys) if isinstance(key, dict)]


async def _client(issuer: str) -> httpx.AsyncClient:
    headers = {
        "User-Agent": f"seedance-mcp/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }
    if urlsplit(issuer).scheme == "http":
        return httpx.AsyncClient(headers=headers, trust_env=False, verify=False)  # noqa: S501 - plain http to this machine
    certificates = await to_thread.run_sync(httpx.create_ssl_context, abandon_on_cancel=True)
    mounts = read_proxies().mounts(certificates)
    return httpx.AsyncClient(headers=headers, trust_env=False, verify=certificates, mounts=mounts)


async def _find_keys(http: httpx.AsyncClient, issuer: str) -> str:
    problems: list[str] = []
    for url in metadata_urls(issuer):
        metadata = await _get(http, url)
        named, uri = metadata.get("issuer"), metadata.get("jwks_uri")
        if named is None:
            problems.append(f"{url} is no metadata")
        elif named != issuer:
            problems.append(f"{url} is of the issuer {quoted(str(named), 200)}")
        elif not isinstance(uri, str) or not _is_safe(uri, issuer):
            problems.append(f"{url} names no https URL of keys")
        else:
            return uri
    raise UnusableIssuer("; ".join(problems))


def _is_safe(url: str, issuer: str) -> bool:
    """Return whether keys from a URL are those of the issuer: read over TLS, or as it is itself."""
    parts = urlsplit(url)
    if parts.scheme == "http":
        return urlsplit(issuer).scheme == "http" and is_loopback(parts.hostname)
    return parts.scheme == "https" and bool(parts.hostname)


async def _get(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """Return the JSON object that a URL has, an empty one where it has something else.

    Redirects are not followed: they could lead anywhere.
    """
    body = bytearray()
    async with http.stream("GET", url) as answer:
        # Some issuers have their pages at every path, or errors at those that they do not know.
        if answer.status_code != 200:
            return {}
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > MAX_DOCUMENT_BYTES:
                raise UnusableIssuer(f"{url} is longer than {MAX_DOCUMENT_BYTES} bytes")
    try:
        document = json.loads(bytes(body))
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}
