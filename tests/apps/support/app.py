"""An app in a frame of the host's page: what it sent, and what is sent to it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Frame, Locator

from tests.support.timeouts import TIMEOUT_SECONDS

from .accessibility import violations

if TYPE_CHECKING:
    from .host import Host

Json = dict[str, Any]
Answer = Callable[[Json], "Json | Held"]
"""Takes the arguments of a call, and returns its result; it may raise `Refused`."""

SHOTS = Path(__file__).parents[3] / ".apps-shots"
TALLEST = 8000
"""How many pixels of a page a picture shows at most."""

_ANSWERED = {
    "ping": {},
    "ui/open-link": {},
    "ui/download-file": {},
    "ui/message": {},
    "ui/update-model-context": {},
    "ui/request-display-mode": {"mode": "inline"},
}

_UNTIL = """(async () => {
  const last = Date.now() + %(seconds)d * 1000;
  while (!(%(condition)s)) {
    if (Date.now() > last) throw new Error("It did not become true.");
    await new Promise((done) => setTimeout(done, 10));
  }
})()"""


class Held:
    """An answer that the test gives later, with `App.answer`."""


HELD = Held()


class Refused(Exception):
    """What the host refuses: the app gets a JSON-RPC error."""

    def __init__(self, message: str, code: int = -32603) -> None:
        super().__init__(message)
        self.code = code


def in_turn(*answers: "Json | Held") -> Answer:
    """Return what answers each call with the next result, and further ones with the last."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


@dataclass(kw_only=True)
class App:
    """An app in a frame.

    Attributes:
        host: The host that shows it.
        index: Its number there, from 0.
        tools: What answers `tools/call`, by the tool's name; a test may change it.
        resources: What answers `resources/read`.
        answers: What answers other requests, by method.
    """

    host: "Host"
    index: int
    tools: dict[str, Answer]
    resources: Callable[[str], Json] | None
    answers: dict[str, Answer]

    @property
    def frame(self) -> Frame:
        """The app's frame."""
        frame = self.element.element_handle().content_frame()
        assert frame
        return frame

    @property
    def element(self) -> Locator:
        """The element of the frame in the host's page."""
        return self.host.page.locator("iframe").nth(self.index)

    def pass_time(self, seconds: float) -> None:
        """Let seconds pass at once, in which every timer fires, under a host with `fake_time`."""
        self.host.page.clock.run_for(seconds * 1000)

    def now(self) -> float:
        """Return the page's time in seconds, which also goes on by itself."""
        return self.frame.evaluate("Date.now()") / 1000

    def result_of(self, method: str, params: Json) -> "Json | Held":
        """Return the result of a request of the app, or raise `Refused`."""
        if method == "tools/call" and params["name"] in self.tools:
            return self.tools[params["name"]](params.get("arguments") or {})
        if method == "resources/read" and self.resources:
            return self.resources(params["uri"])
        if method in self.answers:
            return self.answers[method](params)
        if method in _ANSWERED:
            return _ANSWERED[method]
        raise Refused(f"{method} is not answered here.", -32601)

    def sent(self, method: str) -> list[Json]:
        """Return the params of every message of a method that the app has sent so far."""
        return self._read(
            "(app, method) => app.messages.filter(each => each.method === method)"
            ".map(each => each.params ?? {})",
            method,
        )

    def methods(self) -> list[str]:
        """Return the method of every message that the app has sent so far."""
        return self._read("app => app.messages.map(each => each.method).filter(Boolean)")

    def calls(self, tool: str | None = None) -> list[Json]:
        """Return the arguments of every call of a tool so far, or those of all tools."""
        called = self.sent("tools/call")
        return [each.get("arguments") or {} for each in called if tool in {None, each["name"]}]

    def wait_for(self, method: str, count: int = 1) -> list[Json]:
        """Wait until the app has sent so many messages of a method, and return their params."""
        self.host.page.wait_for_function(
            "([index, method, count]) =>"
            " apps[index].messages.filter(each => each.method === method).length >= count",
            arg=[self.index, method, count],
        )
        return self.sent(method)

    def wait_until(self, condition: str) -> None:
        """Wait until an expression is true in the app's page.

        Its policy forbids `wait_for_function`, which compiles the expression at each look.
        """
        self.frame.evaluate(_UNTIL % {"condition": condition, "seconds": TIMEOUT_SECONDS})

    def send(self, method: str, params: Json) -> None:
        """Send a notification to the app."""
        message = {"method": method, "params": params}
        self._read("(app, message) => send(app, message)", message)

    def send_arguments(self, arguments: Json, *, partial: bool = False) -> None:
        """Send the tool's arguments, or those that have been written so far."""
        name = "tool-input-partial" if partial else "tool-input"
        self.send(f"ui/notifications/{name}", {"arguments": arguments})

    def send_result(self, result: Json) -> None:
        """Send the tool's result."""
        self.send("ui/notifications/tool-result", result)

    def send_cancelled(self, reason: str | None = None) -> None:
        """Say that the tool's call was cancelled."""
        self.send("ui/notifications/tool-cancelled", {"reason": reason} if reason else {})

    def change_context(self, **changed: Any) -> None:
        """Say that something in the `hostContext` is different now."""
        self.send("ui/notifications/host-context-changed", changed)

    def ask(self, method: str, params: Json | None = None) -> Json:
        """Send a request to the app, such as `ui/resource-teardown`, and return its reply."""
        asked: str = self._read(
            "(app, [method, params]) => ask(app, method, params)", [method, params or {}]
        )
        script = "([index, id]) => apps[index].replies[id]"
        return self.host.page.wait_for_function(script, arg=[self.index, asked]).json_value()

    def answer(self, method: str, result: Json) -> None:
        """Answer the newest request of a method, which was held."""
        script = (
            "(app, [method, result]) => send(app, {id: app.messages.findLast("
            "each => each.method === method && each.id !== undefined).id, result})"
        )
        self._read(script, [method, result])

    def violations(self) -> list[str]:
        """Return what axe-core finds wrong with the app as it is now."""
        return violations(self.frame)

    def screenshot(self, name: str) -> Path:
        """Keep a picture of the app among the artefacts, and return its path."""
        path = SHOTS / f"{name}.png"
        fits = self._read("app => app.fits")
        self._read("app => fit(app, true)")
        box, window = self.element.bounding_box(), self.host.page.viewport_size
        assert box
        assert window
        # Chromium does not paint what of a frame is below the window.
        bottom = min(round(box["y"] + box["height"]), TALLEST)
        self.host.page.set_viewport_size(window | {"height": max(bottom, window["height"])})
        self.frame.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        self.element.screenshot(path=path, animations="disabled")
        self.host.page.set_viewport_size(window)
        self._read("(app, fits) => fit(app, fits)", fits)
        return path

    def _read(self, script: str, argument: Any = None) -> Any:
        wrapped = f"([index, argument]) => ({script})(apps[index], argument)"
        return self.host.page.evaluate(wrapped, [self.index, argument])
