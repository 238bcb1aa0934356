"""Whatever a host, a server or a prompt sends, the player shows it as text or refuses it."""

from base64 import b64encode
from typing import Any

import pytest
from playwright.sync_api import expect

from .support.app import App, Json, in_turn
from .support.network import CLIP
from .support.opener import Opener
from .support.player import (
    MODEL,
    REQUEST_ID,
    error,
    expect_texts,
    expect_visible,
    first_frame,
    job,
    outcome,
    player,
)

HTML = "<img src=x onerror='window.broken = 1'><script>window.broken = 1</script>"
LONG = "word " * 2_000
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1e300,
    "",
    "7",
    HTML,
    LONG,
    "__proto__",
    [],
    [None, [HTML], {}],
    {},
    {"toString": 1, "valueOf": 1, "then": 1, "length": -1},
]
"""What may stand where something else is expected."""

FACTS = (
    "request_id",
    "model_id",
    "status",
    "queue_position",
    "elapsed_seconds",
    "video_url",
    "error",
    "warnings",
    "estimated_cost_usd",
)
METHODS = (
    "ui/notifications/tool-input-partial",
    "ui/notifications/tool-input",
    "ui/notifications/tool-result",
    "ui/notifications/tool-cancelled",
    "ui/notifications/host-context-changed",
)


def expect_unharmed(app: App) -> None:
    """Check that the page lives on, nothing was thrown, and no text became HTML."""
    assert app.ask("ping")["result"] == {}
    assert app.host.complaints == []
    assert app.frame.evaluate("window.broken === undefined")
    assert app.frame.locator("main :is(img, script, a, iframe)").count() == 0
    assert len(app.frame.locator("main").inner_text()) < 4_000


def test_html_is_shown_as_text(open_app: Opener) -> None:
    result = job("failed", error=HTML, model_id=f"x/a{HTML}", warnings=[HTML, HTML])
    app = open_app(player(), arguments={"prompt": HTML, "resolution": HTML}, result=result)
    model = HTML.replace("/", " ")
    about = f"{HTML[:9]}… · a{model} · about $0.175"
    expect_texts(app, "The clip could not be made", HTML, about, f"{HTML} {HTML}", HTML)
    expect_unharmed(app)


def test_long_texts_are_cut(open_app: Opener) -> None:
    result = job("failed", error=LONG, model_id=f"x/{LONG}", warnings=[LONG] * 20)
    app = open_app(player(), arguments={"prompt": LONG}, result=result)
    expect(app.frame.locator("h1")).to_have_text("The clip could not be made")
    lengths = app.frame.locator("p").evaluate_all("nodes => nodes.map(n => n.textContent.length)")
    assert lengths == [1001, 99 + len(" · about $0.175"), 3 * 301 + 2, 1001]
    expect_unharmed(app)


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_may_be_anything(open_app: Opener, fact: str) -> None:
    app = open_app(player(), tools={"check_status": in_turn(job("in_queue"))})
    app.wait_for("ui/notifications/initialized")
    for odd in ODD:
        for status in ("in_queue", "unknown"):
            app.send_result(job(status) | {"structuredContent": {"status": status, fact: odd}})
    expect_unharmed(app)
    # The first of them that can be an id is that of the job.
    last = {"request_id": "0" if fact == "request_id" else REQUEST_ID}
    app.send_result(job("failed", error="At last.", **last))
    expect(app.frame.locator("#trouble")).to_have_text("At last.")


@pytest.mark.parametrize("name", ["content", "structuredContent", "isError", "_meta"])
def test_a_part_of_a_result_may_be_anything(open_app: Opener, name: str) -> None:
    app = open_app(player(), tools={"check_status": in_turn(job("in_queue"))})
    app.wait_for("ui/notifications/initialized")
    for odd in ODD:
        app.send_result(job("in_queue") | {name: odd})
        app.send_result(error("No.") | {name: odd})
    for odd in ODD:
        job_meta: Json = {"usual_seconds": odd, "poll_seconds": odd, "first_frame": odd}
        app.send_result(job("in_progress", meta=job_meta))
        app.send_result(job("in_progress") | {"_meta": {"seedance-mcp/job": odd}})
    expect_unharmed(app)
    app.send_result(job("failed", error="At last."))
    expect(app.frame.locator("#trouble")).to_have_text("At last.")


@pytest.mark.parametrize("method", METHODS)
def test_a_message_may_be_anything(open_app: Opener, method: str) -> None:
    app = open_app(player())
    app.wait_for("ui/notifications/initialized")
    names = ("arguments", "reason", "theme", "locale", "styles")
    inner = ("prompt", "duration", "resolution", "variables")
    for odd in ODD:
        app.send(method, odd)
        for name in names:
            app.send(method, {name: odd})
            app.send(method, {name: dict.fromkeys(inner, odd)})
        app.send(method, {"styles": {"variables": {"--x": odd, "color": odd, "--Y": odd}}})
    expect_unharmed(app)
    assert app.frame.evaluate("document.documentElement.style.color") == ""


