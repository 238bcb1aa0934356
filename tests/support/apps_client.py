"""What a client declares that shows pages of MCP Apps."""

from typing import Any

from mcp.client.extension import ClientExtension, advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID

SETTINGS: dict[str, Any] = {"mimeTypes": [APP_MIME_TYPE]}

CAPABILITIES: dict[str, Any] = {"extensions": {EXTENSION_ID: SETTINGS}}
"""The client's, as JSON."""

JOB_META = "seedance-mcp/job"
"""What a result has in `_meta` for the player."""


def apps() -> ClientExtension:
    """Return an extension of the SDK's client that says that it shows pages."""
    return advertise(EXTENSION_ID, SETTINGS)
