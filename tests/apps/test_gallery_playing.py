"""Clips that play in the gallery in the chat, and what a person does with one."""

import pytest
from playwright.sync_api import Locator, expect

from .support.app import HELD, Answer, App, Json, Refused, in_turn
from .support.clips import Clips, clip_job, clips, open_job
from .support.gallery import cards, in_chat, wait_for_cards
from .support.network import CLIP, EXPIRED, UNPLAYABLE
from .support.opener import Opener
from .support.policies import HOSTS, HostName

LOST = "It does not play: its link expired, or this host lacks its codec."


def end_of(video: Locator) -> list[float]:
    """Return the time and the length of a clip once it has played to its end."""
    return video.evaluate(
        """async (video) => {
          if (!video.ended) await new Promise((done) => video.addEventListener("ended", done));
          return [video.currentTime, video.duration];
        }"""
    )


def a_refusal(_: object) -> Json:
    """Refuse."""
    raise Refused("No.")


def note(app: App) -> Locator:
    """Return the line of the first card that says what came of an action."""
    return cards(app.frame).first.locator(".note")


@pytest.mark.parametrize("csp", HOSTS)
def test_a_click_plays_a_clip_where_it_stands_to_its_end(open_app: Opener, csp: HostName) -> None:
    app = in_chat(open_app, clips(2), csp=csp)
    app.frame.get_by_role("button", name="Play: A paper boat").click()
    video = app.frame.locator("video")
    assert end_of(video) == [1, 1]
    assert video.evaluate("v => [v.controls, v.playsInline, v.muted]") == [True, True, False]
    assert video.get_attribute("aria-label") == f"Clip: {clip_job()['prompt'][:80]}"
    assert app.violations() == []
    assert set(app.host.network.requested) == {CLIP}
    assert app.host.complaints == []
    app.screenshot(f"gallery-playing-{csp}")


def test_one_clip_plays_at_a_time_and_the_focus_comes_back(open_app: Opener) -> None:
    app = in_chat(open_app, clips(3))
    plays = app.frame.locator(".play")
    plays.nth(0).click()
    expect(app.frame.locator("video")).to_be_focused()
    plays.nth(1).click()
    video = app.frame.locator("video")
    expect(video).to_have_count(1)
    assert cards(app.frame).nth(1).locator("video").count() == 1
    app.host.page.keyboard.press("Escape")
    expect(video).to_have_count(0)
    expect(plays.nth(1)).to_be_focused()
    plays.nth(2).click()
    app.frame.get_by_role("button", name="Close").click()
    expect(plays.nth(2)).to_be_focused()
    expect(plays).to_have_count(3)


def test_the_keyboard_alone_reaches_everything(open_app: Opener) -> None:
    app = in_chat(open_app, Clips([clip_job(0), clip_job(1, status="failed")]))
    wait_for_cards(app.frame, 2)
    app.frame.get_by_label("State").focus()
    reached: list[str] = []
    for _ in range(7):
        app.host.page.keyboard.press("Tab")
        reached.append(
            app.frame.evaluate(
                "(({ariaLabel, innerText, id}) => ariaLabel?.slice(0, 4) || innerText || id)"
                "(document.activeElement)"
            )
        )
    one = ["Play", "Continue this one", "Open", "Copy ID", "More"]
    assert reached == ["words", *one, "Copy ID"]
    cards(app.frame).first.locator(".play").focus()
    app.host.page.keyboard.press("Enter")
    expect(app.frame.locator("video")).to_be_focused()
    app.host.page.keyboard.press("Escape")
    expect(cards(app.frame).first.locator(".play")).to_be_focused()


def test_a_clip_that_plays_is_not_disturbed_by_news(open_app: Opener) -> None:
    listed = Clips([open_job(1), clip_job(2)])
    app = in_chat(open_app, listed, fake_time=True)
    app.wait_for("resources/read")
    app.frame.locator(".play:visible").click()
    video = app.frame.locator("video").element_handle()
    listed.jobs[:] = [open_job(0), clip_job(1), clip_job(2, usd=1)]
    app.pass_time(11)
    wait_for_cards(app.frame, 3)
    expect(cards(app.frame).nth(2).locator("p").nth(1)).to_have_text("Completed · 5 s · $1.00")
    assert video.evaluate("v => v.isConnected && v.src.length > 0")
    expect(cards(app.frame).nth(2).locator(".play")).to_be_hidden()


def test_an_expired_link_is_asked_for_once(open_app: Opener) -> None:
    fresh = {"content": [], "structuredContent": {"videos": [CLIP]}}
    listed = Clips([clip_job(video_url=EXPIRED)])
    app = in_chat(open_app, listed, tools={"get_result": lambda _: fresh}, files={EXPIRED: 403})
    app.frame.locator(".play").click()
    assert end_of(app.frame.locator("video")) == [1, 1]
    assert app.calls() == [{"request_id": "request-0"}]


