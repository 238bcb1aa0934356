"""A page in Chromium that uses the server from another origin, in both eras: `make browse`.

The page has a bearer token, and calls the server with plain `fetch`. Chromium takes every name for
this machine.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import urlencode, urlsplit

from .chromium import PageHandler, find_chromium, opened, served
from .common import LOGS, SEEDANCE_MCP, exit_on_signals, say, settings, started, without_settings
from .inspector import TOKEN, TOOLS, image_url, simulator

SECONDS = 60.0
"""How long a page may take, which makes a clip of half a second."""

APP, OTHER_APP, SERVER = "app.example.com", "other.example.org", "clips.example.net"
ERAS = ("2025-11-25", "2026-07-28")
PAGE = Path(__file__).with_name("browsing.html")


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A page that is opened, and the server that it shall use.

    Attributes:
        chromium: The path of Chromium.
        page_port: The port that the page is from.
        url: The server's URL.
        image: The URL of an image.
        token: The page's access token.
        profiles: A folder for Chromium's profiles.
        reports: Where the reports of pages come in.
    """

    chromium: str
    page_port: int
    url: str
    image: str
    token: str
    profiles: Path
    reports: "Queue[dict[str, Any]]"

    def report(self, app: str, era: str, token: str | None = None) -> dict[str, Any]:
        """Open the page as an app in an era, and return its report."""
        given = {"url": self.url, "image": self.image, "era": era, "token": token or self.token}
        address = f"http://{app}:{self.page_port}/?{urlencode(given)}"
        names = ", ".join(f"MAP {name} 127.0.0.1" for name in (APP, OTHER_APP, SERVER))
        profile = self.profiles / f"{app}-{era}"
        with opened(self.chromium, address, profile, f"--host-resolver-rules={names}"):
            return self.reports.get(timeout=SECONDS)


def main() -> None:
    """Open the pages, and exit with 1 if one fails."""
    exit_on_signals()
    chromium = find_chromium()
    reports: Queue[dict[str, Any]] = Queue()
    handler = partial(PageHandler, PAGE.read_text("utf-8"), reports)
    with (
        tempfile.TemporaryDirectory() as folder,
        simulator(folder) as simulated,
        image_url() as image,
        served(handler) as page_port,
        server(folder, simulated, f"http://{APP}:{page_port}") as (url, token),
    ):
        visit = Visit(
            chromium=chromium,
            page_port=page_port,
            url=url,
            image=image,
            token=token,
            profiles=Path(folder, "profiles"),
            reports=reports,
        )
        outcomes = [made(visit, era) for era in ERAS]
        outcomes += [kept_out(visit, OTHER_APP, token), kept_out(visit, APP, "wrong")]
    for outcome in outcomes:
        say(outcome)
    if any(outcome.startswith("FAILED") for outcome in outcomes):
        sys.exit(1)


@contextmanager
def server(folder: str, simulated: str, origin: str) -> Generator[tuple[str, str]]:
    """Run the server for pages of an origin, and yield its public URL and an access token."""
    own = {
        "RUNCOMFY_API_TOKEN": TOKEN,
        "SEEDANCE_ACCESS_TOKENS": str(Path(folder, "access-tokens")),
        # The image is on this machine.
        "SEEDANCE_ALLOW_PRIVATE_URLS": "true",
    }
    env = without_settings(os.environ) | settings(folder, simulated) | own
    new_token = [SEEDANCE_MCP, "token", "new", "a-page"]
    token = subprocess.run(new_token, env=env, check=True, capture_output=True, text=True).stdout
    command = [SEEDANCE_MCP, "serve", "--transport", "http", "--port", "0"]
    command += ["--allowed-host", f"{SERVER}:*", "--allowed-origin", origin]
    with started(command, env=env, log=LOGS / "server-of-a-page.log") as url:
        yield f"http://{SERVER}:{urlsplit(url).port}/mcp", token.strip()


def made(visit: Visit, era: str) -> str:
    """Check that a page lists the tools, and makes a clip whose progress it sees meanwhile."""
    seen = visit.report(APP, era)
    if "error" in seen:
        return f"FAILED {era}: {seen['error']}"
    wrong = [name for name, holds in _expected(seen, era).items() if not holds]
    if wrong:
        return f"FAILED {era}: {', '.join(wrong)}: {seen}"
    return (
        f"ok     {era}: {len(seen['tools'])} tools, a clip, {len(seen['progress'])} reports of"
        f" progress, the first {seen['firstProgressMs']:.0f} ms before the end"
    )


def _expected(seen: Mapping[str, Any], era: str) -> dict[str, bool]:
    return {
        "the tools": set(seen["tools"]) == TOOLS - {"join_clips"},
        "the clip": not seen["isError"] and seen["job"]["status"] == "completed",
        "its URL": str(seen["job"]["video_url"]).startswith("http://127.0.0.1:"),
        "progress": bool(seen["progress"]) and seen["progress"][0].startswith("submitting"),
        # The clip takes half a second, which the first report does not wait for.
        "progress as it comes": seen["firstProgressMs"] > 300,
        "the session": seen["session"] == (era == ERAS[0]),
    }


def kept_out(visit: Visit, app: str, token: str) -> str:
    """Check that a page of a foreign origin, or with a wrong token, reads nothing."""
    seen = visit.report(app, ERAS[1], token)
    foreign = app == OTHER_APP
    expected = (
        "TypeError: Failed to fetch" if foreign else "Error: tools/list was answered with 401"
    )
    right = str(seen.get("error", "")).startswith(expected)
    what = "a foreign origin" if foreign else "a wrong token"
    return f"{'ok    ' if right else 'FAILED'} {what}: {seen.get('error', seen)}"


if __name__ == "__main__":
    main()
