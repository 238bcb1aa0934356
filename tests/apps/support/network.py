"""The network of a browser: the host's page, the apps' pages, and the storage; nothing else."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Route

from seedance_mcp.mcp_server.apps.pages import STORAGE_ORIGIN

HOST = "https://host.test/"
APPS = "https://app.test"
CLIP = f"{STORAGE_ORIGIN}/clip.mp4"
EXPIRED = f"{STORAGE_ORIGIN}/expired.mp4"
UNPLAYABLE = f"{STORAGE_ORIGIN}/unplayable.mp4"

_HOST_PAGE = Path(__file__).with_name("host.html")


@dataclass(kw_only=True)
class Network:
    """What answers every request of a browser's context.

    Attributes:
        files: What is at URLs: bytes with support for ranges, or the status of a refusal.
        passes: Origins that are asked for real, such as that of a simulator.
        requested: Every URL that was asked for, but for the pages of the host and the apps.
    """

    files: Mapping[str, bytes | int]
    passes: Sequence[str] = ()
    requested: list[str] = field(default_factory=list[str])
    _pages: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])

    def join(self, context: BrowserContext) -> None:
        """Answer the requests of a context."""
        context.route("**/*", self._answer)

    def add_page(self, html: str, policy: str) -> str:
        """Return the URL of an app's page."""
        url = f"{APPS}/{len(self._pages) + 1}"
        self._pages[url] = (html, policy)
        return url

    def _answer(self, route: Route) -> None:
        url = route.request.url
        if url == HOST:
            route.fulfill(body=_HOST_PAGE.read_text("utf-8"), content_type="text/html")
        elif url in self._pages:
            html, policy = self._pages[url]
            headers = {"Content-Type": "text/html", "Content-Security-Policy": policy}
            route.fulfill(body=html, headers=headers)
        else:
            self.requested.append(url)
            if _origin(url) in self.passes:
                # Fetched here, since a page of a public host may not ask this machine.
                route.fulfill(response=route.fetch())
            else:
                self._answer_file(route, self.files.get(url, 404))

    def _answer_file(self, route: Route, content: bytes | int) -> None:
        if isinstance(content, int):
            route.fulfill(status=content)
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", route.request.headers.get("range", ""))
        start = int(found[1]) if found else 0
        end = min(int(found[2]) if found and found[2] else len(content), len(content) - 1)
        headers = {
            "Content-Type": "video/mp4",
            "Accept-Ranges": "bytes",
            "Content-Range": f"bytes {start}-{end}/{len(content)}",
        }
        route.fulfill(status=206, headers=headers, body=content[start : end + 1])

    def asked_origins(self) -> set[str]:
        """Return the origins that something was asked for from, besides host and app."""
        return {_origin(url) for url in self.requested if not url.startswith(("data:", "blob:"))}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
