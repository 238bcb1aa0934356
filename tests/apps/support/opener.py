"""Opens hosts in a browser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict, Unpack, cast

from playwright.sync_api import Browser, BrowserContext

from seedance_mcp.mcp_server.apps.pages import AppPage

from .app import App, Json
from .host import Host, Shown
from .network import Network
from .policies import HostName

SECONDS = 60
"""How long the browser may take for one step, on a busy machine."""


class Opened(TypedDict, total=False):
    """How a host is opened.

    Attributes:
        csp: The host whose policy and sandbox the apps get.
        theme: The host's, and that of the system.
        width: The host's, in pixels.
        locale: Of the person.
        reduced_motion: Whether the person wants less motion.
        styles: The host's style variables.
        fake_time: Whether `App.pass_time` works; until then, time passes as ever.
        files: What is at URLs besides the clip: bytes, or the status of a refusal.
        passes: Origins that are asked for real, such as that of a simulator.
    """

    csp: HostName
    theme: Literal["light", "dark"]
    width: int
    locale: str
    reduced_motion: bool
    styles: Json
    fake_time: bool
    files: Mapping[str, bytes | int]
    passes: Sequence[str]


class OpenedApp(Opened, Shown, total=False):
    """How a host is opened that shows one app."""


@dataclass(kw_only=True)
class Opener:
    """Opens hosts in a browser.

    Attributes:
        browser: The browser.
        files: What is at URLs.
    """

    browser: Browser
    files: Mapping[str, bytes | int]
    contexts: list[BrowserContext] = field(default_factory=list[BrowserContext])

    def __call__(self, app_page: AppPage | str, **options: Unpack[OpenedApp]) -> App:
        """Open a host that shows an app."""
        given = dict(options)
        opened = {name: given.pop(name) for name in Opened.__annotations__ if name in given}
        return self.host(**cast("Opened", opened)).show(app_page, **cast("Shown", given))

    def host(self, **options: Unpack[Opened]) -> Host:
        """Open a host that shows nothing yet."""
        theme, width = options.get("theme", "light"), options.get("width", 640)
        context = self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            locale=options.get("locale", "en-US"),
            reduced_motion="reduce" if options.get("reduced_motion") else "no-preference",
            timezone_id="UTC",
        )
        self.contexts.append(context)
        context.set_default_timeout(SECONDS * 1000)
        files = {**self.files, **options.get("files", {})}
        network = Network(files=files, passes=options.get("passes", ()))
        network.join(context)
        page = context.new_page()
        if options.get("fake_time"):
            page.clock.install()
        host = Host(
            page=page,
            network=network,
            csp=options.get("csp", "spec"),
            context=_host_context(theme, width, options),
        )
        host.open()
        return host


def _host_context(theme: str, width: int, options: Opened) -> Json:
    context: Json = {
        "theme": theme,
        "displayMode": "inline",
        "availableDisplayModes": ["inline"],
        "containerDimensions": {"width": width, "maxHeight": 6000},
        "locale": options.get("locale", "en-US"),
        "timeZone": "UTC",
        "userAgent": "the tests' host",
        "platform": "web",
    }
    if "styles" in options:
        context["styles"] = {"variables": options["styles"]}
    return context
