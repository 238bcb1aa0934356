"""How the player looks, and that everyone can use it."""

import re
from typing import Literal

import pytest
from playwright.sync_api import expect

from .support.app import SHOTS, Json, in_turn
from .support.network import CLIP, UNPLAYABLE
from .support.opener import Opener
from .support.player import (
    ARGUMENTS,
    FACTS,
    PROMPT,
    error,
    expect_texts,
    expect_visible,
    first_frame,
    job,
    outcome,
    play,
    player,
    queued_until_cancel,
)
from .support.policies import HostName

MOST_BYTES = 16 * 1024
FRAME: Json = {"first_frame": first_frame()}
WARNING = "The image has another aspect ratio than the clip, so its edges are cut off."
STATES: dict[str, Json] = {
    "checked": job("checked", request_id=None, warnings=[WARNING]),
    "submitting": job("submitting", request_id=None),
    "in_queue": job("in_queue", queue_position=3, meta=FRAME),
    "in_progress": job("in_progress", elapsed_seconds=42.0, meta=FRAME),
    "late": job("in_progress", elapsed_seconds=85.0),
    "completed": job("completed", video_url=CLIP, meta=FRAME),
    "unplayable": job("completed", video_url=UNPLAYABLE, meta=FRAME),
    "no_video": job("completed", meta=FRAME),
    "failed": job("failed", error="The prompt was refused by the model's filter.", meta=FRAME),
    "cancelled": job("cancelled"),
    "unknown": job("unknown", request_id=None),
    "error": error("duration: 7 is not allowed; use 5 or 10. Nothing was charged."),
}


@pytest.mark.parametrize(
    ("theme", "width", "csp"),
    [
        ("light", 320, "spec"),
        ("dark", 320, "vscode"),
        ("light", 1200, "goose"),
        ("dark", 1200, "inspector"),
    ],
)
def test_every_state_can_be_read_by_everyone_in_every_host(
    open_app: Opener, theme: Literal["light", "dark"], width: int, csp: HostName
) -> None:
    host = open_app.host(theme=theme, width=width, csp=csp, reduced_motion=True)
    # Frames that are out of sight are not laid out.
    host.page.set_viewport_size({"width": width, "height": 6000})
    for name, result in {"request": None, "stopped": None, **STATES}.items():
        app = host.show(
            player(),
            arguments=ARGUMENTS,
            fits=True,
            tools={"check_status": in_turn(result or {}), "get_result": in_turn(outcome())},
            **({"result": result} if result else {}),
        )
        app.wait_for("ui/notifications/size-changed")
        title = app.frame.locator("h1")
        if result:
            expect(title).not_to_have_text(re.compile("Waiting for"))
        if name == "stopped":
            app.send_cancelled("The person pressed Stop.")
            expect(title).to_have_text("The call was cancelled")
        if name == "unplayable":
            expect_visible(app.frame.get_by_text("It cannot be played here"))
        if name == "completed":
            app.frame.locator("video").evaluate(
                "v => v.readyState > 1 || new Promise(done => v.onloadeddata = done)"
            )
        assert app.violations() == [], name
        overflow = app.frame.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow == 0, name
    host.page.screenshot(
        path=SHOTS / f"player-{theme}-{width}.png", full_page=True, animations="disabled"
    )
    assert {each for each in host.complaints if "403" not in each} == set()


def test_the_page_has_at_most_sixteen_kilobytes() -> None:
    assert len(player().html.encode()) <= MOST_BYTES


def test_everything_can_be_done_with_the_keyboard(open_app: Opener) -> None:
    app = open_app(
        player(),
        arguments=ARGUMENTS,
        result=job("in_queue"),
        tools={
            **queued_until_cancel(error("Too late."), job("completed", video_url=CLIP)),
            "get_result": in_turn(outcome(CLIP)),
        },
        fake_time=True,
    )
    keyboard, cancel = app.host.page.keyboard, app.frame.get_by_role("button", name="Cancel")
    app.wait_for("tools/call")
    app.element.focus()
    keyboard.press("Tab")
    expect(cancel).to_be_focused()
    ring = cancel.evaluate("button => getComputedStyle(button).outline")
    assert "solid 2px" in ring
    keyboard.press("Enter")
    # The button has gone, so the focus is where the news are.
    expect(app.frame.locator("h1")).to_be_focused(timeout=20_000)
    play(app)
    for button in ("Open", "Continue from its last frame", "Save"):
        keyboard.press("Tab")
        expect(app.frame.get_by_role("button", name=button)).to_be_focused()
        keyboard.press("Space")
    assert app.wait_for("ui/open-link") == [{"url": CLIP}]
    assert len(app.wait_for("ui/message")) == 1
    assert len(app.wait_for("ui/download-file")) == 1
    keyboard.press("Shift+Tab")
    keyboard.press("Shift+Tab")
    keyboard.press("Shift+Tab")
    expect(app.frame.locator("video")).to_be_focused()
    heights = app.frame.locator("button:visible").evaluate_all(
        "buttons => buttons.map(each => each.getBoundingClientRect().height)"
    )
    assert min(heights) >= 32


def test_the_host_says_which_colours_and_which_theme(open_app: Opener) -> None:
    ours = {"--color-background-primary": "rgb(1, 2, 3)", "--color-text-primary": "rgb(250, 0, 0)"}
    app = open_app(player(), result=job("in_progress"), theme="dark", styles=ours)
    expect(app.frame.locator("html")).to_have_attribute("data-theme", "dark")
    expect(app.frame.locator("body")).to_have_css("background-color", "rgb(1, 2, 3)")
    expect(app.frame.locator("h1")).to_have_css("color", "rgb(250, 0, 0)")
    expect(app.frame.locator("html")).to_have_css("color-scheme", "dark")
    variables = {"--color-text-primary": "#000", "display": "none"}
    app.change_context(theme="light", styles={"variables": variables})
    expect(app.frame.locator("html")).to_have_css("color-scheme", "light")
    expect(app.frame.locator("h1")).to_have_css("color", "rgb(0, 0, 0)")
    expect(app.frame.locator("h1")).to_be_visible()


@pytest.mark.parametrize(
    ("locale", "direction"), [("ar-EG", "rtl"), ("he", "rtl"), ("de-DE", "ltr")]
)
def test_it_runs_from_right_to_left_where_people_read_so(
    open_app: Opener, locale: str, direction: str
) -> None:
    queued, tools = job("in_queue"), {"check_status": in_turn(job("in_queue"))}
    app = open_app(
        player(), arguments=ARGUMENTS, result=queued, tools=tools, locale=locale, width=700
    )
    root = app.frame.locator("html")
    expect(root).to_have_attribute("lang", locale)
    expect(root).to_have_attribute("dir", direction)
    expect_texts(app, "In the queue", PROMPT, f"{FACTS} · about $0.175", "Cancel")
    stage, title = (app.frame.locator(each).bounding_box() for each in ("figure", "h1"))
    assert stage
    assert title
    assert (stage["x"] > title["x"]) == (direction == "rtl")
    assert app.violations() == []
    app.screenshot(f"player-{locale}")


def test_motion_is_left_out_where_people_want_less(open_app: Opener) -> None:
    moving = open_app(player(), result=job("in_progress"))
    still = open_app(player(), result=job("in_progress"), reduced_motion=True)
    for app, name in ((moving, "breathe"), (still, "none")):
        expect(app.frame.locator("figure")).to_have_css("animation-name", name)
