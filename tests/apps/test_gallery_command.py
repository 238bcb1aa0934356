"""The gallery outside of a chat, as `seedance-mcp gallery` serves it."""

from base64 import b64decode

from playwright.sync_api import Browser, expect

from .support.accessibility import violations
from .support.clips import Clips, clip_job, clips, open_job, poster, some_of_each
from .support.gallery import cards, from_command, wait_for_cards
from .support.network import CLIP, EXPIRED

TIMES_BARE_CARDS = 6
"""How much longer the page may compute for its cards than Chromium does for copies of them.

It takes 2 to 3 times as long, and 19 times where each card has the page laid out again.
"""

SHOW_ALL = """async () => {
  while (!more.hidden) {
    more.scrollIntoView();
    const added = (done) => new MutationObserver(done).observe(grid, { childList: true });
    await new Promise(added);
    await new Promise(requestAnimationFrame);
  }
}"""

COPY_PAGES = """async (pages) => {
  for (let page = 0; page < pages; page += 1) {
    const copies = grid.cloneNode(false);
    copies.append(...[...grid.children].slice(0, 24).map((each) => each.cloneNode(true)));
    grid.after(copies);
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
  }
}"""


def test_every_clip_is_there_without_a_host(browser: Browser, clip: bytes) -> None:
    command = from_command(browser, clip, Clips(list(some_of_each())))
    wait_for_cards(command.page, 7)
    expect(command.page.get_by_role("heading", name="Your clips")).to_be_visible()
    done = cards(command.page).nth(3)
    buttons = done.locator(".actions > *:visible")
    assert buttons.all_inner_texts() == ["Open", "Copy ID"]
    assert command.requested == ["data?page=1"]
    assert violations(command.page.main_frame) == []
    command.screenshot("gallery-command")


def test_a_saved_clip_is_played_from_the_disk_and_can_be_opened(
    browser: Browser, clip: bytes
) -> None:
    name = "a b/../é?"
    path = "clip/a%20b%2F..%2F%C3%A9%3F"
    listed = Clips([clip_job(id=name, saved=True)])
    command = from_command(browser, clip, listed, files={path: clip})
    command.page.locator(".play").click()
    video = command.page.locator("video")
    expect(video).to_have_class("ready")
    assert set(command.requested) == {"data?page=1", path}
    link = command.page.get_by_role("link", name="Open")
    assert link.evaluate("a => [a.getAttribute('href'), a.target, a.rel]") == [
        *(path, "_blank", "noreferrer")
    ]
    assert command.complaints == []


def test_a_file_that_is_gone_leaves_the_link_and_then_the_command_to_use(
    browser: Browser, clip: bytes
) -> None:
    listed = Clips([clip_job(0, saved=True), clip_job(1, saved=True, video_url=EXPIRED)])
    command = from_command(browser, clip, listed)
    command.page.locator(".play").nth(0).click()
    expect(command.page.locator("video")).to_have_class("ready")
    command.page.locator(".play").nth(1).click()
    said = "Its link expired. Download it: seedance-mcp jobs get request-1"
    expect(cards(command.page).nth(1).locator(".note")).to_have_text(said)
    asked = [url for url in command.requested if not url.startswith(("data", "poster"))]
    assert asked == ["clip/request-0", CLIP, "clip/request-1", EXPIRED]


def test_posters_that_are_not_in_the_page_are_asked_for(browser: Browser, clip: bytes) -> None:
    listed = Clips([clip_job(number, poster=None) for number in range(2)])
    jpeg = b64decode(poster())
    command = from_command(browser, clip, listed, files={"poster/request-0": jpeg})
    expect(command.page.locator("img")).to_have_count(1)
    assert command.page.locator("img").evaluate("img => img.naturalWidth") == 192
    assert sorted(command.requested[1:]) == ["poster/request-0", "poster/request-1"]
    assert violations(command.page.main_frame) == []


def test_further_pages_come_as_the_person_scrolls_up_to_a_bound(
    browser: Browser, clip: bytes
) -> None:
    command = from_command(browser, clip, Clips([clip_job(n, poster=None) for n in range(400)]))
    for shown in range(24, 241, 24):
        expect(cards(command.page).nth(shown - 1)).to_be_attached()
        command.page.get_by_role("button", name="Show more").scroll_into_view_if_needed()
    wait_for_cards(command.page, 240)
    pages = [url for url in command.requested if url.startswith("data")]
    assert pages == [f"data?page={number}" for number in range(1, 11)]
    command.page.get_by_role("button", name="Show more").click()
    wait_for_cards(command.page, 24)
    command.page.get_by_role("button", name="Back to the newest").click()
    expect(cards(command.page).first).to_contain_text("12:00 PM")


def test_two_hundred_jobs_come_without_a_stutter(browser: Browser, clip: bytes) -> None:
    command = from_command(browser, clip, clips(200))
    session = command.page.context.new_cdp_session(command.page)
    # The time of the thread itself: that others use the processor too is not counted.
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def computed(script: str, *given: int) -> float:
        before = total()
        command.page.evaluate(script, *given)
        return total() - before

    def total() -> float:
        measured = session.send("Performance.getMetrics")["metrics"]
        values = {each["name"]: each["value"] for each in measured}
        kinds = ("Script", "Layout", "RecalcStyle")
        return sum(values[f"{kind}Duration"] for kind in kinds)

    expect(cards(command.page).nth(23)).to_be_attached()
    shown = computed(SHOW_ALL)
    wait_for_cards(command.page, 200)
    pages = len(command.requested) - 1
    assert pages == 8
    assert shown < TIMES_BARE_CARDS * computed(COPY_PAGES, pages)


def test_filters_and_errors_of_the_command_are_told(browser: Browser, clip: bytes) -> None:
    listed = Clips([clip_job(0), clip_job(1, status="failed")])
    command = from_command(browser, clip, listed)
    wait_for_cards(command.page, 2)
    command.page.get_by_label("Words").fill("fox & snow")
    expect(command.page.locator("#message p")).to_have_text("No clip matches.")
    command.failure = "The ledger is locked."
    command.page.get_by_role("button", name="Show all").click()
    said = "The clips cannot be read. The ledger is locked."
    expect(command.page.locator("#message p")).to_have_text(said)
    command.failure = None
    command.page.get_by_role("button", name="Try again").click()
    wait_for_cards(command.page, 2)
    assert command.requested == [
        *("data?page=1", "data?words=fox+%26+snow&page=1", "data?page=1", "data?page=1")
    ]


def test_open_jobs_are_looked_at_again(browser: Browser, clip: bytes) -> None:
    listed = Clips([open_job(0)])
    command = from_command(browser, clip, listed, fake_time=True)
    wait_for_cards(command.page, 1)
    listed.jobs[0] = clip_job(0)
    command.page.clock.run_for(11_000)
    expect(command.page.locator(".play")).to_be_visible()
    command.page.clock.run_for(60_000)
    assert command.requested == ["data?page=1", "data?page=1"]
