"""The pages of MCP Apps, as tools and resources name them and as hosts read them."""

from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.shared.exceptions import MCPError
from mcp_types import TextResourceContents

from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.mcp_server.apps.declared import APPS, PAGE_TYPE
from seedance_mcp.mcp_server.apps.pages import STORAGE_ORIGIN, read_page
from seedance_mcp.settings import load_settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.http_client import HttpClient, open_http_client, open_http_server

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

BOTH_ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])
PLAYER = read_page("player", (STORAGE_ORIGIN,))
GALLERY = read_page("gallery", (STORAGE_ORIGIN,))


def ui(*origins: str) -> dict[str, Any]:
    """Return what hosts are told about a page that loads clips from some origins."""
    csp = {"connectDomains": [], "resourceDomains": [*origins]}
    return {"ui": {"csp": csp, "prefersBorder": True}}


UI = ui(STORAGE_ORIGIN)


def unopened(mode: str, **settings: str) -> Client:
    """Return a client of a server that has no token, and whose service cannot be opened."""
    hopeless = {"SEEDANCE_STATE_DIR": "/dev/null/nowhere", "SEEDANCE_MODEL": "lite,2.0-pro"}
    return Client(build_server(load_settings(hopeless | settings)), mode=mode)


def test_the_names_are_those_of_the_sdk() -> None:
    assert (APPS, PAGE_TYPE) == (EXTENSION_ID, APP_MIME_TYPE)


@BOTH_ERAS
async def test_every_client_is_told_which_tools_have_a_page_and_which_a_page_may_call(
    mode: str,
) -> None:
    async with unopened(mode) as client:
        tools = (await client.list_tools()).tools
    told = {tool.name: tool.meta for tool in tools}
    player = {"ui": {"resourceUri": PLAYER.uri, "visibility": ["model"]}}
    called = {"ui": {"visibility": ["model", "app"]}}
    assert told == {
        "generate_video": player,
        "generate_video_2_0_pro": player,
        "check_status": called,
        "get_result": called,
        "cancel_job": called,
        "list_jobs": {"ui": {"resourceUri": GALLERY.uri}},
        "join_clips": None,
    }


@BOTH_ERAS
async def test_pages_are_listed_and_read_without_a_token_or_a_service(mode: str) -> None:
    async with unopened(mode) as client:
        listed = (await client.list_resources()).resources[-2:]
        assert [(page.uri, page.mime_type, page.meta) for page in listed] == [
            (PLAYER.uri, PAGE_TYPE, UI),
            (GALLERY.uri, PAGE_TYPE, UI),
        ]
        for page in (PLAYER, GALLERY):
            read = await client.read_resource(page.uri)
            assert read.contents == [
                TextResourceContents(uri=page.uri, mime_type=PAGE_TYPE, text=page.html, _meta=UI)
            ]
            if mode == "auto":
                assert (read.ttl_ms, read.cache_scope) == (24 * 3600 * 1000, "public")


@BOTH_ERAS
async def test_the_extension_is_advertised_as_the_sdk_does(mode: str) -> None:
    async with unopened(mode) as client:
        extensions = client.server_capabilities.extensions or {}
    assert extensions.get(APPS) == ({} if mode == "auto" else None)


async def test_a_chat_that_knows_an_older_version_of_a_page_is_served_todays() -> None:
    async with unopened("auto") as client:
        for name, page in (("player", PLAYER), ("gallery", GALLERY)):
            uri = f"ui://seedance/{name}-0123456789ab.html"
            read = await client.read_resource(uri)
            (content,) = read.contents
            assert isinstance(content, TextResourceContents)
            assert (content.uri, content.text) == (uri, page.html)
            # The next update may bring another.
            assert read.ttl_ms == 0


@BOTH_ERAS
@pytest.mark.parametrize(
    "uri",
    [
        "ui://seedance/player.html",
        "ui://seedance/player-.html",
        "ui://seedance/../player-0123456789ab.html",
        "ui://seedance/player-../../../etc/passwd.html",
        "ui://seedance/player-0123456789ab.html/..",
        "ui://seedance/player-0123456789ab.html\n",
        "ui://seedance/player-0123456789ab.js",
        "ui://seedance/host-0123456789ab.html",
        "ui://other/player-0123456789ab.html",
        "UI://seedance/player-0123456789ab.html",
        "file:///seedance/player-0123456789ab.html",
        f"ui://seedance/player-{'a' * 10_000}.html",
        f"ui://seedance/{'../' * 3_333}player-a.html",
    ],
    ids=lambda uri: uri[:60],
)
async def test_no_other_uri_is_that_of_a_page(mode: str, uri: str) -> None:
    async with unopened(mode) as client:
        with pytest.raises(MCPError, match="Resource not found: ") as refused:
            await client.read_resource(uri)
    assert len(refused.value.message) < 300
    assert refused.value.data == {"uri": uri[:256]}


@pytest.mark.parametrize(
    ("url", "origins"),
    [
        ("http://127.0.0.1:8123", (STORAGE_ORIGIN, "http://127.0.0.1:8123")),
        ("http://localhost:8123/some/path", (STORAGE_ORIGIN, "http://localhost:8123")),
        ("https://model-api.runcomfy.net", (STORAGE_ORIGIN,)),
        ("https://proxy.example/runcomfy", (STORAGE_ORIGIN,)),
    ],
)
async def test_a_page_may_load_clips_from_the_storage_and_from_a_simulator_alone(
    url: str, origins: tuple[str, ...]
) -> None:
    page = read_page("player", origins)
    async with unopened("auto", RUNCOMFY_API_BASE_URL=url) as client:
        (content,) = (await client.read_resource(page.uri)).contents
    assert content.meta == ui(*origins)


async def test_over_http_both_eras_are_told_the_same_and_read_the_same(tmp_path: Path) -> None:
    async with running(Behaviour()) as simulator:
        page = read_page("player", (STORAGE_ORIGIN, simulator.url))
        async with open_http_client(simulator, tmp_path) as client:
            listed = await client.request("tools/list", {}, 1)
            read = await client.request("resources/read", {"uri": page.uri}, 2)
        async with open_http_server(simulator, tmp_path) as http:
            newer = HttpClient(http)
            uri = {"uri": page.uri}
            read_newer = await newer.request_without_session("resources/read", uri, name=page.uri)
            listed_newer = await newer.request_without_session("tools/list", {})
    assert listed
    assert read
    for answer in (listed["result"], listed_newer):
        told = answer["tools"][0]["_meta"]
        assert told == {"ui": {"resourceUri": page.uri, "visibility": ["model"]}}
    for answer in (read["result"], read_newer):
        assert [content["text"] for content in answer["contents"]] == [page.html]
