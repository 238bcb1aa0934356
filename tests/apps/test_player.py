"""The player, from the call to the clip."""

import re

import pytest
from playwright.sync_api import expect

from .support.app import HELD, Json, Refused, in_turn
from .support.network import CLIP
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
    progress,
    queued_until_cancel,
)
from .support.policies import HOSTS, HostName

HANDSHAKE = {
    "protocolVersion": "2026-01-26",
    "appInfo": {"name": "seedance-player", "version": "1"},
    "clientInfo": {"name": "seedance-player", "version": "1"},
    "appCapabilities": {"availableDisplayModes": ["inline"]},
}
ABOUT = f"{FACTS} · about $0.175"
COST = f"{FACTS} · $0.18"
NEXT = f"Use seedance://jobs/{REQUEST_ID}/last-frame as the first frame of the next clip."
BUTTONS = ("Open", "Continue from its last frame", "Save")


def test_a_skeleton_waits_for_the_request(open_app: Opener) -> None:
    app = open_app(player())
    expect_texts(app, "Waiting for the request")
    expect(app.frame.locator("figure")).to_have_attribute("aria-busy", "true")
    app.wait_for("ui/notifications/size-changed")
    assert app.sent("ui/initialize") == [HANDSHAKE]
    assert app.methods()[:2] == ["ui/initialize", "ui/notifications/initialized"]
    assert app.ask("ping")["result"] == {}
    unknown = app.ask("tools/list")["error"]
    assert unknown == {"code": -32601, "message": "Method not found"}


def test_the_request_is_shown_while_it_is_written(open_app: Opener) -> None:
    app = open_app(player())
    app.wait_for("ui/notifications/initialized")
    app.send_arguments({"prompt": "A lake at"}, partial=True)
    expect_texts(app, "Waiting for the request", "A lake at")
    app.send_arguments(ARGUMENTS)
    expect_texts(app, "Waiting for the answer", PROMPT, "5 s · 720p")
    app.send_arguments(ARGUMENTS)
    expect_texts(app, "Waiting for the answer", PROMPT, "5 s · 720p")


def test_the_first_frame_and_the_place_in_the_queue_are_shown(open_app: Opener) -> None:
    result = job("in_queue", queue_position=3, meta={"first_frame": first_frame()})
    # A later answer would say the time anew.
    checks = {"check_status": in_turn(job("in_queue", queue_position=2), HELD)}
    app = open_app(player(), arguments=ARGUMENTS, result=result, tools=checks, fake_time=True)
    expect_texts(app, "In the queue, place 2", PROMPT, ABOUT, "Cancel")
    canvas = app.frame.get_by_role("img", name="First frame")
    expect_visible(canvas)
    assert canvas.evaluate("canvas => [canvas.width, canvas.height]") == [320, 180]
    app.pass_time(2)
    label, value = progress(app)
    told = re.fullmatch(r"0:(\d\d), usually 1:00", label)
    assert told
    assert int(told[1]) >= 4
    assert value == str(int(told[1]) / 60)


def test_a_clip_is_followed_from_the_queue_until_it_plays(open_app: Opener) -> None:
    app = open_app(
        player(),
        arguments=ARGUMENTS,
        result=job("in_queue", queue_position=1),
        tools={
            "check_status": in_turn(job("in_progress", elapsed_seconds=64.0), HELD),
            "get_result": in_turn(outcome(CLIP)),
        },
    )
    expect_texts(app, "The clip is being made", PROMPT, ABOUT)
    label, value = progress(app)
    assert re.fullmatch(r"1:(0[4-9]|[1-5]\d), usually 1:00", label)
    assert value is None
    app.wait_for("tools/call", 2)
    app.answer("tools/call", job("completed", elapsed_seconds=70.0, video_url=CLIP))
    expect_texts(app, "The clip is ready", PROMPT, COST, *BUTTONS)
    assert play(app) == {
        "src": CLIP,
        "muted": True,
        "loop": True,
        "playsInline": True,
        "controls": True,
        "preload": "metadata",
        "paused": False,
    }
    told = f"Job {REQUEST_ID} is completed. $0.18 {CLIP}"
    assert app.wait_for("ui/update-model-context") == [
        {"content": [{"type": "text", "text": told}]}
    ]
    assert app.calls("check_status") == [ASKED, ASKED]
    assert app.calls("get_result") == [{"request_id": REQUEST_ID}]
    assert len(app.calls()) == 3
    expect(app.frame.locator("figure")).to_have_attribute("aria-busy", "false")


