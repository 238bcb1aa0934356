"""Opens the gallery in the person's browser, without its key in any list of processes.

A browser is started with what it is to open among its arguments, which others on a machine can
read. So it opens a file that only this person can read, and that leads on to the page.
"""

import os
import webbrowser
from collections.abc import Generator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

TEXT_BROWSERS = {"www-browser", "links", "elinks", "lynx", "w3m"}
"""They would take over the terminal, and play no clip."""


@contextmanager
def file_that_leads_to(url: str) -> Generator[Path, None, None]:
    """Yield a file for this person only that leads a browser to a URL, and remove it."""
    link = escape(url)
    html = (
        '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="refresh" content="0; url={link}"><title>Gallery</title>'
        f'<a href="{link}">Gallery</a>\n'
    )
    with TemporaryDirectory(prefix="seedance-gallery-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "gallery.html"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(html)
        yield path


def open_file(path: Path) -> bool:
    """Open a file in the person's browser, and return whether there is one; it may block."""
    try:
        browser = webbrowser.get()
        named = Path(getattr(browser, "name", None) or "").name
        return named not in TEXT_BROWSERS and browser.open(path.as_uri())
    except (webbrowser.Error, OSError):
        return False
