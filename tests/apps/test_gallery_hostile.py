"""What the gallery does with data that means harm, or is of the wrong type."""

from base64 import b64encode
from typing import Any

from playwright.sync_api import expect

from .support.app import Json
from .support.clips import Clips, clip_job, clips, poster
from .support.gallery import GALLERY, cards, in_chat, listing, wait_for_cards
from .support.opener import Opener

HTML = "<img src=x onerror=\"document.title='harm'\"><script>document.title='harm'</script>"
WRONG: tuple[Any, ...] = (None, True, -1, 1e300, "", "x" * 20_000, [], [[]], {}, {"a": {}}, HTML)
FIELDS = (
    *("id", "request_id", "status", "prompt", "model", "created_at", "seconds", "usd"),
    *("estimated", "video_url", "saved", "error", "poster"),
)


def test_html_is_shown_as_text(open_app: Opener) -> None:
    job = clip_job(prompt=HTML, model=HTML, request_id=HTML)
    failed = clip_job(1, status="failed", error=HTML)
    odd = clip_job(2, status=HTML)
    app = in_chat(open_app, Clips([job, failed, odd]))
    wait_for_cards(app.frame, 3)
    assert cards(app.frame).locator(".prompt").first.text_content() == HTML
    assert cards(app.frame).nth(1).locator(".note").text_content() == HTML
    app.frame.get_by_role("button", name="Copy ID").first.click()
    expect(cards(app.frame).first.locator("code")).to_have_text(HTML)
    assert app.frame.locator("img, main script").count() == 0
    assert app.frame.evaluate("document.title") == "Your clips"
    assert app.host.network.requested == []
    assert app.host.complaints == []


def test_a_url_that_is_not_for_clips_is_neither_a_link_nor_played(open_app: Opener) -> None:
    urls = (
        *(
            "javascript:document.title='harm'",
            " javascript:alert(1)",
            "data:text/html,<b>",
            "//a.b",
        ),
        *("file:///etc/passwd", "http://example.com/a.mp4", "blob:https://a/b", "clip.mp4", 7, []),
        *("ftp://example.com/a", "https://" + "a" * 9000),
    )
    listed = Clips([clip_job(number, video_url=url) for number, url in enumerate(urls)])
    app = in_chat(open_app, listed)
    wait_for_cards(app.frame, len(urls))
    assert (
        app.frame.get_by_text("Open", exact=True).and_(app.frame.locator(":visible")).count() == 0
    )
    assert app.frame.locator("a[href]").count() == 0
    for card in cards(app.frame).all():
        card.locator(".play").click()
        expect(card.locator(".note")).to_contain_text("It does not play")
    assert app.host.network.requested == []


def test_long_texts_are_bounded(open_app: Opener) -> None:
    long = "word " * 2000
    job = clip_job(prompt=long, model=long, request_id=long, id=long, error=long)
    app = in_chat(open_app, Clips([job, clip_job(1, prompt="x" * 10_000)]), width=320)
    wait_for_cards(app.frame, 2)
    lengths = app.frame.evaluate(
        "[...document.querySelectorAll('.card')].map(card => card.textContent.length)"
    )
    assert all(length < 1500 for length in lengths)
    for more in app.frame.get_by_role("button", name="More of").all():
        more.click()
    width = app.frame.evaluate("document.documentElement.scrollWidth")
    assert width == 320
    app.screenshot("gallery-long-texts")


def test_fields_of_any_type_are_survived(open_app: Opener) -> None:
    wrong = [{field: value} for field in FIELDS for value in WRONG]
    jobs = [clip_job(number) | each for number, each in enumerate(wrong)]
    host = open_app.host()
    for start in range(0, len(jobs), 48):
        page = {"pages": 1, "matching": 48, "jobs": jobs[start : start + 48]}
        app = host.show(GALLERY, result=_with_page(page), capabilities={})
        wait_for_cards(app.frame, len(page["jobs"]))
        app.frame.evaluate("document.querySelectorAll('button').forEach(each => each.click())")
        app.ask("ping")
    assert host.complaints == []


def test_pages_of_any_type_are_survived(open_app: Opener) -> None:
    host = open_app.host()
    for value in WRONG:
        page = dict.fromkeys(("pages", "matching", "today", "month", "total"), value)
        for given in (page | {"jobs": [clip_job(0)]}, page | {"jobs": value}, value):
            app = host.show(GALLERY, **listing(clips(1)) | {"result": _with_page(given)})
            wait_for_cards(app.frame, 1)
    assert host.complaints == []


def test_a_poster_that_is_no_small_image_is_not_decoded(open_app: Opener) -> None:
    bomb = bytes.fromhex("ffd8ffc0001108ffffffff03012200021101031101")
    posters = [
        b64encode(bomb).decode(),
        "A" * 1_400_000,
        b64encode(b"\x89PNG\r\n\x1a\n" + bytes(100)).decode(),
        "not base64!",
        poster(),
    ]
    listed = Clips([clip_job(number, poster=given) for number, given in enumerate(posters)])
    app = in_chat(open_app, listed)
    expect(app.frame.locator("canvas")).to_have_count(1)
    expect(cards(app.frame).nth(4).locator("canvas")).to_have_count(1)
    assert app.host.complaints == []


def test_a_page_of_thousands_of_jobs_is_cut(open_app: Opener) -> None:
    page = {"pages": 1, "matching": 2000, "jobs": [clip_job(n, poster=None) for n in range(2000)]}
    app = in_chat(open_app, Clips([]), result=_with_page(page), capabilities={})
    wait_for_cards(app.frame, 100)


def _with_page(page: object) -> Json:
    return {"content": [], "_meta": {"seedance-mcp/gallery": page}}
