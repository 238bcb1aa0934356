"""How the gallery looks: wide and narrow, light and dark, from right to left, without motion."""

from typing import Literal

import pytest
from playwright.sync_api import expect

from .support.app import App
from .support.clips import Clips, clip_job, some_of_each
from .support.gallery import cards, in_chat, wait_for_cards
from .support.opener import Opener
from .support.policies import HostName

MIXED = Clips([*some_of_each(), *(clip_job(number) for number in range(10, 27))])


def overflows(app: App) -> list[str]:
    """Return the names of what is wider than the page."""
    return app.frame.evaluate(
        "[...document.querySelectorAll('main *')].filter(node => {"
        " const {left, right} = node.getBoundingClientRect();"
        " return !node.closest('.unseen') && (left < 0 || right > innerWidth); }"
        ").map(node => node.className || node.tagName)"
    )


@pytest.mark.parametrize(
    ("theme", "width", "csp"),
    [
        ("light", 320, "spec"),
        ("dark", 320, "inspector"),
        ("light", 640, "vscode"),
        ("dark", 640, "spec"),
        ("light", 1200, "inspector"),
        ("dark", 1200, "goose"),
    ],
)
def test_every_width_and_theme_fits_and_is_accessible_in_every_host(
    open_app: Opener, width: int, theme: Literal["light", "dark"], csp: HostName
) -> None:
    app = in_chat(open_app, MIXED, width=width, theme=theme, csp=csp)
    wait_for_cards(app.frame, 24)
    expect(app.frame.locator("canvas")).not_to_have_count(0)
    assert overflows(app) == []
    assert app.violations() == []
    buttons = app.frame.locator(":is(button, select, input, a.button):visible")
    heights = buttons.evaluate_all("nodes => nodes.map(node => node.offsetHeight)")
    assert min(heights) >= 32
    assert app.host.complaints == []
    app.screenshot(f"gallery-{theme}-{width}")


def test_colours_of_the_host_are_taken_on(open_app: Opener) -> None:
    styles = {"--color-background-primary": "rgb(1, 2, 3)", "--color-text-primary": "#eee"}
    app = in_chat(open_app, MIXED, theme="dark", styles=styles)
    wait_for_cards(app.frame, 24)
    colours = app.frame.evaluate(
        "(({backgroundColor, color}) => [backgroundColor, color])(getComputedStyle(document.body))"
    )
    assert colours == ["rgb(1, 2, 3)", "rgb(238, 238, 238)"]


def test_from_right_to_left_the_first_card_stands_at_the_right(open_app: Opener) -> None:
    app = in_chat(open_app, MIXED, locale="ar", width=1200)
    wait_for_cards(app.frame, 24)
    assert app.frame.evaluate("document.documentElement.dir") == "rtl"
    first, second = (cards(app.frame).nth(number).bounding_box() for number in (0, 1))
    assert first
    assert second
    assert first["x"] > second["x"]
    assert overflows(app) == []
    assert app.violations() == []
    app.screenshot("gallery-rtl")


@pytest.mark.parametrize("reduced", [True, False])
def test_nothing_moves_for_a_person_who_wants_less_motion(open_app: Opener, reduced: bool) -> None:
    app = in_chat(open_app, MIXED, reduced_motion=reduced)
    wait_for_cards(app.frame, 24)
    moving = app.frame.evaluate("document.getAnimations().length")
    assert (moving == 0) is reduced


def test_the_frame_is_as_high_as_its_content_and_stays_so(open_app: Opener) -> None:
    app = in_chat(open_app, MIXED, width=640, fits=True)
    wait_for_cards(app.frame, 24)
    expect(app.frame.locator("canvas")).not_to_have_count(0)
    app.host.page.wait_for_function(
        "([app]) => app.frame.offsetHeight > 1000"
        " && app.frame.offsetHeight === app.messages.findLast("
        "each => each.method?.endsWith('size-changed')).params.height",
        arg=app.host.page.evaluate_handle("apps"),
    )
    app.wait_until("document.documentElement.scrollHeight === innerHeight")
    told = len(app.sent("ui/notifications/size-changed"))
    for _ in range(10):
        app.host.page.mouse.wheel(0, 500)
    expect(cards(app.frame).last).to_be_in_viewport()
    app.ask("ping")
    assert len(app.sent("ui/notifications/size-changed")) == told


def test_the_sign_to_play_keeps_its_shape_in_forced_colours(open_app: Opener) -> None:
    app = in_chat(open_app, Clips([clip_job()]))
    app.host.page.emulate_media(forced_colors="active")
    wait_for_cards(app.frame, 1)
    side = "getComputedStyle(document.querySelector('li .play'), '::after').borderTopColor"
    assert app.frame.evaluate(side) == "rgba(0, 0, 0, 0)"
