"""The gallery in the chat: what it shows of a list of jobs, and where it gets it from."""

import pytest
from playwright.sync_api import expect

from .support.app import Json, Refused
from .support.clips import Clips, clip_job, clips, some_of_each
from .support.gallery import GALLERY, cards, in_chat, wait_for_cards
from .support.opener import Opener
from .support.policies import HOSTS, HostName

ONLY_TOOLS: Json = {"serverTools": {}}


def refuse(_: object) -> Json:
    """Refuse whatever an app asks for."""
    raise Refused("Not here.")


def test_a_list_is_shown_with_states_costs_models_dates_and_totals(open_app: Opener) -> None:
    app = in_chat(open_app, Clips(list(some_of_each())), width=1200)
    wait_for_cards(app.frame, 7)
    lines = [card.locator("p, .actions").all_inner_texts() for card in cards(app.frame).all()]
    boat, fox, diner, hands = [job["prompt"] for job in clips(4).jobs]
    end, day, model = "Continue this one\nOpen\nCopy ID", "Nov 30, 2026,", " · seedance-1-0-lite"
    error = "The image shows a real person."
    doubt = "No answer came: RunComfy may have charged for it."
    assert lines == [
        [boat, "Submitting · 5 s · ~$0.05", f"{day} 12:00 PM{model}", "", "More"],
        [fox, "In queue · 5 s · ~$0.05", f"{day} 11:00 AM{model}", "", "Copy ID"],
        [diner, "In progress · 5 s · ~$0.05", f"{day} 10:00 AM{model}", "", "Copy ID\nMore"],
        [hands, "Completed · 5 s · ~$0.05", f"{day} 9:00 AM{model}", "", end],
        [boat, "Failed · 5 s · $0.00", f"{day} 8:00 AM{model}", error, "Copy ID\nMore"],
        [fox, "Cancelled · 5 s · $0.00", f"{day} 7:00 AM{model}", "", "Copy ID"],
        [diner, "Unknown · 5 s · cost ?", f"{day} 6:00 AM{model}", doubt, "More"],
    ]
    assert app.frame.locator("#totals p").all_inner_texts() == [
        "Today\n~$1.25\n3 clips · 1 estimated · 1 unknown",
        "This month\n$23.46\n1 clip",
    ]
    expect(app.frame.locator("#count")).to_have_text("7 clips")
    assert app.violations() == []
    app.screenshot("gallery-states")


@pytest.mark.parametrize("csp", HOSTS)
def test_posters_are_drawn_under_the_policy_of_every_host(open_app: Opener, csp: HostName) -> None:
    app = in_chat(open_app, clips(4), csp=csp)
    expect(app.frame.locator("canvas")).to_have_count(4)
    sizes = app.frame.evaluate("[...document.querySelectorAll('canvas')].map(c => c.width)")
    assert sizes == [192] * 4
    assert app.host.network.requested == []
    assert app.host.complaints == []


def test_a_whole_prompt_is_shown_on_demand(open_app: Opener) -> None:
    app = in_chat(open_app, Clips([clip_job(prompt="A word. " * 60)]))
    prompt, more = app.frame.locator(".prompt"), app.frame.get_by_role("button", name="More of")
    height = prompt.evaluate("node => node.clientHeight")
    more.click()
    expect(more).to_have_attribute("aria-expanded", "true")
    assert prompt.evaluate("node => node.clientHeight") > 3 * height
    more.click()
    assert prompt.evaluate("node => node.clientHeight") == height


def test_blank_cards_wait_for_the_list(open_app: Opener) -> None:
    listed = clips(1)
    app = in_chat(open_app, listed, result=None)
    expect(app.frame.locator(".blank")).to_have_count(6)
    expect(app.frame.locator("#grid")).to_have_attribute("aria-busy", "true")
    app.screenshot("gallery-waiting")
    app.send_result(listed.result())
    wait_for_cards(app.frame, 1)
    expect(app.frame.locator(".blank")).to_have_count(0)
    expect(app.frame.locator("#grid")).to_have_attribute("aria-busy", "false")


def test_a_result_without_the_page_leads_to_reading_it(open_app: Opener) -> None:
    listed = clips(30)
    app = in_chat(open_app, listed, result=listed.list_jobs({}))
    wait_for_cards(app.frame, 24)
    assert app.sent("resources/read") == [{"uri": "seedance://gallery/1"}]
    expect(app.frame.locator("#count")).to_have_text("24 of 30 clips")


