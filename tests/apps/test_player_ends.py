"""Every end that a player shows, and what there is to do then."""

from typing import Any

import pytest
from playwright.sync_api import expect

from .support.app import HELD, in_turn
from .support.network import CLIP, EXPIRED, UNPLAYABLE
from .support.opener import Opener
from .support.player import (
    ARGUMENTS,
    ASKED,
    FACTS,
    MODEL,
    PROMPT,
    REQUEST_ID,
    error,
    expect_texts,
    expect_visible,
    first_frame,
    job,
    outcome,
    play,
    player,
)

ABOUT = f"{FACTS} · about $0.175"
COST = f"{FACTS} · $0.18"
BUTTONS = ("Open", "Continue from its last frame", "Save")
UNKNOWN = "It may be charged: look in your RunComfy account before you try again."
MAYBE_MADE = "It may be made all the same: ask for your jobs."
SILENT = "It may be made all the same: ask for your jobs before you try again."
NOT_FOLLOWED = "It cannot be followed here: ask in the chat how it stands."
NO_VIDEO = "It is paid for: ask for it again later."
UNPLAYED = "It cannot be played here: open it."


def test_a_failed_job_says_why_and_what_it_cost(open_app: Opener) -> None:
    why = "The prompt was refused by the model's filter."
    failed = job("failed", error=why)
    app = open_app(
        player(),
        arguments=ARGUMENTS,
        result=job("in_progress"),
        tools={"check_status": in_turn(failed), "get_result": in_turn(outcome(cost=0.05))},
    )
    expect_texts(app, "The clip could not be made", PROMPT, f"{FACTS} · $0.05", why)
    told = app.wait_for("ui/update-model-context")[0]["content"][0]["text"]
    assert told == f"Job {REQUEST_ID} is failed. $0.05 {why}"
    expect(app.frame.locator("figure")).to_be_hidden()


@pytest.mark.parametrize(("cost", "shown"), [(0.05, "$0.05"), (None, "cost unknown")])
def test_a_job_that_failed_during_the_call_says_so_too(
    open_app: Opener, cost: float | None, shown: str
) -> None:
    failed = job("failed", error="No.", estimated_cost_usd=None, is_error=True)
    results = {"get_result": in_turn(outcome(cost=cost))}
    app = open_app(player(), result=failed, tools=results)
    expect_texts(app, "The clip could not be made", f"{MODEL} · {shown}", "No.")
    assert app.sent("ui/update-model-context") == []


def test_the_error_of_the_tool_itself_is_shown(open_app: Opener) -> None:
    line = "duration: 7 is not allowed; use 5 or 10. Nothing was charged."
    app = open_app(player(), arguments=ARGUMENTS, result=error(line))
    expect_texts(app, "This did not work", PROMPT, "5 s · 720p", line)
    app.send_arguments(ARGUMENTS)
    expect_texts(app, "This did not work", PROMPT, "5 s · 720p", line)
    assert app.calls() == []


def test_a_dry_run_shows_what_it_would_cost(open_app: Opener) -> None:
    warning = "The image has another aspect ratio."
    checked = job("checked", request_id=None, warnings=[warning])
    app = open_app(player(), arguments=ARGUMENTS, result=checked)
    expect_texts(app, "Checked; nothing was bought", PROMPT, ABOUT, warning)
    assert app.calls() == []


def test_a_cancelled_call_says_what_may_go_on(open_app: Opener) -> None:
    app = open_app(player(), arguments=ARGUMENTS)
    app.wait_for("ui/notifications/initialized")
    app.send_cancelled("The person pressed Stop.")
    reason = "The person pressed Stop."
    expect_texts(app, "The call was cancelled", PROMPT, "5 s · 720p", MAYBE_MADE, reason)


def test_a_call_that_is_cancelled_after_its_result_changes_nothing(open_app: Opener) -> None:
    result = job("completed", video_url=CLIP)
    app = open_app(player(), arguments=ARGUMENTS, result=result)
    expect_texts(app, "The clip is ready", PROMPT, ABOUT, *BUTTONS)
    app.send_cancelled()
    app.ask("ping")
    expect_texts(app, "The clip is ready", PROMPT, ABOUT, *BUTTONS)


def test_a_result_that_never_comes_is_missed_after_two_minutes(open_app: Opener) -> None:
    app = open_app(player(), arguments=ARGUMENTS, fake_time=True)
    expect_texts(app, "Waiting for the answer", PROMPT, "5 s · 720p")
    app.pass_time(115)
    expect_texts(app, "Waiting for the answer", PROMPT, "5 s · 720p")
    app.pass_time(10)
    expect_texts(app, "No answer has come yet", PROMPT, "5 s · 720p", SILENT)
    app.send_result(job("completed", video_url=CLIP))
    expect_texts(app, "The clip is ready", PROMPT, ABOUT, *BUTTONS)


