"""What a host's style variables may do to the pages, and what texts that are no Unicode may."""

import pytest
from playwright.sync_api import expect

from seedance_mcp.mcp_server.apps.pages import AppPage

from .support.clips import Clips, clip_job
from .support.gallery import GALLERY, cards, in_chat, wait_for_cards
from .support.opener import Opener
from .support.player import job, player

PAGES = pytest.mark.parametrize("page", [player(), GALLERY], ids=lambda page: page.name)
VARIABLES = (
    *("--color-background-primary", "--color-text-primary", "--color-text-secondary"),
    *("--color-border-secondary", "--color-text-info", "--font-sans", "--border-radius-md"),
)
URLS = (
    "url(https://evil.test/a.png)",
    "var(--none, url(https://evil.test/b.png))",
    "image-set('https://evil.test/c.png' 1x)",
    "red; background: url(https://evil.test/d.png)",
)


@PAGES
@pytest.mark.parametrize("url", URLS)
def test_a_style_variable_loads_nothing(open_app: Opener, page: AppPage, url: str) -> None:
    host = open_app.host()
    styles = {"variables": dict.fromkeys(VARIABLES, url), "css": {"fonts": f"@import {url};"}}
    app = host.show(page, result=job("in_queue"), context={"styles": styles})
    app.wait_for("ui/notifications/size-changed")
    app.screenshot(f"{page.name}-styles")
    # A policy that stopped a request would be among the complaints.
    assert host.complaints == []
    assert host.network.requested == []


@PAGES
def test_a_colour_that_is_none_leaves_the_own_one(open_app: Opener, page: AppPage) -> None:
    wrong = "red; } body { display: none"
    styles = {"variables": dict.fromkeys(VARIABLES, wrong)}
    app = open_app(page, result=job("in_queue"), context={"styles": styles})
    app.wait_for("ui/notifications/size-changed")
    colours = (
        "(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))"
    )
    assert app.frame.evaluate(colours) == ["rgb(17, 17, 17)", "rgb(255, 255, 255)"]


def test_ten_thousand_variables_are_not_all_taken(open_app: Opener) -> None:
    many = {f"--color-x{number}": "red" for number in range(10_000)}
    app = open_app(player(), result=job("in_queue"), context={"styles": {"variables": many}})
    app.wait_for("ui/notifications/size-changed")
    assert app.frame.evaluate("document.documentElement.style.length") < 500


def test_half_a_character_in_an_id_harms_nothing(open_app: Opener) -> None:
    odd = [clip_job(0, request_id="\ud83d", id="\ud83d"), clip_job(1, request_id="🎬" * 200)]
    app = in_chat(open_app, Clips(odd))
    wait_for_cards(app.frame, 2)
    for card in cards(app.frame).all():
        card.get_by_role("button", name="Continue this one").click()
        expect(card.locator(".note")).to_have_text("Handed to the chat.")
    assert app.host.complaints == []
