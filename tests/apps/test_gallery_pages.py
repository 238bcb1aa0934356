"""Further pages of the gallery, its filters, and news of open jobs."""

from playwright.sync_api import expect

from .support.app import HELD, App, Json, Refused
from .support.clips import Clips, clip_job, clips, open_job
from .support.gallery import cards, in_chat, wait_for_cards
from .support.opener import Opener

TYPE = """(field, words) => {
  for (const letter of words) {
    field.value += letter;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}"""
"""Types as fast as nobody can, since time passes meanwhile."""


def ids(app: App) -> list[str]:
    """Return the jobs on the page, in order."""
    return app.frame.evaluate("[...grid.children].map(node => node.card.job.id)")


def names(*numbers: int) -> list[str]:
    """Return the ids of jobs by their numbers."""
    return [f"request-{number}" for number in numbers]


def hide(app: App, *, hidden: bool) -> None:
    """Have the page believe that the person looks elsewhere."""
    word = "true" if hidden else "false"
    app.frame.evaluate(
        f"Object.defineProperty(document, 'hidden', {{value: {word}, configurable: true}});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )


def test_more_pages_come_on_a_click_and_the_focus_goes_to_what_is_new(open_app: Opener) -> None:
    app = in_chat(open_app, clips(61))
    more = app.frame.get_by_role("button", name="Show more")
    for shown in (24, 48):
        wait_for_cards(app.frame, shown)
        expect(app.frame.locator("#count")).to_have_text(f"{shown} of 61 clips")
        more.focus()
        app.host.page.keyboard.press("Enter")
        expect(cards(app.frame).nth(shown).locator(".play")).to_be_focused()
    expect(app.frame.locator("#count")).to_have_text("61 clips")
    assert ids(app) == names(*range(61))
    expect(more).to_be_hidden()
    pages = [{"uri": f"seedance://gallery/{number}"} for number in (1, 2, 3)]
    assert app.sent("resources/read") == pages


def test_a_page_that_cannot_be_read_says_so_and_is_tried_again(open_app: Opener) -> None:
    listed = clips(30)
    app = in_chat(open_app, listed)
    wait_for_cards(app.frame, 24)
    app.wait_for("resources/read")

    def fail(_: object) -> Json:
        raise Refused("The ledger is locked.")

    app.resources = fail
    app.tools["list_jobs"] = fail
    app.frame.get_by_role("button", name="Show more").click()
    expect(app.frame.locator("#message p")).to_have_text(
        "The clips cannot be read. The ledger is locked."
    )
    app.resources = listed.read
    app.frame.get_by_role("button", name="Try again").click()
    wait_for_cards(app.frame, 30)
    expect(app.frame.locator("#message")).to_be_hidden()


def test_words_are_looked_for_once_the_person_stops_typing(open_app: Opener) -> None:
    listed = clips(8)
    app = in_chat(open_app, listed, fake_time=True)
    app.wait_for("resources/read")
    app.frame.get_by_label("Words").evaluate(TYPE, "fox & snow")
    app.pass_time(1)
    asked = app.wait_for("resources/read", 2)
    assert asked[1:] == [{"uri": "seedance://gallery/1?words=fox+%26+snow"}]
    expect(app.frame.locator("#message p")).to_have_text("No clip matches.")
    assert app.violations() == []
    app.screenshot("gallery-nothing-matches")
    app.frame.get_by_role("button", name="Show all").click()
    wait_for_cards(app.frame, 8)
    expect(app.frame.get_by_label("State")).to_be_focused()
    expect(app.frame.get_by_label("Words")).to_have_value("")


def test_both_filters_hold_at_once_and_the_count_is_spoken_when_it_changes(
    open_app: Opener,
) -> None:
    listed = Clips([clip_job(0), clip_job(1), clip_job(5), open_job(9)])
    app = in_chat(open_app, listed)
    wait_for_cards(app.frame, 4)
    app.wait_for("resources/read")
    app.frame.evaluate(
        "window.spoken = []; new MutationObserver(() => spoken.push(count.textContent))"
        ".observe(count, {childList: true})"
    )
    app.frame.get_by_label("Words").fill("FOX")
    wait_for_cards(app.frame, 3)
    app.frame.get_by_label("State").select_option("Completed")
    wait_for_cards(app.frame, 2)
    assert app.sent("resources/read")[-1] == {
        "uri": "seedance://gallery/1?status=completed&words=FOX"
    }
    app.frame.get_by_label("Words").fill("fox wakes")
    app.wait_for("resources/read", 4)
    app.ask("ping")
    assert app.frame.evaluate("spoken") == ["3 clips", "2 clips"]


def test_an_answer_to_an_earlier_filter_is_dropped(open_app: Opener) -> None:
    listed = Clips([clip_job(0), clip_job(1, status="failed")])
    app = in_chat(
        open_app,
        listed,
        resources=None,
        answers={"resources/read": lambda _: HELD},
        capabilities={"serverResources": {}},
    )
    wait_for_cards(app.frame, 2)
    app.frame.get_by_label("State").select_option("cancelled")
    app.wait_for("resources/read", 2)
    app.answers["resources/read"] = lambda asked: listed.read(asked["uri"])
    app.frame.get_by_label("State").select_option("failed")
    wait_for_cards(app.frame, 1)
    late = [
        {"result": listed.read("seedance://gallery/1")},
        {"error": {"code": -32603, "message": "Too late"}},
    ]
    for number, answer in zip((-3, -2), late, strict=True):
        app.host.page.evaluate(
            "([at, answer]) => send(apps[0], {id: apps[0].messages.filter("
            "each => each.method === 'resources/read').at(at).id, ...answer})",
            [number, answer],
        )
    app.ask("ping")
    assert ids(app) == names(1)
    expect(app.frame.locator("main")).not_to_contain_text("Too late")


def test_open_jobs_are_looked_at_every_ten_seconds_until_they_end(open_app: Opener) -> None:
    listed = Clips([open_job(1), clip_job(2)])
    app = in_chat(open_app, listed, fake_time=True)
    app.wait_for("resources/read")
    app.ask("ping")
    listed.jobs[:1] = [open_job(0, "submitting"), clip_job(1, usd=0.25)]
    app.pass_time(4)
    assert len(app.sent("resources/read")) == 1
    app.pass_time(7)
    wait_for_cards(app.frame, 3)
    assert ids(app) == names(0, 1, 2)
    known = cards(app.frame).nth(1)
    expect(known.locator("p").nth(1)).to_have_text("Completed · 5 s · $0.25")
    expect(known.get_by_role("button", name="Play")).to_be_visible()
    listed.jobs[0] = clip_job(0)
    app.pass_time(11)
    expect(cards(app.frame).first.get_by_role("button", name="Play")).to_be_visible()
    app.pass_time(60)
    assert len(app.sent("resources/read")) == 3
    assert app.calls() == []


def test_nothing_is_looked_at_while_the_person_looks_elsewhere(open_app: Opener) -> None:
    app = in_chat(open_app, Clips([open_job(0)]), fake_time=True)
    app.wait_for("resources/read")
    app.ask("ping")
    hide(app, hidden=True)
    app.pass_time(60)
    assert len(app.sent("resources/read")) == 1
    hide(app, hidden=False)
    app.pass_time(11)
    app.wait_for("resources/read", 2)


def test_a_look_that_fails_is_repeated_a_minute_later(open_app: Opener) -> None:
    listed = Clips([open_job(0)])
    app = in_chat(open_app, listed, fake_time=True, capabilities={"serverResources": {}})
    app.wait_for("resources/read")
    app.ask("ping")

    def fail(_: object) -> Json:
        raise Refused("Not now.")

    app.resources = fail
    for count in (2, 3):
        app.pass_time(61)
        app.wait_for("resources/read", count)
        app.ask("ping")
    listed.jobs[0] = clip_job(0)
    app.resources = listed.read
    app.pass_time(50)
    assert len(app.sent("resources/read")) == 3
    app.pass_time(11)
    expect(app.frame.get_by_role("button", name="Play")).to_be_visible()


def test_what_no_longer_fits_the_filter_goes(open_app: Opener) -> None:
    listed = Clips([open_job(number) for number in range(26)])
    arguments = {"status": "in_queue"}
    app = in_chat(
        open_app, listed, arguments=arguments, result=listed.result("in_queue"), fake_time=True
    )
    app.wait_for("resources/read")
    app.ask("ping")
    listed.jobs[1] = clip_job(1)
    app.pass_time(11)
    expect(app.frame.locator("#count")).to_have_text("24 of 25 clips")
    assert ids(app) == names(0, *range(2, 25))


def test_two_thousand_jobs_are_reached_with_a_bounded_page(open_app: Opener) -> None:
    app = in_chat(open_app, clips(2000))
    more, newest = (
        app.frame.get_by_role("button", name=name) for name in ("Show more", "Back to the newest")
    )
    for page in range(1, 11):
        wait_for_cards(app.frame, page * 24)
        more.click()
    wait_for_cards(app.frame, 24)
    assert ids(app) == names(*range(240, 264))
    expect(cards(app.frame).first.locator(".play")).to_be_focused()
    newest.click()
    expect(newest).to_be_hidden()
    wait_for_cards(app.frame, 24)
    assert ids(app) == names(*range(24))
