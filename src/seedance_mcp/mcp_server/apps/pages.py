"""The pages of MCP Apps, put together from the files beside this one.

A page is one file with everything in it, since a host runs it in a frame without an origin. What
both pages share stands in `host.js` and `theme.css`, which take the places of comments with their
names. Indentation, lines that are only a comment, and needless space stay behind: they are for
those who read these files, and hosts load a page anew for every call.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from typing import Literal
from urllib.parse import urlsplit

from seedance_mcp.setting_values import is_loopback

STORAGE_ORIGIN = "https://playgrounds-storage-public.runcomfy.net"
"""Where RunComfy keeps what jobs made (client, seen)."""

PageName = Literal["player", "gallery"]

SHARED = ("theme.css", "host.js")

COMMENT = re.compile(r"|//.*|/\*.*\*/")
"""Lines that a browser needs not: empty ones too."""

STYLE_SPACE = re.compile(r"\s*([{};,])\s*|(?<=:) ")
"""Space that a style sheet needs not."""

SCRIPT_SPACE = re.compile(
    r"(?<=[;{,(\[])\n|\n(?=[})\]])| (?==>)|(?<==>) |(?<=\)) (?=\{)|(?<=\bif) (?=\()"
)
"""Space that a script needs not, as long as no comment stands behind code."""

BLOCKS = re.compile(r"(?<=<style>)|(?=</style>)|(?<=<script>)|(?=</script>)")

HASH_CHARACTERS = 12


@dataclass(frozen=True, kw_only=True)
class AppPage:
    """A page, and the origins that it may load clips from.

    Attributes:
        name: What it shows.
        html: The page in full.
        origins: Such as "https://example.com"; nothing else may be loaded from anywhere.
    """

    name: PageName
    html: str
    origins: tuple[str, ...]

    @cached_property
    def uri(self) -> str:
        """Its URI, which changes with all that hosts may keep of it."""
        content = "\n".join([self.html, *self.origins])
        digest = sha256(content.encode()).hexdigest()[:HASH_CHARACTERS]
        return f"ui://seedance/{self.name}-{digest}.html"


def clip_origins(api_url: str) -> tuple[str, ...]:
    """Return the origins of clips: RunComfy's storage, and that of a simulator."""
    parts = urlsplit(api_url)
    if is_loopback(parts.hostname):
        return STORAGE_ORIGIN, f"{parts.scheme}://{parts.netloc}"
    return (STORAGE_ORIGIN,)


def read_page(name: PageName, origins: tuple[str, ...]) -> AppPage:
    """Return a page that may load clips from some origins."""
    folder = files(__package__ or __name__)
    html = folder.joinpath(f"{name}.html").read_text("utf-8")
    for shared in SHARED:
        html = html.replace(f"/* {shared} */", folder.joinpath(shared).read_text("utf-8"))
    return AppPage(name=name, html=_compact(html), origins=origins)


def _compact(html: str) -> str:
    lines = (line.strip() for line in html.splitlines())
    short = "\n".join(line for line in lines if not COMMENT.fullmatch(line))
    before, style, between, script, after = BLOCKS.split(short)
    style, script = STYLE_SPACE.sub(r"\1", style), SCRIPT_SPACE.sub("", script)
    return f"{before}{style}{between}{script}{after}"