def test_what_the_call_warns_of_stays_when_later_answers_say_nothing_of_it(
    open_app: Opener,
) -> None:
    warning = "The image has another aspect ratio than the clip."
    app = open_app(
        player(),
        arguments=ARGUMENTS,
        result=job("in_progress", warnings=[warning]),
        tools={
            "check_status": in_turn(job("completed", video_url=CLIP)),
            "get_result": in_turn(outcome(CLIP)),
        },
    )
    expect_texts(app, "The clip is ready", PROMPT, f"{FACTS} · $0.18", warning, *BUTTONS)


def test_less_motion_means_that_the_clip_waits_for_a_click(open_app: Opener) -> None:
    result = job("completed", video_url=CLIP)
    app = open_app(player(), result=result, reduced_motion=True)
    video = app.frame.locator("video")
    video.evaluate(
        "v => v.readyState || new Promise(done => v.addEventListener('loadedmetadata', done))"
    )
    assert video.evaluate("v => [v.autoplay, v.paused, v.currentTime]") == [False, True, 0]
    video.evaluate("v => v.play()")
    assert play(app)["paused"] is False


def test_what_the_buttons_ask_of_the_host(open_app: Opener) -> None:
    app = open_app(player(), result=job("completed", video_url=CLIP))
    for button in BUTTONS:
        app.frame.get_by_role("button", name=button).click()
    file = {
        "type": "resource_link",
        "uri": CLIP,
        "name": f"{REQUEST_ID}.mp4",
        "mimeType": "video/mp4",
    }
    assert app.wait_for("ui/open-link") == [{"url": CLIP}]
    assert app.wait_for("ui/download-file") == [{"contents": [file]}]
    content = [{"type": "text", "text": NEXT}]
    assert app.wait_for("ui/message") == [{"role": "user", "content": content}]
    expect(app.frame.locator("#note")).to_be_hidden()


@pytest.mark.parametrize(
    ("method", "button", "note"),
    [
        ("ui/open-link", "Open", f"Its link: {CLIP}"),
        ("ui/message", "Continue from its last frame", f"Say in the chat: {NEXT}"),
        ("ui/download-file", "Save", "Not saved: open it instead."),
    ],
)
@pytest.mark.parametrize("refuses", [True, False])
def test_what_the_host_does_not_do_is_said(
    open_app: Opener, *, method: str, button: str, note: str, refuses: bool
) -> None:
    def refuse(_: object) -> dict[str, bool]:
        if refuses:
            raise Refused("Not today.")
        return {"isError": True}

    app = open_app(player(), result=job("completed", video_url=CLIP), answers={method: refuse})
    app.frame.get_by_role("button", name=button).click()
    expect_texts(app, "The clip is ready", f"{MODEL} · about $0.175", note, *BUTTONS)


def test_only_a_host_that_can_save_is_asked_to(open_app: Opener) -> None:
    app = open_app(player(), result=job("completed", video_url=CLIP), capabilities={})
    expect_texts(app, "The clip is ready", f"{MODEL} · about $0.175", *BUTTONS[:2])


@pytest.mark.parametrize(("cost", "shown"), [(None, ""), (0, " · $0.00"), (0.05, " · $0.05")])
def test_a_queued_job_is_cancelled(open_app: Opener, cost: float | None, shown: str) -> None:
    cancelled = {"content": [], "structuredContent": {"outcome": "cancelled"}}
    app = open_app(
        player(),
        arguments=ARGUMENTS,
        result=job("in_queue", queue_position=2),
        tools={
            **queued_until_cancel(cancelled, job("cancelled")),
            "get_result": in_turn(outcome(cost=cost)),
        },
        fake_time=True,
    )
    cancel = app.frame.get_by_role("button", name="Cancel")
    app.wait_for("tools/call")
    cancel.click()
    expect_texts(app, "Cancelled; it will not run", PROMPT, f"{FACTS}{shown}")
    assert app.calls("cancel_job") == [{"request_id": REQUEST_ID}]
    told = app.wait_for("ui/update-model-context")[0]["content"][0]["text"]
    assert told.split() == f"Job {REQUEST_ID} is cancelled.{shown.replace('·', '')}".split()


