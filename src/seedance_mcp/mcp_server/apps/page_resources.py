"""The pages as resources: anyone may read them, without a token, the service or the ledger."""

import re
from functools import cache

import mcp_types as types

from seedance_mcp.models.model import JSONObject

from .declared import PAGE_TYPE
from .pages import AppPage, PageName, clip_origins, read_page

FRESH_MS = 24 * 60 * 60 * 1000
"""How long a client may keep a page that it read by its current URI, which names the content."""

_URI = re.compile(r"ui://seedance/(player|gallery)-[0-9a-z]{1,64}\.html", re.ASCII)

_DESCRIPTIONS: dict[PageName, str] = {
    "player": "Shows a clip in the chat, from the request until it plays.",
    "gallery": "Shows the clips that were made, with what they cost.",
}


class Pages:
    """The pages of a server, each read from the package when it is first needed.

    Args:
        api_url: Where RunComfy is; a simulator also serves the clips there.
    """

    def __init__(self, api_url: str) -> None:
        self._origins = clip_origins(api_url)
        self._read = cache(read_page)

    def page(self, name: PageName) -> AppPage:
        """Return a page as it is now."""
        return self._read(name, self._origins)

    def find(self, uri: str) -> AppPage | None:
        """Return the page that a URI means, None if it means none.

        The URI may be that of an older version: a chat that is opened again has what its tools were
        listed with then, and must still show its clip.
        """
        match = _URI.fullmatch(uri)
        if match is None:
            return None
        return self.page("player" if match[1] == "player" else "gallery")

    def list(self) -> list[types.Resource]:
        """Return the pages as resources."""
        return [
            types.Resource(
                uri=self.page(name).uri,
                name=name,
                title=name.capitalize(),
                description=description,
                mime_type=PAGE_TYPE,
                _meta=_meta(self.page(name)),
            )
            for name, description in _DESCRIPTIONS.items()
        ]


def read(page: AppPage, uri: str) -> types.ReadResourceResult:
    """Return a page as the content of a URI that means it."""
    content = types.TextResourceContents(
        uri=uri, mime_type=PAGE_TYPE, text=page.html, _meta=_meta(page)
    )
    # Under an older URI there may be another page after the next update.
    fresh = FRESH_MS if uri == page.uri else 0
    return types.ReadResourceResult(contents=[content], ttl_ms=fresh, cache_scope="public")


def _meta(page: AppPage) -> JSONObject:
    """Return what a host must know to show a page; a `domain` is left out: each host has its own.

    The page loads clips and nothing else, and connects to nothing.
    """
    csp = {"connectDomains": [], "resourceDomains": [*page.origins]}
    return {"ui": {"csp": csp, "prefersBorder": True}}
