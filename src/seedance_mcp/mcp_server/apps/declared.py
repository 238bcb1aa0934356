"""Whether a client shows pages of MCP Apps, and the extension's names in the protocol."""

from collections.abc import Mapping
from typing import Any

from mcp.server.context import ServerRequestContext

APPS = "io.modelcontextprotocol/ui"
"""The extension's identifier."""

PAGE_TYPE = "text/html;profile=mcp-app"
"""The media type of a page; a client that shows pages names it."""


def shows_apps(context: ServerRequestContext[Any, Any]) -> bool:
    """Return whether the client of a request declares that it shows pages.

    Some show them without declaring it, and are answered as those that show text alone.
    """
    capabilities = context.session.client_capabilities
    return capabilities is not None and declares_apps(capabilities.extensions)


def declares_apps(extensions: Mapping[str, Mapping[str, Any]] | None) -> bool:
    """Return whether a client's extensions say that it shows pages, as the SDK decides it.

    The SDK's own function is in a module that takes a start two milliseconds.
    """
    media_types: object = (extensions or {}).get(APPS, {}).get("mimeTypes")
    return isinstance(media_types, list) and PAGE_TYPE in media_types
