"""Which clients count as showing pages: as in the SDK, in both eras, over stdio and over HTTP."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID, client_supports_apps
from mcp.server.context import ServerRequestContext
from mcp_types import ClientCapabilities
from starlette.types import ASGIApp, Receive, Scope, Send

from seedance_mcp.mcp_server._lazy_service import AT_ONCE_KEY
from seedance_mcp.mcp_server.apps.declared import shows_apps
from tests.support.apps_client import CAPABILITIES
from tests.support.client import ARGUMENTS
from tests.support.http_client import HttpClient, open_http_server
from tests.support.restarting_server import run_simulator

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

MODERN_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
PLAYER = "the player in the chat"
TYPES: list[Any] = [
    None,
    APP_MIME_TYPE,
    {APP_MIME_TYPE: None},
    [],
    ["text/html"],
    [[APP_MIME_TYPE]],
    [APP_MIME_TYPE],
    ["text/html", 1, None, APP_MIME_TYPE],
]
EXTENSIONS: list[Any] = [
    None,
    {},
    {"another": {"mimeTypes": [APP_MIME_TYPE]}},
    {EXTENSION_ID: {"types": [APP_MIME_TYPE]}},
    *({EXTENSION_ID: {"mimeTypes": types}} for types in TYPES),
]


def context(capabilities: ClientCapabilities | None) -> ServerRequestContext[Any, Any]:
    """Return as much of a request's context as says what its client can do."""
    session = SimpleNamespace(client_capabilities=capabilities)
    return cast("ServerRequestContext[Any, Any]", SimpleNamespace(session=session))


def test_a_client_shows_pages_if_the_sdk_says_so() -> None:
    requests = [context(ClientCapabilities(extensions=each)) for each in EXTENSIONS]
    shown = [shows_apps(request) for request in requests]
    assert shown == [client_supports_apps(request) for request in requests]
    assert shown == [False] * 10 + [True] * 2


def test_a_client_that_names_the_media_type_of_pages_shows_them() -> None:
    assert shows_apps(context(ClientCapabilities.model_validate(CAPABILITIES)))
    assert not shows_apps(context(ClientCapabilities()))
    assert not shows_apps(context(None))


HUGE: dict[str, Any] = {**CAPABILITIES, "experimental": {"x": {"y": "z" * 100_000}}}
REFUSED: dict[str, Any] = {
    "a list": [EXTENSION_ID],
    "a string": EXTENSION_ID,
    "a list of settings": {EXTENSION_ID: [APP_MIME_TYPE]},
    "null settings": {EXTENSION_ID: None},
}
"""Extensions that the SDK refuses."""

HOSTILE: dict[str, Any] = {
    "a string of types": {EXTENSION_ID: {"mimeTypes": APP_MIME_TYPE}},
    "an object of types": {EXTENSION_ID: {"mimeTypes": {APP_MIME_TYPE: True}}},
    "types of other types": {EXTENSION_ID: {"mimeTypes": [1, None, [APP_MIME_TYPE], {}]}},
    "another type": {EXTENSION_ID: {"mimeTypes": ["text/html"]}},
    "many types": {EXTENSION_ID: {"mimeTypes": ["x" * 100] * 1_000}},
}


async def answer_in_newer_era(client: HttpClient, capabilities: Any) -> str:
    """Return the next step of a call over HTTP by a client that says what it can do."""
    params = {
        "name": "generate_video",
        "arguments": ARGUMENTS,
        "_meta": {MODERN_CAPABILITIES: capabilities},
    }
    result = await client.request_without_session("tools/call", params, name="generate_video")
    return result["structuredContent"]["next_step"]


async def test_over_http_a_client_of_the_newer_era_says_it_with_each_call(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=600) as simulator,
        open_http_server(simulator, tmp_path, wait_seconds=1) as http,
    ):
        client = HttpClient(http)
        for capabilities in (CAPABILITIES, HUGE):
            assert PLAYER in await answer_in_newer_era(client, capabilities)
        assert PLAYER not in await answer_in_newer_era(client, {})
        for extensions in HOSTILE.values():
            assert PLAYER not in await answer_in_newer_era(client, {"extensions": extensions})
    assert len(simulator.accepted) == 1


@pytest.mark.parametrize("capabilities", [CAPABILITIES, HUGE], ids=["few", "many"])
async def test_over_http_a_client_of_the_older_era_has_said_it_for_its_session(
    capabilities: dict[str, Any], tmp_path: Path
) -> None:
    async with (
        run_simulator(run_seconds=600) as simulator,
        open_http_server(simulator, tmp_path) as http,
    ):
        client = HttpClient(http)
        await client.initialize(capabilities=capabilities)
        began = anyio.current_time()
        made = await client.call("generate_video", **ARGUMENTS)
        assert round(anyio.current_time() - began, 1) == 0
        assert PLAYER in made["structuredContent"]["next_step"]
        # At another replica, too.
        async with open_http_server(simulator, tmp_path) as other:
            again = await client.moved_to(other).call("generate_video", **ARGUMENTS)
        assert PLAYER in again["structuredContent"]["next_step"]


async def test_a_call_that_may_not_wait_leaves_its_job_to_the_player(tmp_path: Path) -> None:
    def crowded(app: ASGIApp) -> ASGIApp:
        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, AT_ONCE_KEY: True}, receive, send)

        return run

    async with (
        run_simulator(run_seconds=600) as simulator,
        open_http_server(simulator, tmp_path, layer=crowded) as http,
    ):
        client = HttpClient(http)
        await client.initialize(capabilities=CAPABILITIES)
        made = await client.call("generate_video", **ARGUMENTS, wait_seconds=60)
        assert PLAYER in made["structuredContent"]["next_step"]


@pytest.mark.parametrize("extensions", (REFUSED | HOSTILE).values(), ids=REFUSED | HOSTILE)
async def test_whatever_a_client_of_the_older_era_declares_the_server_lives(
    extensions: Any, tmp_path: Path
) -> None:
    async with (
        run_simulator(run_seconds=600) as simulator,
        open_http_server(simulator, tmp_path, wait_seconds=1) as http,
    ):
        client = HttpClient(http)
        body = {"capabilities": {"extensions": extensions}}
        try:
            await client.initialize(**body)
        except KeyError:
            assert extensions in REFUSED.values()  # There is no session; the next client has one.
            await client.initialize(capabilities={})
        made = await client.call("generate_video", **ARGUMENTS)
        assert PLAYER not in made["structuredContent"]["next_step"]