def test_a_host_that_reads_no_resources_is_asked_for_the_list(open_app: Opener) -> None:
    listed = clips(60)
    listed.jobs[30]["prompt"] = "A RED balloon"
    given = listed.list_jobs({"limit": 20})
    app = in_chat(open_app, listed, result=given, capabilities=ONLY_TOOLS, resources=refuse)
    wait_for_cards(app.frame, 20)
    assert app.frame.locator("#totals p").all_inner_texts() == ["Last 24 hours\n$0.50"]
    app.frame.get_by_label("Words").fill("red BALLOON")
    wait_for_cards(app.frame, 1)
    expect(app.frame.locator("#count")).to_have_text("1 clip")
    app.frame.get_by_label("Words").fill("")
    wait_for_cards(app.frame, 24)
    for count in (48, 60):
        app.frame.get_by_role("button", name="Show more").click()
        wait_for_cards(app.frame, count)
    app.frame.get_by_label("State").select_option("failed")
    expect(app.frame.locator("#message p")).to_have_text("No clip matches.")
    asked: Json = {"limit": 100}
    assert app.calls() == [asked, asked, asked | {"status": "failed"}]
    assert app.sent("resources/read") == []


def test_a_host_that_refuses_to_read_is_asked_for_the_list(open_app: Opener) -> None:
    listed = clips(3)
    app = in_chat(open_app, listed, result=listed.list_jobs({}), resources=refuse)
    wait_for_cards(app.frame, 3)
    assert app.calls("list_jobs") == [{"limit": 100}]


def test_a_host_that_lets_pages_do_nothing_still_shows_the_list(open_app: Opener) -> None:
    app = in_chat(open_app, Clips([*clips(23).jobs, clip_job(99, prompt="Last")]), capabilities={})
    wait_for_cards(app.frame, 24)
    app.frame.get_by_label("Words").fill("last")
    wait_for_cards(app.frame, 1)
    assert {"tools/call", "resources/read"} & set(app.methods()) == set()


def test_the_filter_of_the_call_is_that_of_the_gallery(open_app: Opener) -> None:
    listed = Clips(list(some_of_each()))
    result = listed.result("failed")
    app = in_chat(open_app, listed, arguments={"status": "failed"}, result=result)
    wait_for_cards(app.frame, 1)
    expect(app.frame.get_by_label("State")).to_have_value("failed")


def test_an_empty_ledger_says_so(open_app: Opener) -> None:
    app = in_chat(open_app, clips(0), theme="dark")
    said = "No clips yet: ask an assistant for one."
    expect(app.frame.locator("#message")).to_have_text(said)
    assert not app.frame.locator("#filters").is_visible()
    assert app.violations() == []
    app.screenshot("gallery-empty")


def test_an_error_of_the_tool_is_shown_and_the_list_can_be_tried_again(open_app: Opener) -> None:
    failed = {"isError": True, "content": [{"type": "text", "text": "The ledger is damaged."}]}
    app = in_chat(open_app, clips(2), result=failed)
    expect(app.frame.locator("#message p")).to_have_text("The ledger is damaged.")
    assert app.violations() == []
    app.screenshot("gallery-error")
    app.frame.get_by_role("button", name="Try again").click()
    wait_for_cards(app.frame, 2)
    expect(app.frame.locator("#message")).to_be_hidden()


def test_a_cancelled_call_says_so_and_the_list_can_be_had(open_app: Opener) -> None:
    app = in_chat(open_app, clips(2), result=None)
    app.send_cancelled("The person stopped it.")
    expect(app.frame.locator("#message p")).to_have_text("The list was cancelled.")
    app.frame.get_by_role("button", name="Show it").click()
    wait_for_cards(app.frame, 2)


def test_a_result_that_never_comes_is_read(open_app: Opener) -> None:
    app = in_chat(open_app, clips(2), result=None, fake_time=True)
    app.pass_time(7)
    assert app.sent("resources/read") == []
    app.pass_time(5)
    wait_for_cards(app.frame, 2)


def test_a_host_that_never_answers_leaves_a_sentence_not_a_blank(open_app: Opener) -> None:
    app = open_app(GALLERY, answers_handshake=False, fake_time=True)
    app.wait_for("ui/initialize")
    app.pass_time(12)
    expect(app.frame.locator("#message p")).to_have_text(
        "The clips cannot be read. The host sent none."
    )


def test_a_result_that_is_sent_twice_changes_nothing(open_app: Opener) -> None:
    listed = clips(30)
    app = in_chat(open_app, listed)
    wait_for_cards(app.frame, 24)
    app.frame.get_by_role("button", name="Show more").click()
    wait_for_cards(app.frame, 30)
    app.send_result(listed.result())
    app.ask("ping")
    wait_for_cards(app.frame, 30)


def test_a_chat_that_is_opened_again_shows_the_jobs_of_now(open_app: Opener) -> None:
    now = clips(60)
    app = in_chat(open_app, now, result=Clips(now.jobs[40:]).result())
    expect(app.frame.locator("#count")).to_have_text("24 of 60 clips")
    assert app.frame.evaluate("grid.firstChild.card.job.id") == "request-0"


def test_a_gallery_that_is_torn_down_asks_for_nothing_more(open_app: Opener) -> None:
    app = in_chat(open_app, Clips(list(some_of_each())), fake_time=True)
    app.wait_for("resources/read")
    assert app.ask("ui/resource-teardown")["result"] == {}
    app.pass_time(60)
    assert len(app.sent("resources/read")) == 1
