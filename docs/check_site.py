"""Checks a built site: no link is dead, and a page loads nothing from elsewhere.

`make docs` runs it: `python -m docs.check_site .site`.
"""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
"""The elements that load something, and the attribute that says what."""


class Page(HTMLParser):
    """What a page links to and loads, and the anchors that it has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element links to or loads."""
        values = {name: value for name, value in attrs if value}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif values.get(LOADED.get(tag, "")):
            self.loaded.append(values[LOADED[tag]])


def faults(site: Path) -> Iterator[str]:
    """Yield what is wrong with a site, one line for each link."""
    site = site.resolve()
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for url in (*page.links, *page.loaded):
            parts = urlsplit(url)
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc:
                if url in page.loaded:
                    yield f"{path.relative_to(site)} loads {url} from elsewhere"
                continue
            target = path.parent / unquote(parts.path) if parts.path else path
            found = pages.get(target.resolve())
            if not target.is_file():
                yield f"{path.relative_to(site)} links to {url}, which does not exist"
            elif found and parts.fragment and unquote(parts.fragment) not in found.anchors:
                yield f"{path.relative_to(site)} links to {url}, which has no such heading"


if __name__ == "__main__":
    found = list(faults(Path(sys.argv[1])))
    sys.exit("\n".join(found) if found else None)