def test_a_clip_that_cannot_be_played_says_so(open_app: Opener) -> None:
    answers: list[Json] = [
        {"content": [], "structuredContent": {"videos": [UNPLAYABLE]}},
        {"content": [], "structuredContent": {"videos": "none"}},
        {"content": [], "isError": True},
        {"content": [], "structuredContent": {"videos": ["javascript:alert(1)"]}},
    ]
    listed = Clips([clip_job(number, video_url=EXPIRED) for number in range(len(answers) + 1)])
    app = in_chat(open_app, listed)
    wait_for_cards(app.frame, len(listed.jobs))
    for card, answer in zip(cards(app.frame).all(), [*answers, None], strict=True):
        app.tools["get_result"] = a_refusal if answer is None else in_turn(answer)
        card.locator(".play").click()
        expect(card.locator(".note")).to_have_text(LOST)
        expect(card.locator(".play")).to_be_focused()
    expect(app.frame.locator("#said")).to_have_text(LOST)
    expect(app.frame.locator("video")).to_have_count(0)
    assert app.calls() == [{"request_id": f"request-{number}"} for number in range(5)]
    assert app.violations() == []


def test_a_host_without_tools_plays_what_it_can(open_app: Opener) -> None:
    listed = Clips([clip_job(video_url=EXPIRED)])
    app = in_chat(open_app, listed, capabilities={"serverResources": {}})
    app.frame.locator(".play").click()
    expect(note(app)).to_have_text(LOST)
    assert app.calls() == []


def test_continue_hands_a_message_to_the_chat_on_a_click_only(open_app: Opener) -> None:
    app = in_chat(open_app, clips(1))
    wait_for_cards(app.frame, 1)
    assert app.sent("ui/message") == []
    app.frame.get_by_role("button", name="Continue this one").click()
    text = (
        "Continue the clip request-0: make the next one from its last frame,"
        " seedance://jobs/request-0/last-frame. Ask me what happens in it."
    )
    sent = {"role": "user", "content": [{"type": "text", "text": text}]}
    assert app.wait_for("ui/message") == [sent]
    expect(note(app)).to_have_text("Handed to the chat.")
    app.answers["ui/message"] = lambda _: {"isError": True}
    app.frame.get_by_role("button", name="Continue this one").click()
    expect(note(app)).to_have_text(f"The host took no message. Paste it: {text}")


def test_open_goes_through_the_host_and_never_leaves_the_page(open_app: Opener) -> None:
    app = in_chat(open_app, clips(1))
    app.frame.get_by_role("link", name="Open").click()
    assert app.wait_for("ui/open-link") == [{"url": CLIP}]
    app.answers["ui/open-link"] = a_refusal
    app.frame.get_by_role("link", name="Open").click()
    expect(note(app)).to_have_text(f"The host did not open it. The link: {CLIP}")
    assert app.frame.url.startswith("https://app.test/")
    assert app.host.network.requested == []


def test_the_id_of_a_job_is_copied_or_at_least_shown(open_app: Opener) -> None:
    app = in_chat(open_app, clips(1))
    app.frame.evaluate("document.execCommand = () => false")
    app.frame.get_by_role("button", name="Copy ID").click()
    expect(note(app)).to_have_text("Its request_id: request-0")
    app.frame.evaluate("delete document.execCommand")
    app.frame.get_by_role("button", name="Copy ID").click()
    expect(note(app)).to_have_text("Copied: request-0")
    app.frame.get_by_label("Words").focus()
    app.host.page.keyboard.press("Control+V")
    expect(app.frame.get_by_label("Words")).to_have_value("request-0")


def test_a_second_click_hands_nothing_over_again(open_app: Opener) -> None:
    answers: dict[str, Answer] = {"ui/message": lambda _: HELD}
    app = in_chat(open_app, Clips([clip_job(0), clip_job(1)]), answers=answers)
    wait_for_cards(app.frame, 2)
    go_on = app.frame.get_by_role("button", name="Continue this one").first
    for _ in range(3):
        go_on.click()
    app.ask("ping")
    assert len(app.sent("ui/message")) == 1
    app.answer("ui/message", {})
    expect(note(app)).to_have_text("Handed to the chat.")
    go_on.click()
    app.wait_for("ui/message", 2)


def test_the_focus_stays_in_the_page_when_what_had_it_goes(open_app: Opener) -> None:
    def fail(_: str) -> Json:
        raise Refused("No.")

    listed = Clips([open_job(1), clip_job(2)])
    only = {"serverResources": {}}
    failed = {"content": [], "isError": True}
    app = in_chat(open_app, listed, result=failed, capabilities=only)
    app.resources = fail
    again = app.frame.get_by_role("button", name="Try again")
    again.press("Enter")
    expect(app.frame.locator("#message p")).to_have_text("The clips cannot be read. No.")
    expect(again).to_be_focused()
    app.resources = listed.read
    again.press("Enter")
    wait_for_cards(app.frame, 2)
    expect(app.frame.locator("#title")).to_be_focused()
