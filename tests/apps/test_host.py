"""The host of these tests itself, with a page that does what an app may do."""

import pytest

from .support.app import HELD, Refused, in_turn
from .support.network import CLIP, EXPIRED
from .support.opener import Opener
from .support.policies import HOSTS, HostName

PAGE = f"""<!doctype html>
<html lang="en">
<title>An app</title>
<main><h1>An app</h1><video muted loop src="{CLIP}" aria-label="A clip"></video></main>
<script>
"use strict";
const heard = [];
let last = 0;
const send = (message) => window.parent.postMessage({{ jsonrpc: "2.0", ...message }}, "*");
function request(method, params = {{}}) {{
  const id = ++last;
  send({{ id, method, params }});
  return new Promise((resolve) => addEventListener("message", ({{ data }}) => {{
    if (data.id === id && data.method === undefined) resolve(data.result ?? data.error);
  }}));
}}
addEventListener("message", ({{ data }}) => {{
  if (data.method === undefined) return;
  heard.push([data.method, data.params]);
  if (data.id !== undefined) send({{ id: data.id, result: {{}} }});
}});
const ready = request("ui/initialize", {{ protocolVersion: "2026-01-26" }}).then((answer) => {{
  send({{ method: "ui/notifications/initialized" }});
  send({{ method: "ui/notifications/size-changed", params: {{ height: 321 }} }});
  return answer;
}});
</script>
</html>
"""
INPUT = "ui/notifications/tool-input"
RESULT = "ui/notifications/tool-result"
RESULT_OF_A_CALL = {"content": [{"type": "text", "text": "Done."}]}


def test_an_app_hears_the_arguments_and_the_result_after_its_handshake(open_app: Opener) -> None:
    app = open_app(
        PAGE, arguments={"prompt": "A lake."}, result=RESULT_OF_A_CALL, theme="dark", fits=True
    )
    app.wait_until("heard.length === 2")
    assert app.frame.evaluate("heard") == [
        [INPUT, {"arguments": {"prompt": "A lake."}}],
        [RESULT, RESULT_OF_A_CALL],
    ]
    shook = app.frame.evaluate("ready")
    assert shook["protocolVersion"] == "2026-01-26"
    assert shook["hostContext"]["theme"] == "dark"
    app.wait_for("ui/notifications/size-changed")
    assert app.element.bounding_box() == {"x": 0, "y": 0, "width": 640, "height": 321}
    assert app.ask("ui/resource-teardown")["result"] == {}
    assert app.host.complaints == []


def test_what_an_app_asks_for_is_answered_by_the_test(open_app: Opener) -> None:
    def refuse(_: object) -> dict[str, object]:
        raise Refused("Not today.")

    first, then = {"content": [], "structuredContent": {"n": 1}}, {"content": []}
    app = open_app(
        PAGE,
        tools={"check_status": in_turn(first, then), "cancel_job": refuse},
        resources=lambda uri: {"contents": [{"uri": uri, "text": "{}"}]},
        answers={"ui/open-link": lambda _: HELD},
    )
    call = "name => request('tools/call', {name, arguments: {request_id: 'a'}})"
    answers = [app.frame.evaluate(call, name) for name in ["check_status"] * 3 + ["cancel_job"]]
    assert answers == [first, then, then, {"code": -32603, "message": "Not today."}]
    assert app.calls("check_status") == [{"request_id": "a"}] * 3
    assert len(app.calls()) == 4
    read = app.frame.evaluate("request('resources/read', {uri: 'seedance://gallery/1'})")
    assert read == {"contents": [{"uri": "seedance://gallery/1", "text": "{}"}]}
    assert app.frame.evaluate("request('made/up')")["code"] == -32601
    app.frame.evaluate(
        f"void request('ui/open-link', {{url: '{CLIP}'}}).then((a) => heard.push(a))"
    )
    assert app.wait_for("ui/open-link") == [{"url": CLIP}]
    app.answer("ui/open-link", {"isError": True})
    app.wait_until("heard.at(-1)?.isError")


@pytest.mark.parametrize("csp", HOSTS)
def test_a_clip_plays_under_the_policy_of_every_host(open_app: Opener, csp: HostName) -> None:
    app = open_app(PAGE, csp=csp)
    seconds = app.frame.evaluate(
        """async () => {
          const video = document.querySelector("video");
          video.loop = false;
          const ended = new Promise((resolve) => video.addEventListener("ended", resolve));
          await video.play();
          await ended;
          return [video.currentTime, video.duration];
        }"""
    )
    assert seconds == [1, 1]
    assert app.host.network.requested == [CLIP]
    assert app.host.complaints == []
    assert app.violations() == []


@pytest.mark.parametrize("csp", HOSTS)
def test_nothing_comes_from_anywhere_else(open_app: Opener, csp: HostName) -> None:
    app = open_app(PAGE, csp=csp)
    fetched = "fetch('https://a.test/').catch(() => 0)"
    shown = (
        "new Promise(done => Object.assign(new Image(), {onerror: done, src: 'https://a.test/'}))"
    )
    app.frame.evaluate(f"Promise.all([{fetched}, {shown}]).then(() => 0)")
    assert app.host.network.asked_origins() <= {"https://playgrounds-storage-public.runcomfy.net"}
    assert all("Content Security Policy" in each for each in app.host.complaints)
    assert len(app.host.complaints) >= 2


def test_a_clip_whose_url_has_expired_is_refused(open_app: Opener) -> None:
    app = open_app(PAGE.replace(CLIP, EXPIRED))
    app.wait_until("document.querySelector('video').error?.code === 4")
    assert app.host.network.requested == [EXPIRED]


@pytest.mark.parametrize("csp", HOSTS)
def test_what_an_app_does_later_is_waited_for_under_every_policy(
    open_app: Opener, csp: HostName
) -> None:
    app = open_app(PAGE, csp=csp)
    app.frame.evaluate("void setTimeout(() => heard.push('later'), 300)")
    app.wait_until("heard.at(-1) === 'later'")
    assert app.frame.evaluate("heard.filter(each => each === 'later')") == ["later"]
    assert app.host.complaints == []


def test_two_apps_are_told_apart_and_time_is_in_the_hands_of_the_test(open_app: Opener) -> None:
    host = open_app.host(fake_time=True, width=320)
    one = host.show(PAGE, arguments={"n": 1})
    two = host.show(PAGE, arguments={"n": 2}, answers_handshake=False)
    one.wait_for("ui/notifications/initialized")
    one.frame.evaluate("void setTimeout(() => heard.push('an hour'), 3_600_000)")
    one.pass_time(3600)
    one.wait_until("heard.at(-1) === 'an hour'")
    assert one.frame.evaluate("heard") == [[INPUT, {"arguments": {"n": 1}}], "an hour"]
    assert (two.methods(), two.frame.evaluate("heard")) == (["ui/initialize"], [])
    assert one.screenshot("host").stat().st_size > 0
