"""The player in the reference host of MCP Apps, which is built as CONTRIBUTING.md says."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.timeouts import TIMEOUT_SECONDS

from .support.app import SHOTS
from .support.real_hosts import PLAYED, app_frame, basic_host, free_port
from .support.served import served


def test_the_reference_host_shows_a_clip_from_its_queue_to_its_end(
    browser: Browser, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    built: str | None = request.config.getoption("--basic-host", None)
    if not built:
        pytest.skip("NOT TESTED WITH THE REFERENCE HOST: --basic-host names the folder of one")
    port = free_port()
    with (
        served(tmp_path, f"http://localhost:{port}") as server,
        basic_host(Path(built), server.url, port, tmp_path / "host.log") as url,
        browser.new_context(viewport={"width": 900, "height": 900}) as context,
    ):
        context.set_default_timeout(TIMEOUT_SECONDS * 1000)
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{url}?tool=generate_video&theme=hide")
        page.locator("option[value=generate_video]").wait_for(state="attached")
        page.locator("textarea").fill(json.dumps(server.arguments))
        page.get_by_role("button", name="Call Tool").click()
        frame = app_frame(page)
        page.screenshot(path=SHOTS / "basic-host-waiting.png")
        frame.wait_for_selector("video")
        assert frame.evaluate(PLAYED) == [5, 5]
        page.screenshot(path=SHOTS / "basic-host-played.png")
        SHOTS.joinpath("basic-host.log").write_text("\n".join(said), "utf-8")
        order = ["MCP App initialized", "tool call input", "tool call result", "context update"]
        lines = [next(n for n, line in enumerate(said) if each in line) for each in order]
        assert lines == sorted(lines)
        polls = [line for line in said[lines[2] :] if "method: tools/call" in line]
        assert len(polls) >= 2
        page.get_by_text("is completed").first.wait_for()
