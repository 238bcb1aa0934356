"""A browser for the tests of the apps, which are those of `make apps` only."""

from collections.abc import Generator
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from .support.opener import Opener

# Playwright is in the environment of `make apps` only.
collect_ignore_glob = [] if find_spec("playwright") else ["test_*.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--basic-host",
        metavar="FOLDER",
        help="the reference host of MCP Apps, built, which shows the player too",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.apps)


@pytest.fixture(scope="session")
def browser() -> "Generator[Browser]":
    """Run one Chromium, that of the system, for all tests of this worker."""
    from playwright.sync_api import expect, sync_playwright

    from conformance.chromium import find_chromium

    from .support.opener import SECONDS

    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a clip of a second, as the simulator makes it."""
    from seedance_mcp.simulator._clip import render

    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    image = files("seedance_mcp.simulator").joinpath("sample_images", "lake.jpg").read_bytes()
    render(path, image, None, height=144, seconds=1)
    return path.read_bytes()


@pytest.fixture
def open_app(browser: "Browser", clip: bytes) -> "Generator[Opener]":
    """Yield what opens hosts in the browser, and shows apps there."""
    from .support.network import CLIP, EXPIRED, UNPLAYABLE
    from .support.opener import Opener

    opener = Opener(browser=browser, files={CLIP: clip, EXPIRED: 403, UNPLAYABLE: b"no clip"})
    yield opener
    for context in opener.contexts:
        context.close()
