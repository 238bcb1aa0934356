"""The pages in the Apps tab of the MCP Inspector."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser

from tests.support.timeouts import TIMEOUT_SECONDS

from .support.app import SHOTS
from .support.real_hosts import PLAYED, app_frame, inspector
from .support.served import served


def test_the_inspector_shows_a_clip_from_its_queue_to_its_end_and_the_gallery(
    browser: Browser, tmp_path: Path
) -> None:
    with (
        served(tmp_path) as server,
        inspector(tmp_path) as url,
        browser.new_context(viewport={"width": 1400, "height": 1000}) as context,
    ):
        context.set_default_timeout(TIMEOUT_SECONDS * 1000)
        page = context.new_page()

        def open_app(tool: str, arguments: object) -> None:
            encoded = urlsafe_b64encode(json.dumps(arguments).encode()).decode().rstrip("=")
            asked = {"serverUrl": server.url, "transport": "http", "autoConnect": "made-up"}
            asked |= {"openApp": tool, "appArgs": encoded, "autoOpen": "made-up"}
            page.goto(f"{url}&{urlencode(asked)}")
            ready = "[data-testid=apps-form][data-app-status=ready]"
            page.wait_for_selector(ready, state="attached")

        open_app("generate_video", server.arguments)
        frame = app_frame(page)
        page.screenshot(path=SHOTS / "inspector-waiting.png")
        frame.wait_for_selector("video")
        assert frame.evaluate(PLAYED) == [5, 5]
        assert page.get_by_text("check_status", exact=True).count() >= 2
        page.screenshot(path=SHOTS / "inspector-played.png")
        open_app("list_jobs", {})
        app_frame(page).get_by_text(server.arguments["prompt"]).first.wait_for()
        page.screenshot(path=SHOTS / "inspector-gallery.png")
