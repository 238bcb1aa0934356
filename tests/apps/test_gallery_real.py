"""The gallery of a real server, in the chat and by the command, with a simulator as RunComfy."""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from playwright.sync_api import Browser, expect

from seedance_mcp.simulator.behaviour import Behaviour
from tests.support.client import ARGUMENTS

from .support.accessibility import violations
from .support.app import SHOTS, Json
from .support.gallery import cards, wait_for_cards
from .support.opener import Opener
from .support.real_server import RealServer, real_server


def make_clips(server: RealServer, prompts: Sequence[str]) -> list[Json]:
    """Have clips made, and return the jobs."""
    made: list[Json] = []
    for prompt in prompts:
        bought = server.call("generate_video", ARGUMENTS | {"prompt": prompt, "wait_seconds": 0})
        asked = {"request_id": bought["structuredContent"]["request_id"], "wait_seconds": 30}
        made.append(server.call("check_status", asked)["structuredContent"])
    return made


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_clips_that_were_made_are_listed_found_and_played(
    open_app: Opener, clip: bytes, mode: str
) -> None:
    with real_server(Behaviour(run_seconds=0), mode=mode) as server:
        lake, _ = make_clips(server, ["A lake at dawn", "<b>A fox</b> in snow"])
        app = open_app(
            server.page("list_jobs"),
            arguments={},
            result=server.call("list_jobs", {}),
            tools=server.tools_of_apps(),
            resources=server.read,
            files={lake["video_url"]: clip},
        )
        wait_for_cards(app.frame, 2)
        prompts = cards(app.frame).locator(".prompt")
        assert prompts.all_inner_texts() == ["<b>A fox</b> in snow", "A lake at dawn"]
        expect(app.frame.locator("#totals")).to_contain_text("2 clips")
        app.frame.get_by_label("Words").fill("LAKE dawn")
        wait_for_cards(app.frame, 1)
        app.frame.locator(".play").click()
        expect(app.frame.locator("video")).to_have_class("ready")
        assert app.host.network.requested == [lake["video_url"]]
        # The simulator's clips come over plain http from this machine.
        assert {each.split(":")[0] for each in app.host.complaints} <= {"Mixed Content"}
        assert app.calls() == []
        assert len(app.sent("resources/read")) >= 1


def test_the_command_plays_what_was_saved_and_finds_it_by_its_words(
    browser: Browser, tmp_path: Path
) -> None:
    folders = {"state_dir": tmp_path / "state", "output_dir": tmp_path / "videos"}
    with real_server(Behaviour(run_seconds=0), mode="auto", **folders) as server:
        lake, _ = make_clips(server, ["A lake at dawn", "A fox in snow"])
        asked = {"request_id": lake["request_id"], "download": True}
        assert server.call("get_result", asked)["structuredContent"]["saved_to"]
        origin = server.client.simulator.url
    environment = {"RUNCOMFY_API_BASE_URL": origin, "SEEDANCE_STATE_DIR": str(tmp_path / "state")}
    page = browser.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with the_command(environment) as url:
        page.goto(url)
        wait_for_cards(page, 2)
        page.get_by_label("Words").fill("lake")
        wait_for_cards(page, 1)
        expect(page.locator("#count")).to_have_text("1 clip")
        page.locator(".play").click()
        video = page.locator("video")
        expect(video).to_have_class("ready")
        seconds = video.evaluate("v => [v.duration, v.currentSrc]")
        assert seconds == [5, f"{url}clip/{lake['request_id']}"]
        assert violations(page.main_frame) == []
        page.screenshot(path=SHOTS / "gallery-real-command.png")
        page.reload()
        wait_for_cards(page, 2)
    page.close()
    assert complaints == []


@contextmanager
def the_command(environment: dict[str, str]) -> Generator[str]:
    """Run `seedance-mcp gallery`, and yield the URL of its page."""
    command = [sys.executable, "-m", "seedance_mcp", "gallery", "--no-browser"]
    with Popen(command, env=environment, stdout=PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
