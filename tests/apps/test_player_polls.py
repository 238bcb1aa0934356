"""How the player asks where its job stands."""

from itertools import pairwise
from math import ceil

import pytest
from playwright.sync_api import expect

from .support.app import HELD, App, Held, Json, Refused, in_turn
from .support.network import CLIP
from .support.opener import Opener
from .support.player import (
    ARGUMENTS,
    ASKED,
    FACTS,
    PROMPT,
    error,
    expect_texts,
    job,
    outcome,
    player,
)

ABOUT = f"{FACTS} · about $0.175"
FAILED = "Asking how it stands failed, and is tried again: "

SHOW = """hidden => {
  // Headless Chromium hides no page by itself.
  Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
HIDDEN, VISIBLE = (SHOW, True), (SHOW, False)


def count_after(app: App, seconds: int, *, step: int = 1) -> int:
    """Let time pass step by step, and return how often the job was asked for then."""
    for _ in range(0, seconds, step):
        app.pass_time(step)
        # The answers of the host come between two steps.
        app.ask("ping")
    return len(app.calls("check_status"))


def expect_polls(app: App, poll: int, least: int) -> None:
    """Let 20 seconds pass, and check that the job was asked for every `poll` seconds."""
    began = app.now()
    asked = count_after(app, 20)
    # One was before, and a machine that is busy lets more than 20 seconds pass.
    assert least <= asked <= 2 + (app.now() - began) / poll


@pytest.mark.parametrize(("poll", "least"), [(2, 9), (5, 4), (10, 2)])
def test_the_server_says_how_often_it_is_asked(open_app: Opener, poll: int, least: int) -> None:
    result = job("in_queue", meta={"poll_seconds": poll})
    checks = {"check_status": in_turn(result)}
    app = open_app(player(), result=result, tools=checks, fake_time=True)
    app.wait_for("tools/call")
    expect_polls(app, poll, least)
    assert {each["wait_seconds"] for each in app.calls()} == {0}


@pytest.mark.parametrize(("age", "poll", "least"), [(1, 2, 9), (60, 5, 4), (600, 10, 2)])
def test_its_age_says_how_often_a_job_is_asked_for_where_the_server_does_not(
    open_app: Opener, age: int, poll: int, least: int
) -> None:
    result = job("in_progress", elapsed_seconds=age) | {"_meta": None}
    checks = {"check_status": in_turn(result)}
    app = open_app(player(), result=result, tools=checks, fake_time=True)
    app.wait_for("tools/call")
    expect_polls(app, poll, least)


def test_the_next_question_waits_for_the_answer(open_app: Opener) -> None:
    checks = {"check_status": lambda _: HELD}
    app = open_app(player(), result=job("in_queue"), tools=checks, fake_time=True)
    app.wait_for("tools/call")
    app.pass_time(60)
    app.send_result(job("in_queue"))
    assert app.ask("ping")["result"] == {}
    assert app.calls() == [ASKED]
    app.answer("tools/call", job("in_queue", queue_position=5))
    expect(app.frame.locator("h1")).to_have_text("In the queue, place 5")
    app.pass_time(3)
    assert app.wait_for("tools/call", 2)


def test_a_question_that_is_never_answered_is_asked_again(open_app: Opener) -> None:
    checks = {"check_status": lambda _: HELD}
    app = open_app(
        player(), arguments=ARGUMENTS, result=job("in_queue"), tools=checks, fake_time=True
    )
    app.wait_for("tools/call")
    app.pass_time(121)
    expect_texts(app, "In the queue", PROMPT, ABOUT, f"{FAILED}no answer", "Cancel")
    app.pass_time(5)
    app.wait_for("tools/call", 2)
    app.answer("tools/call", job("completed"))
    expect(app.frame.locator("h1")).to_have_text("It ended without a video")


def test_a_hidden_page_does_not_ask(open_app: Opener) -> None:
    checks = {"check_status": in_turn(job("in_queue"))}
    app = open_app(player(), result=job("in_queue"), tools=checks, fake_time=True)
    app.wait_for("tools/call")
    app.frame.evaluate(*HIDDEN)
    assert count_after(app, 30) == 1
    for _ in range(3):
        app.frame.evaluate(*HIDDEN)
        app.frame.evaluate(*VISIBLE)
    app.pass_time(0.1)
    app.wait_for("tools/call", 2)
    assert 6 <= count_after(app, 10) <= 8


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (error("RunComfy did not answer."), "RunComfy did not answer."),
        (Refused("The server has gone."), "The server has gone."),
        ({"content": 3}, ""),
    ],
)
def test_a_question_that_fails_is_said_and_asked_again_ever_later(
    open_app: Opener, answer: "Json | Refused", why: str
) -> None:
    working = False

    def check(_: Json) -> "Json | Held":
        if working:
            return job("in_queue", queue_position=1)
        if isinstance(answer, Refused):
            raise answer
        return answer

    app = open_app(
        player(),
        arguments=ARGUMENTS,
        result=job("in_queue"),
        tools={"check_status": check},
        fake_time=True,
    )
    expect_texts(app, "In the queue", PROMPT, ABOUT, f"{FAILED}{why}", "Cancel")
    # After 4, 8, 16, 32 and 60 seconds, and so on.
    assert count_after(app, 100, step=4) == 5
    working = True
    count_after(app, 64, step=4)
    expect_texts(app, "In the queue, place 1", PROMPT, ABOUT, "Cancel")


def test_the_end_is_told_to_a_model_once_and_only_where_the_host_takes_it(
    open_app: Opener,
) -> None:
    host = open_app.host(fake_time=True)
    tools = {
        "check_status": in_turn(job("completed", video_url=CLIP)),
        "get_result": in_turn(outcome(CLIP)),
    }
    takes: Json = {"serverTools": {}, "updateModelContext": {}}
    one = host.show(player(), result=job("in_queue"), tools=tools, capabilities=takes)
    two = host.show(player(), result=job("in_queue"), tools=tools, capabilities={"serverTools": {}})
    one.wait_for("ui/update-model-context")
    two.wait_for("tools/call", 2)
    one.send_result(job("in_queue"))
    one.pass_time(100)
    one.ask("ping")
    assert len(one.sent("ui/update-model-context")) == 1
    assert two.sent("ui/update-model-context") == []
    assert len(one.calls("check_status")) == len(two.calls("check_status")) == 1


def test_the_status_line_speaks_only_when_something_changes(open_app: Opener) -> None:
    third, second = job("in_queue", queue_position=3), job("in_queue", queue_position=2)
    checks = {"check_status": in_turn(*[third] * 5, second, job("in_progress"))}
    app = open_app(player(), result=third, tools=checks, fake_time=True)
    line = app.frame.get_by_role("status")
    expect(line).to_have_text("In the queue, place 3")
    line.evaluate(
        """line => {
          window.spoken = [];
          const hear = () => window.spoken.push(line.textContent);
          const all = { subtree: true, childList: true, characterData: true, attributes: true };
          new MutationObserver(hear).observe(line, all);
        }"""
    )
    count_after(app, 20)
    assert app.frame.evaluate("spoken") == ["In the queue, place 2", "The clip is being made"]


def test_its_height_is_told_only_when_it_changed(open_app: Opener) -> None:
    third, second = job("in_queue", queue_position=3), job("in_queue", queue_position=2)
    checks = {"check_status": in_turn(third, third, second)}
    app = open_app(
        player(), arguments=ARGUMENTS, result=third, tools=checks, fake_time=True, fits=True
    )
    app.wait_for("tools/call")
    count_after(app, 10)
    for width in (639, 638, 637):
        app.host.page.set_viewport_size({"width": width, "height": 900})
        app.frame.evaluate("new Promise(requestAnimationFrame)")
        count_after(app, 1)
    app.wait_until(
        "Math.ceil(document.querySelector('main').getBoundingClientRect().height) === innerHeight"
    )
    sizes = app.sent("ui/notifications/size-changed")
    assert all(list(size) == ["height"] for size in sizes)
    assert all(one != two for one, two in pairwise(sizes))
    box = app.element.bounding_box()
    assert box
    assert box["height"] == sizes[-1]["height"]
    assert (
        app.frame.evaluate("[document.documentElement.scrollHeight, innerHeight]")
        == [sizes[-1]["height"]] * 2
    )


def test_its_height_is_right_without_a_doctype(open_app: Opener) -> None:
    wrapped = f"<html><head></head><body>{player().html}</body></html>"
    app = open_app(wrapped, result=job("in_progress"), fits=True)
    expect(app.frame.locator("h1")).to_have_text("The clip is being made")
    app.send_result(job("failed"))
    expect(app.frame.locator("figure")).to_be_hidden()
    tall = app.frame.locator("main").bounding_box()
    assert tall
    app.host.page.wait_for_function(
        "height => document.querySelector('iframe').clientHeight === height",
        arg=ceil(tall["height"]),
    )