def test_a_page_without_a_host_says_that_nothing_comes(open_app: Opener) -> None:
    app = open_app(player(), answers_handshake=False, fake_time=True)
    app.pass_time(3)
    expect_texts(app, "No answer has come yet", SILENT)
    answer = {"hostCapabilities": {}, "hostContext": {"theme": "dark"}}
    app.answer("ui/initialize", answer)
    app.wait_for("ui/notifications/initialized")
    app.send_result(job("completed", video_url=CLIP))
    expect_texts(app, "The clip is ready", f"{MODEL} · about $0.175", *BUTTONS[:2])


def test_the_outcome_of_a_request_without_a_name_stays_unknown(open_app: Opener) -> None:
    app = open_app(player(), arguments=ARGUMENTS, result=job("unknown", request_id=None))
    expect_texts(app, "Outcome unknown", PROMPT, ABOUT, UNKNOWN)
    expect(app.frame.locator("main :is(figure, progress)").filter(visible=True)).to_have_count(0)
    assert app.calls() == []


def test_an_unknown_job_with_a_name_is_asked_for(open_app: Opener) -> None:
    checks = {"check_status": in_turn(HELD)}
    app = open_app(player(), arguments=ARGUMENTS, result=job("unknown"), tools=checks)
    expect_texts(app, "Outcome unknown", PROMPT, ABOUT, UNKNOWN)
    app.wait_for("tools/call")
    app.answer("tools/call", job("in_progress"))
    expect_texts(app, "The clip is being made", PROMPT, ABOUT)


def test_a_request_without_an_answer_yet_cannot_be_followed(open_app: Opener) -> None:
    app = open_app(player(), arguments=ARGUMENTS, result=job("submitting", request_id=None))
    expect_texts(app, "Being sent to RunComfy", PROMPT, ABOUT, NOT_FOLLOWED)
    assert app.calls() == []


def test_a_host_without_calls_says_that_the_job_is_not_followed(open_app: Opener) -> None:
    app = open_app(
        player(), arguments=ARGUMENTS, result=job("in_queue"), capabilities={}, fake_time=True
    )
    expect_texts(app, "In the queue", PROMPT, ABOUT, NOT_FOLLOWED)
    app.pass_time(100)
    assert app.calls() == []


def test_a_clip_whose_link_has_expired_gets_a_fresh_one(open_app: Opener) -> None:
    app = open_app(
        player(),
        arguments=ARGUMENTS,
        result=job("in_progress"),
        tools={
            "check_status": in_turn(job("completed", video_url=EXPIRED)),
            "get_result": in_turn(outcome(EXPIRED), outcome(CLIP)),
        },
    )
    assert play(app)["src"] == CLIP
    expect_texts(app, "The clip is ready", PROMPT, COST, *BUTTONS)
    assert app.host.network.requested == [EXPIRED, CLIP]
    assert len(app.calls("get_result")) == 2


@pytest.mark.parametrize("url", [EXPIRED, UNPLAYABLE])
def test_a_clip_that_does_not_play_leaves_its_first_frame_and_its_link(
    open_app: Opener, url: str
) -> None:
    completed = job("completed", video_url=url, meta={"first_frame": first_frame()})
    results = {"get_result": in_turn(outcome(url))}
    app = open_app(player(), arguments=ARGUMENTS, result=completed, tools=results)
    expect_texts(app, "The clip is ready", PROMPT, COST, UNPLAYED, *BUTTONS)
    expect_visible(app.frame.get_by_role("img", name="First frame"))
    expect_visible(app.frame.locator("video"), visible=False)
    # The cost is asked for when it is shown, and a fresh link once when it does not play.
    assert len(app.calls("get_result")) == 2
    app.frame.get_by_role("button", name="Open").click()
    assert app.wait_for("ui/open-link") == [{"url": url}]


def test_a_clip_without_a_video_says_that_it_is_paid_for(open_app: Opener) -> None:
    results = {"get_result": in_turn(outcome())}
    app = open_app(player(), arguments=ARGUMENTS, result=job("completed"), tools=results)
    expect_texts(app, "It ended without a video", PROMPT, COST, NO_VIDEO)


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_an_end_never_changes(open_app: Opener, status: str) -> None:
    ended: dict[str, Any] = {"video_url": CLIP} if status == "completed" else {}
    app = open_app(player(), result=job(status, **ended))
    title = app.frame.locator("h1")
    expect(title).not_to_have_text("Waiting for the request")
    before = title.inner_text()
    app.send_result(job("in_queue"))
    app.ask("ping")
    expect(title).to_have_text(before)
    assert app.calls("check_status") == []


def test_a_frame_that_is_torn_down_is_quiet(open_app: Opener) -> None:
    tools = {"check_status": in_turn(job("in_queue"))}
    app = open_app(player(), result=job("in_queue"), tools=tools, fake_time=True)
    app.wait_for("tools/call")
    assert app.ask("ui/resource-teardown")["result"] == {}
    app.pass_time(600)
    assert app.ask("ping")["result"] == {}
    assert set(app.methods()) == {
        "ui/initialize",
        "ui/notifications/initialized",
        "ui/notifications/size-changed",
        "tools/call",
    }
    assert app.calls() == [ASKED]
