"""A host of MCP Apps in Chromium, made for these tests.

Its page shows apps in frames, under the policy and the sandbox of a real host. It records every
message, and has Python answer what apps ask for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

from playwright.sync_api import ConsoleMessage, Error, Page

from seedance_mcp.mcp_server.apps.pages import STORAGE_ORIGIN, AppPage

from .app import Answer, App, Held, Json, Refused
from .network import HOST, Network
from .policies import SANDBOXES, HostName, policy

CAPABILITIES: Json = {
    "openLinks": {},
    "downloadFile": {},
    "serverTools": {},
    "serverResources": {},
    "logging": {},
    "updateModelContext": {"text": {}},
    "message": {"text": {}},
}
"""What a host that can do everything says that it can."""


class Shown(TypedDict, total=False):
    """How a host shows an app.

    Attributes:
        arguments: The tool's arguments, sent after the handshake; without them, none are.
        result: The tool's result, sent after the arguments; without it, none is.
        tools: What answers `tools/call`, by the tool's name.
        resources: Takes a URI, and returns the result of `resources/read`.
        answers: What answers other requests, by method.
        capabilities: The `hostCapabilities`, by default all.
        context: What differs in the `hostContext`.
        sandbox: The frame's sandbox, by default that of the host.
        answers_handshake: Whether the host answers `ui/initialize`.
        fits: Whether the frame always has the height that its app says. Then a click may be lost.
    """

    arguments: Json
    result: Json
    tools: Mapping[str, Answer]
    resources: Callable[[str], Json]
    answers: Mapping[str, Answer]
    capabilities: Json
    context: Json
    sandbox: str
    answers_handshake: bool
    fits: bool


@dataclass(kw_only=True)
class Host:
    """A host's page, and the apps that it shows.

    Attributes:
        page: The page in Chromium.
        network: What answers its requests.
        csp: The host whose policy and sandbox the apps get.
        context: The `hostContext` of apps.
        complaints: What the console said as warnings and errors, such as a violated policy, and
            uncaught exceptions.
    """

    page: Page
    network: Network
    csp: HostName
    context: Json
    complaints: list[str] = field(default_factory=list[str])
    _apps: list[App] = field(default_factory=list[App])

    def open(self) -> None:
        """Open the host's page."""
        self.page.on("console", self._take_console)
        self.page.on("pageerror", self._take_error)
        self.page.expose_function("fromPython", self._answer)
        self.page.goto(HOST)

    def show(self, app_page: AppPage | str, **options: Unpack[Shown]) -> App:
        """Show one more app, a page or its HTML, and wait until its script has run."""
        whole = not isinstance(app_page, str)
        html, origins = (
            (app_page.html, app_page.origins) if whole else (app_page, (STORAGE_ORIGIN,))
        )
        app = App(
            host=self,
            index=len(self._apps),
            tools=dict(options.get("tools", {})),
            resources=options.get("resources"),
            answers=dict(options.get("answers", {})),
        )
        self._apps.append(app)
        shown = {
            "url": self.network.add_page(html, policy(self.csp, origins)),
            "sandbox": options.get("sandbox", SANDBOXES[self.csp]),
            "capabilities": options.get("capabilities", CAPABILITIES),
            "context": self.context | options.get("context", {}),
            "answersHandshake": options.get("answers_handshake", True),
            "fits": options.get("fits", False),
            "first": _first_messages(options.get("arguments"), options.get("result")),
        }
        self.page.evaluate("options => show(options)", shown)
        app.wait_for("ui/initialize")
        return app

    def _answer(self, index: int, message: Json) -> Json | None:
        try:
            result = self._apps[index].result_of(message["method"], message.get("params") or {})
        except Refused as refused:
            return {"error": {"code": refused.code, "message": str(refused)}}
        return None if isinstance(result, Held) else {"result": result}

    def _take_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _take_error(self, error: Error) -> None:
        self.complaints.append(str(error))


def _first_messages(arguments: Json | None, result: Json | None) -> list[Json]:
    given = "ui/notifications/tool-input"
    messages: list[Json] = []
    if arguments is not None:
        messages.append({"method": given, "params": {"arguments": arguments}})
    if result is not None:
        messages.append({"method": "ui/notifications/tool-result", "params": result})
    return messages
