"""What the host sends too early, too late, twice or about another job, in the player."""

from typing import Any

import pytest
from playwright.sync_api import expect

from .support.app import HELD, App, Json, Refused, in_turn
from .support.host import CAPABILITIES
from .support.network import CLIP
from .support.opener import Opener
from .support.player import expect_visible, first_frame, job, outcome, player

SHOW_AGAIN = "document.dispatchEvent(new Event('visibilitychange'))"
SET_CLOCK = "ahead => { const now = Date.now; Date.now = () => now() + ahead; }"
HANDSHAKE: Json = {"hostCapabilities": CAPABILITIES, "hostContext": {}}
TOOLS: Any = {
    "check_status": in_turn(job("completed", video_url=CLIP)),
    "get_result": in_turn(outcome(CLIP)),
}


def calls_after(app: App, seconds: int) -> int:
    """Let time pass second by second, and return how many tools were called until then."""
    for _ in range(seconds):
        app.pass_time(1)
        app.ask("ping")
    return len(app.calls())


@pytest.mark.parametrize("late", [0, 5, 60])
@pytest.mark.parametrize("status", ["in_queue", "completed"])
def test_a_result_before_the_handshake_is_taken_up_after_it(
    open_app: Opener, late: int, status: str
) -> None:
    app = open_app(player(), tools=TOOLS, answers_handshake=False, fake_time=True)
    app.wait_for("ui/initialize")
    app.send_result(job(status, video_url=CLIP if status == "completed" else None))
    app.pass_time(late)
    assert app.calls() == []
    app.answer("ui/initialize", HANDSHAKE)
    expect(app.frame.locator("#facts")).to_contain_text("$0.18")
    expect_visible(app.frame.get_by_role("button", name="Save"))
    expect(app.frame.locator("#note")).to_have_text("")
    assert len(app.calls()) == (2 if status == "in_queue" else 1)


def test_a_handshake_that_is_answered_twice_counts_once(open_app: Opener) -> None:
    app = open_app(player(), tools=TOOLS, result=job("completed", video_url=CLIP))
    expect(app.frame.locator("#facts")).to_contain_text("$0.18")
    app.answer("ui/initialize", {"hostCapabilities": {}})
    app.ask("ping")
    assert len(app.calls("get_result")) == 1
    assert app.methods().count("ui/notifications/initialized") == 1
    expect_visible(app.frame.get_by_role("button", name="Save"))


def test_an_end_that_is_told_again_is_read_once(open_app: Opener) -> None:
    app = open_app(player(), tools=TOOLS)
    app.wait_for("ui/notifications/initialized")
    for _ in range(30):
        app.send_result(job("completed", video_url=CLIP))
    expect(app.frame.locator("#facts")).to_contain_text("$0.18")
    app.ask("ping")
    assert len(app.calls()) == 1


def test_the_end_of_another_job_is_not_shown(open_app: Opener) -> None:
    other = job(
        "completed", request_id="other", video_url=CLIP, meta={"first_frame": first_frame()}
    )
    checks = {"check_status": in_turn(other, HELD)}
    app = open_app(player(), tools=checks, fake_time=True)
    app.wait_for("ui/notifications/initialized")
    app.send_result(job("in_queue"))
    app.send_result(other)
    app.wait_for("tools/call")
    expect(app.frame.locator("#trouble")).to_contain_text("is tried again")
    expect(app.frame.locator("h1")).to_have_text("In the queue")
    expect_visible(app.frame.locator("canvas"), visible=False)
    calls_after(app, 5)
    app.answer("tools/call", job("in_progress"))
    expect(app.frame.locator("h1")).to_have_text("The clip is being made")
    expect(app.frame.locator("#trouble")).to_have_text("")


def test_nothing_is_asked_or_shown_after_the_end_of_the_page(open_app: Opener) -> None:
    tools = TOOLS | {"check_status": lambda _: HELD}
    app = open_app(player(), result=job("in_queue"), tools=tools, fake_time=True)
    app.wait_for("tools/call")
    assert app.ask("ui/resource-teardown")["result"] == {}
    app.answer("tools/call", job("completed", video_url=CLIP))
    app.send_result(job("in_queue"))
    assert calls_after(app, 30) == 1
    assert app.sent("ui/update-model-context") == []
    assert app.host.network.requested == []


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_that_is_set_anew_changes_nothing(open_app: Opener, hours: int) -> None:
    checks = {"check_status": in_turn(job("in_progress", elapsed_seconds=5))}
    app = open_app(player(), result=job("in_queue"), tools=checks, fake_time=True)
    expect(app.frame.locator("h1")).to_have_text("The clip is being made")
    app.frame.evaluate(SET_CLOCK, hours * 3_600_000)
    app.frame.evaluate(SHOW_AGAIN)
    app.pass_time(1)
    assert app.frame.locator("#elapsed").inner_text()[:3] in {"0:0", "0:1"}
    assert 3 <= calls_after(app, 10) <= 8


def test_an_hour_of_errors_costs_one_call_a_minute(open_app: Opener) -> None:
    def refuse(_: Json) -> Json:
        raise Refused("No.")

    tools = {"check_status": refuse}
    app = open_app(player(), result=job("in_queue"), tools=tools, fake_time=True)
    app.wait_for("tools/call")
    for _ in range(3 * 60):
        app.pass_time(20)
        app.ask("ping")
    assert 55 <= len(app.calls()) <= 68
