"""The parts of the pages that the program writes."""

import json
import re
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from docs.check_site import faults
from docs.generate import MARKED, PARTS, generated, pages
from docs.parts.deep_links import base64_parameters
from seedance_mcp.errors import ConfigurationError
from seedance_mcp.settings import load_settings

pytestmark = pytest.mark.repository

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(sys.platform == "win32", reason="a message would have a path of Windows")
@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_generated_parts_of_a_page_are_as_the_program_writes_them(page: Path) -> None:
    text = page.read_text("utf-8")
    assert generated(text) == text, "run: python -m docs.generate"


def test_every_part_is_on_a_page() -> None:
    shown = [name for page in pages() for _, name, _ in MARKED.findall(page.read_text("utf-8"))]
    assert set(shown) == set(PARTS)


def test_a_dead_link_in_the_site_is_found_and_so_is_what_comes_from_elsewhere(
    tmp_path: Path,
) -> None:
    links = ["b.html#there", "b.html#gone", "gone.html", "https://example.com/", "#here"]
    body = "".join(f'<a href="{link}">' for link in links)
    loaded = '<script src="https://example.com/a.js"></script><img src="a%20b.svg">'
    (tmp_path / "a.html").write_text(f'<p id="here">{body}{loaded}')
    (tmp_path / "b.html").write_text('<p id="there">')
    (tmp_path / "a b.svg").touch()
    assert list(faults(tmp_path)) == [
        "a.html links to b.html#gone, which has no such heading",
        "a.html links to gone.html, which does not exist",
        "a.html loads https://example.com/a.js from elsewhere",
    ]


def linked(text: str) -> dict[str, dict[str, str]]:
    """Return the parameters of the links that add the server to a client, by their address."""
    found = re.findall(r"(?:https|cursor|lmstudio)://[^\s)]*\?name=[^\s)]*", text)
    parts = [link.partition("?") for link in found]
    return {address: dict(parse_qsl(query)) for address, _, query in parts}


def from_base64(text: str) -> Any:
    return json.loads(b64decode(text, validate=True))


CURSOR = {
    "command": "uvx",
    "args": ["seedance-mcp"],
    "env": {"RUNCOMFY_API_TOKEN": "${env:RUNCOMFY_API_TOKEN}"},
}
VSCODE = {
    "type": "stdio",
    "command": "uvx",
    "args": ["seedance-mcp"],
    "env": {
        "SEEDANCE_WAIT_SECONDS": "240",
        "RUNCOMFY_API_TOKEN": "${input:runcomfy-api-token}",
    },
}
INPUTS = [
    {
        "type": "promptString",
        "id": "runcomfy-api-token",
        "description": "RunComfy API token",
        "password": True,
    }
]
LM_STUDIO = {
    "command": "uvx",
    "args": ["seedance-mcp"],
    "env": {"RUNCOMFY_API_TOKEN": "your-runcomfy-token"},
}


@pytest.mark.parametrize("page", ["README.md", "docs/install.md"])
def test_the_links_decode_to_the_entry_of_each_client(page: str) -> None:
    found = linked((ROOT / page).read_text("utf-8"))
    cursor = found["https://cursor.com/en/install-mcp"]
    vscode = found["https://insiders.vscode.dev/redirect/mcp/install"]
    lm_studio = found["https://lmstudio.ai/install-mcp"]
    assert {each["name"] for each in (cursor, vscode, lm_studio)} == {"seedance"}
    assert from_base64(cursor["config"]) == CURSOR
    assert json.loads(vscode["config"]) == VSCODE
    assert json.loads(vscode["inputs"]) == INPUTS
    assert from_base64(lm_studio["config"]) == LM_STUDIO


def test_the_links_of_the_apps_themselves_decode_to_the_same() -> None:
    text = (ROOT / "docs" / "install.md").read_text("utf-8")
    found = linked(text)
    cursor = found["cursor://anysphere.cursor-deeplink/mcp/install"]
    assert (cursor["name"], from_base64(cursor["config"])) == ("seedance", CURSOR)
    lm_studio = found["lmstudio://add_mcp"]
    assert (lm_studio["name"], from_base64(lm_studio["config"])) == ("seedance", LM_STUDIO)
    (vscode,) = re.findall(r"^vscode:mcp/install\?(\S+)$", text, re.MULTILINE)
    assert json.loads(unquote(vscode)) == {"name": "seedance", "inputs": INPUTS, **VSCODE}


@pytest.mark.parametrize("entry", ["??>>~~", "🎬"])
def test_no_character_of_base64_is_lost_in_a_link(entry: str) -> None:
    parameters = base64_parameters(entry)
    assert dict(parse_qsl(parameters))["config"] == b64encode(entry.encode()).decode()
    assert not set(parameters) & set("+/")


@pytest.mark.parametrize("entry", [CURSOR, VSCODE, LM_STUDIO])
def test_a_token_that_nobody_filled_in_is_named_by_the_server(entry: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"^RUNCOMFY_API_TOKEN must be a RunComfy token"):
        load_settings({"HOME": "/home/me", **entry["env"]})
