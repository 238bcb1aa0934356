"""Writes the parts of the pages that say what the program says: `python -m docs.generate`.

A part lies between two comments, `<!-- generated: NAME -->` and `<!-- end -->`. A test fails where
one is not as the program would write it.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from .parts.clients import clients
from .parts.deep_links import app_links, page_links
from .parts.errors import errors
from .parts.limits import limits
from .parts.rules import owed, states
from .parts.settings import hosting_settings, settings
from .parts.tools import file_rules, tools

ROOT = Path(__file__).parent.parent
PARTS: Mapping[str, Callable[[], str]] = {
    "clients": clients,
    "links": page_links,
    "links of apps": app_links,
    "errors": errors,
    "states": states,
    "owed": owed,
    "limits": limits,
    "settings": settings,
    "hosting settings": hosting_settings,
    "tools": tools,
    "file rules": file_rules,
}
MARKED = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> list[Path]:
    """Return the pages that may have generated parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def generated(text: str) -> str:
    """Return a page with its generated parts as they should be."""
    return MARKED.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}", text)


def main() -> None:
    """Write the parts of every page, and print which have changed."""
    for page in pages():
        old = page.read_text("utf-8")
        new = generated(old)
        if new != old:
            page.write_text(new, "utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