@pytest.mark.parametrize(
    "answer",
    [
        error("RunComfy did not answer."),
        {"content": [], "structuredContent": {"outcome": "not_cancellable"}},
    ],
)
def test_a_job_that_cannot_be_cancelled_goes_on(open_app: Opener, answer: Json) -> None:
    app = open_app(
        player(),
        arguments=ARGUMENTS,
        result=job("in_queue"),
        tools={
            "check_status": in_turn(job("in_queue")),
            "cancel_job": in_turn(answer),
        },
    )
    app.frame.get_by_role("button", name="Cancel").click()
    expect_texts(app, "In the queue", PROMPT, ABOUT, "It could not be cancelled.", "Cancel")


def test_a_chat_that_is_opened_again_shows_where_the_job_stands_now(open_app: Opener) -> None:
    app = open_app(
        player(),
        arguments=ARGUMENTS,
        result=job("in_queue", queue_position=7),
        tools={
            "check_status": in_turn(job("completed", video_url=CLIP)),
            "get_result": in_turn(outcome(CLIP)),
        },
        fake_time=True,
    )
    expect_texts(app, "The clip is ready", PROMPT, COST, *BUTTONS)
    assert app.calls("check_status") == [ASKED]


@pytest.mark.parametrize("text", [None, f"The job has request_id: {REQUEST_ID}."])
def test_the_text_names_the_job_where_the_structure_is_lost(
    open_app: Opener, text: str | None
) -> None:
    result = job("in_queue") | {"structuredContent": None}
    if text:
        result["content"] = [{"type": "image"}, {"type": "text", "text": text}]
    checks = {"check_status": in_turn(job("in_queue", queue_position=4))}
    app = open_app(player(), result=result, tools=checks)
    expect(app.frame.locator("h1")).to_have_text("In the queue, place 4")
    assert app.calls("check_status")[0] == ASKED


@pytest.mark.parametrize("csp", HOSTS)
def test_nothing_is_asked_for_but_the_clip(open_app: Opener, csp: HostName) -> None:
    result = job("in_queue", meta={"first_frame": first_frame()})
    app = open_app(
        player(),
        csp=csp,
        arguments=ARGUMENTS,
        result=result,
        tools={
            "check_status": in_turn(job("completed", video_url=CLIP)),
            "get_result": in_turn(outcome(CLIP)),
        },
    )
    play(app)
    assert app.host.network.asked_origins() == {CLIP.rsplit("/", 1)[0]}
    assert app.host.complaints == []


def test_two_players_do_not_disturb_each_other(open_app: Opener) -> None:
    host = open_app.host()
    queued = job("in_queue", queue_position=1, request_id="one")
    completed = job("completed", video_url=CLIP, request_id="two")
    # What is out of sight does not play.
    one = host.show(
        player(),
        result=job("in_queue", request_id="one"),
        tools={"check_status": in_turn(queued)},
        fits=True,
    )
    two = host.show(
        player(),
        result=job("in_queue", request_id="two"),
        tools={"check_status": in_turn(completed), "get_result": lambda _: HELD},
        fits=True,
    )
    expect(one.frame.locator("h1")).to_have_text("In the queue, place 1")
    play(two)
    # A frame can reach its neighbours, but only the host is listened to.
    failed = job("failed", request_id="one")
    two.frame.evaluate(
        "message => parent.frames[0].postMessage(message, '*')",
        {"jsonrpc": "2.0", "method": "ui/notifications/tool-result", "params": failed},
    )
    one.wait_for("tools/call", 2)
    expect(one.frame.locator("h1")).to_have_text("In the queue, place 1")
    assert {each["request_id"] for each in one.calls()} == {"one"}
    assert {each["request_id"] for each in two.calls()} == {"two"}
    assert host.complaints == []
