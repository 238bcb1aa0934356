"""The clients that the server can be installed in."""

from collections.abc import Mapping
from types import MappingProxyType

from .client import Client
from .clients import (
    claude_code,
    claude_desktop,
    cline,
    codex,
    cursor,
    devin,
    gemini,
    goose,
    lm_studio,
    opencode,
    vscode,
    windsurf,
    zed,
)

CLIENTS: Mapping[str, Client] = MappingProxyType(
    {
        module.CLIENT.id: module.CLIENT
        for module in (
            claude_desktop,
            claude_code,
            cursor,
            vscode,
            codex,
            gemini,
            zed,
            windsurf,
            devin,
            cline,
            goose,
            opencode,
            lm_studio,
        )
    }
)
"""By what the command line calls them, in the order in which they are listed."""
