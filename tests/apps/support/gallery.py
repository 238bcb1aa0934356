"""The gallery in a browser: in the chat, and served as the command serves it."""

from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Unpack
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Frame, Locator, Page, Route, expect

from seedance_mcp.mcp_server.apps.pages import STORAGE_ORIGIN, read_page

from .app import SHOTS, App
from .clips import Clips
from .host import Shown
from .network import CLIP
from .opener import SECONDS, OpenedApp, Opener

GALLERY = read_page("gallery", (STORAGE_ORIGIN,))
COMMAND = "http://127.0.0.1:8080/key/"


def command_policy() -> str:
    """Return a policy like that of the command: no script or style but those of the page."""
    hashes = {name: _hash_of_block(name) for name in ("script", "style")}
    return (
        f"default-src 'none'; script-src '{hashes['script']}'; style-src '{hashes['style']}';"
        f" img-src 'self'; media-src 'self' {STORAGE_ORIGIN}; connect-src 'self';"
        " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


def _hash_of_block(name: str) -> str:
    block = GALLERY.html.split(f"<{name}>")[1].split(f"</{name}>")[0]
    return f"sha256-{b64encode(sha256(block.encode()).digest()).decode()}"


def listing(clips: Clips) -> Shown:
    """Return how a host shows the gallery after `list_jobs` was called."""
    return {
        "arguments": {},
        "result": clips.result(),
        "resources": clips.read,
        "tools": {"list_jobs": clips.list_jobs},
    }


def in_chat(open_app: Opener, clips: Clips, **options: Unpack[OpenedApp]) -> App:
    """Show the gallery in a chat, after `list_jobs` was called there."""
    shown: OpenedApp = {**listing(clips), **options}
    app = open_app(GALLERY, **shown)
    app.wait_for("ui/notifications/initialized")
    return app


def cards(page: Page | Frame) -> Locator:
    """Return the cards of the gallery."""
    return page.locator(".card:not(.blank)")


def wait_for_cards(page: Page | Frame, count: int) -> None:
    """Wait until the gallery has so many cards."""
    expect(cards(page)).to_have_count(count)


@dataclass(kw_only=True)
class Command:
    """What `seedance-mcp gallery` serves, at the URL that it prints.

    Attributes:
        page: The page, as a person has it.
        requested: The URLs that were asked for, but for the page itself.
        complaints: What the console said as errors, and uncaught exceptions.
        failure: What the command answers instead of data.
    """

    page: Page
    clips: Clips
    files: dict[str, bytes | int]
    requested: list[str] = field(default_factory=list[str])
    complaints: list[str] = field(default_factory=list[str])
    failure: str | None = None

    def open(self) -> None:
        """Open the page."""
        self.page.route("**/*", self._answer)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text) if message.type == "error" else None
            ),
        )
        self.page.goto(COMMAND)

    def screenshot(self, name: str) -> None:
        """Keep a picture of the page among the artefacts."""
        self.page.screenshot(path=SHOTS / f"{name}.png", animations="disabled")

    def _answer(self, route: Route) -> None:
        url = route.request.url
        if url == COMMAND:
            headers = {"Content-Type": "text/html", "Content-Security-Policy": command_policy()}
            route.fulfill(body=GALLERY.html, headers=headers)
            return
        self.requested.append(url.removeprefix(COMMAND))
        if url.startswith(f"{COMMAND}data?"):
            data = self.clips.data(urlsplit(url).query)
            failed = {"error": self.failure}
            route.fulfill(status=503, json=failed) if self.failure else route.fulfill(json=data)
            return
        content = self.files.get(url.removeprefix(COMMAND), 404)
        if isinstance(content, int):
            route.fulfill(status=content)
            return
        kind = "image/jpeg" if "/poster/" in url else "video/mp4"
        whole = f"bytes 0-{len(content) - 1}/{len(content)}"
        headers = {"Content-Type": kind, "Accept-Ranges": "bytes", "Content-Range": whole}
        route.fulfill(status=206 if kind == "video/mp4" else 200, headers=headers, body=content)


def from_command(browser: Browser, clip: bytes, clips: Clips, **options: Any) -> Command:
    """Open the gallery as the command serves it."""
    files = options.pop("files", {})
    width = options.pop("width", 1200)
    fake_time = options.pop("fake_time", False)
    context = browser.new_context(
        viewport={"width": width, "height": 900}, locale="en-US", timezone_id="UTC", **options
    )
    context.set_default_timeout(SECONDS * 1000)
    page = context.new_page()
    if fake_time:
        page.clock.install()
    command = Command(page=page, clips=clips, files={CLIP: clip, **files})
    command.open()
    return command
