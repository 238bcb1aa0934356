"""The README, the pages and the examples, compared with the program."""

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from seedance_mcp.cli.install.registry import CLIENTS
from seedance_mcp.mcp_server.app import build_tools
from seedance_mcp.models.model import Model, load_models
from tests.support.server_process import environment
from tests.support.timeouts import TIMEOUT_SECONDS
from tests.support.wording import TOOLS

pytestmark = [pytest.mark.anyio, pytest.mark.repository]

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "examples" / "claude_config.json"
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
HOME = f"{METADATA['urls']['Homepage']}/blob/main/"
LARGEST_IMAGE_BYTES = 300_000


def server_entry() -> dict[str, Any]:
    (entry,) = json.loads(CONFIG.read_text("utf-8"))["mcpServers"].values()
    return entry


async def test_the_server_of_the_example_configuration_starts_and_lists_its_tools(
    tmp_path: Path,
) -> None:
    entry = server_entry()
    assert (entry["command"], entry["args"]) == ("uvx", ["seedance-mcp"])
    assert entry["env"] == {"RUNCOMFY_API_TOKEN": "your-runcomfy-token"}
    env = environment(tmp_path, RUNCOMFY_API_TOKEN="a-token")
    command = Path(sys.executable).with_name(entry["args"][0])
    parameters = StdioServerParameters(command=str(command), args=entry["args"][1:], env=env)
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with Client(parameters) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
    assert tools == TOOLS


def test_the_page_of_installing_shows_the_example_configuration() -> None:
    assert CONFIG.read_text("utf-8") in page("install.md")


def test_the_readme_names_every_client_that_can_be_installed_into() -> None:
    quick_start = README.partition("## Quick start")[2].partition("It asks for the token")[0]
    assert set(re.findall(r"`([a-z-]+)`", quick_start)) | {"claude-desktop"} == set(CLIENTS)


def test_the_readme_and_the_page_install_a_plugin_by_the_same_command() -> None:
    commands = re.findall(r"^- [\w ]+: `(.+)`$", README, re.MULTILINE)
    assert len(commands) == 3
    assert [each for each in commands if f"| `{each}` |" not in page("install.md")] == []


def links(text: str) -> list[str]:
    """Return the targets of a page's links and images."""
    return re.findall(r"\]\(([^)\s]+)\)", text)


def test_the_readme_links_only_to_files_of_the_repository_and_by_absolute_urls() -> None:
    # A package index shows the README without the files beside it.
    home = METADATA["urls"]["Homepage"]
    raw = home.replace("https://github.com", "https://raw.githubusercontent.com")
    added_by = ("https://cursor.com/", "https://insiders.vscode.dev/", "https://lmstudio.ai/")
    for link in links(README):
        if not link.startswith(added_by):
            base = next(base for base in (f"{home}/blob/main/", f"{raw}/main/") if base in link)
            assert (ROOT / link.removeprefix(base)).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_links_only_to_files_and_headings_that_exist(page: Path) -> None:
    broken: list[str] = []
    for link in links(page.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if link.startswith(HOME) and not (ROOT / link.removeprefix(HOME)).is_file():
            broken.append(link)
        if "://" not in link and not (
            target.is_file() and (not anchor or anchor in anchors(target.read_text("utf-8")))
        ):
            broken.append(link)
    assert broken == []


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub, and the site, give to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_the_images_of_the_readme_are_small() -> None:
    images = [link for link in links(README) if link.endswith(".webp")]
    assert images
    for image in images:
        assert (ROOT / "docs" / image.split("/")[-1]).stat().st_size <= LARGEST_IMAGE_BYTES


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def test_the_readme_and_the_page_have_every_tool_in_the_same_words() -> None:
    model = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
    tools = [tool.definition.name for tool in build_tools([model], wait_seconds=45)]
    table, same = (
        text.partition("| tool |")[2].partition("\n\n")[0] for text in (README, page("tools.md"))
    )
    assert re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE) == tools
    assert table == same


def test_the_models_page_has_every_model_with_its_short_name_lengths_and_resolutions() -> None:
    cell = r" ([^|]+) \|"
    row = rf"^\| `(bytedance/[^`]+)` \| `([^`]+)` \|{cell * 3}$"
    rows = re.findall(row, page("models.md"), re.MULTILINE)
    shown: dict[str, tuple[str, list[int], list[str]]] = {}
    for model_id, short_name, _, seconds, resolutions in rows:
        names = re.findall(r"`(\w+)`", resolutions)
        for each in names if "RESOLUTION" in model_id else [""]:
            bounds = [int(number) for number in re.findall(r"\d+", seconds)]
            known_as = short_name.replace("RESOLUTION", each)
            sizes = [each] if each else names
            shown[model_id.replace("RESOLUTION", each)] = (known_as, bounds, sizes)
    assert shown == {
        model_id: (model.short_name, lengths(model), resolutions_of(model))
        for model_id, model in load_models().items()
    }


def lengths(model: Model) -> list[int]:
    duration = model.properties["duration"]
    return duration.get("enum") or [duration["minimum"], duration["maximum"]]


def resolutions_of(model: Model) -> list[str]:
    prop = model.properties.get("resolution")
    return prop["enum"] if prop else [model.model_id.rpartition("/")[2]]


def test_the_readme_shows_the_two_commands() -> None:
    assert "make demo" in README
    assert "make test" in README