def test_what_is_no_message_is_ignored(open_app: Opener) -> None:
    app = open_app(player(), result=job("in_progress"))
    expect(app.frame.locator("h1")).to_have_text("The clip is being made")
    app.host.page.evaluate(
        """odd => {
          const post = (message) => apps[0].frame.contentWindow.postMessage(message, "*");
          for (const each of [...odd, new Map([[1, 2]]), new Date(), /x/, 1n]) {
            post(each);
            post({ jsonrpc: each });
            for (const name of ["id", "method", "params", "result", "error"])
              post({ jsonrpc: "2.0", [name]: each });
            post({ jsonrpc: "2.0", id: 1, error: each });
            post({ jsonrpc: "2.0", id: 2, result: each });
          }
        }""",
        ODD,
    )
    assert app.ask("__proto__")["error"]["code"] == -32601
    assert app.ask("constructor")["error"]["code"] == -32601
    expect_unharmed(app)


@pytest.mark.parametrize("handshake", ODD)
def test_the_answer_to_the_handshake_may_be_anything(open_app: Opener, handshake: Any) -> None:
    context = {"theme": handshake, "locale": handshake, "styles": handshake}
    app = open_app(player(), result=job("in_progress"), capabilities=handshake, context=context)
    expect(app.frame.locator("h1")).to_have_text("The clip is being made")
    expect_unharmed(app)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:video/mp4;base64,AAAA",
        "file:///etc/passwd",
        "blob:https://app.test/1",
        "http://storage.test/clip.mp4",
        "http://localhost:80@storage.test/clip.mp4",
        "//storage.test/clip.mp4",
        "https://storage.test/" + "a" * 10_000,
        7,
    ],
)
def test_only_links_that_are_safe_are_played_and_opened(open_app: Opener, url: Any) -> None:
    results = {"get_result": in_turn(outcome(url, cost=None))}
    app = open_app(player(), result=job("completed", video_url=url), tools=results)
    no_video = "It is paid for: ask for it again later."
    expect_texts(app, "It ended without a video", f"{MODEL} · about $0.175", no_video)
    assert app.frame.locator("video").get_attribute("src") is None
    assert app.host.network.requested == []
    expect_unharmed(app)


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost", "[::1]:9"])
def test_the_simulator_of_this_machine_may_be_played(open_app: Opener, host: str) -> None:
    url = f"http://{host}/clip.mp4"
    app = open_app(player(), result=job("completed", video_url=url), capabilities={})
    expect(app.frame.locator("video")).to_have_attribute("src", url)


def test_a_frame_that_is_too_large_or_broken_is_not_drawn(open_app: Opener) -> None:
    app = open_app(player(), result=job("in_progress"))
    huge = bytes.fromhex("ffd8ffc0001108ffffffff03011100021101031101") + bytes(2_000)
    wide = first_frame(1200, 20)
    files = [b64encode(file).decode() for file in (huge, b"\xff\xd8", b"no image")]
    for frame in [*files, "A" * 1_400_000, "%%%", "ÿ", wide, first_frame(640, 360) * 3]:
        app.send_result(job("in_progress", meta={"first_frame": frame}))
    expect_unharmed(app)
    expect_visible(app.frame.locator("canvas"), visible=False)
    app.send_result(job("in_progress", meta={"first_frame": first_frame(320, 568)}))
    expect_visible(app.frame.locator("canvas"))
    box = app.frame.locator("figure").bounding_box()
    assert box
    assert box["width"] / box["height"] == pytest.approx(320 / 568, rel=0.02)


def test_a_request_id_that_is_none_is_never_asked_for(open_app: Opener) -> None:
    for request_id in ["../../x", "a b", HTML, "a" * 129, ["abc"]]:
        app = open_app(player(), result=job("in_queue", request_id=request_id))
        expect(app.frame.locator("h1")).to_have_text("In the queue")
        assert app.calls() == []


def test_a_result_of_another_job_does_not_take_over_the_clip(open_app: Opener) -> None:
    app = open_app(player(), tools={"get_result": in_turn(outcome(CLIP))})
    app.wait_for("ui/notifications/initialized")
    app.send_result(job("in_queue", request_id="first"))
    app.send_result(job("in_queue", request_id="second"))
    app.wait_for("tools/call")
    assert {each["request_id"] for each in app.calls()} == {"first"}


def test_only_the_host_is_listened_to(open_app: Opener) -> None:
    app = open_app(player(), result=job("in_queue"))
    status = app.frame.locator("#status")
    expect(status).to_have_text("In the queue")
    params = job("failed", error="Not from the host")
    app.frame.evaluate(
        """(params) => new Promise((done) => {
          window.addEventListener("message", () => done(), { once: true });
          const method = "ui/notifications/tool-result";
          window.postMessage({ jsonrpc: "2.0", method, params }, "*");
        })""",
        params,
    )
    app.send_result(job("cancelled"))
    expect(status).to_have_text("Cancelled; it will not run")
    expect(app.frame.locator("main")).not_to_contain_text("Not from the host")
