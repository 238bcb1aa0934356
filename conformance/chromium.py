"""Pages in headless Chromium, which report what they found to the server that they are from."""

import json
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any


def find_chromium() -> str:
    """Return the path of Chromium, or end the program."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    return found or sys.exit("Chromium is missing: apt-get install chromium")


@contextmanager
def opened(chromium: str, url: str, profile: Path, *flags: str) -> Generator[None]:
    """Show a page as long as the context lasts."""
    with subprocess.Popen(
        [
            *(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *flags,
            *(f"--user-data-dir={profile}", url),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as browser:
        try:
            yield
        finally:
            browser.terminate()


class PageHandler(BaseHTTPRequestHandler):
    """Serves a page, and takes its report."""

    protocol_version = "HTTP/1.1"

    def __init__(self, page: str, reports: "Queue[dict[str, Any]]", *args: Any) -> None:
        self.page, self.reports = page, reports
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer with the page."""
        if self.path.partition("?")[0] == "/":
            self.answer(200, {"Content-Type": "text/html"}, self.page.encode())
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """Take the report."""
        self.reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(200, {"Content-Type": "text/plain"}, b"")

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answer with a body."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Log nothing."""


@contextmanager
def served(handler: "partial[PageHandler]") -> Generator[int]:
    """Serve on a port of this machine as long as the context lasts, and yield the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
