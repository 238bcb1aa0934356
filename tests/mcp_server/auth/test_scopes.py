"""What a token of an OAuth issuer allows: reading, and buying only where it says so."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis.strategies import binary
from starlette.middleware import Middleware

from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.mcp_server.auth._purchases import (
    MAX_BODY_BYTES,
    body_buys,
)
from seedance_mcp.mcp_server.auth.authentication import Authentication
from seedance_mcp.mcp_server.transports.http import http_app
from seedance_mcp.mcp_server.transports.http_options import HttpOptions
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.callers import open_http
from tests.support.client import ARGUMENTS
from tests.support.http_client import HttpClient, open_http_server
from tests.support.issuer import AUDIENCE, run_issuer
from tests.support.server_process import INITIALIZE, MODERN_META
from tests.support.small_clip import render_small_clip

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

METADATA_URL = "https://video.example/.well-known/oauth-protected-resource/mcp"
NEEDS_BOTH = "This needs the scopes seedance:read and seedance:spend. Nothing was done or charged."
JSON = {"Content-Type": "application/json"}
MODERN = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call"}


@asynccontextmanager
async def allowed(
    folder: Path, scope: str, **settings: Any
) -> AsyncGenerator[tuple[httpx.AsyncClient, Simulator], None]:
    """Run a server, and yield what reaches it with a token that has a scope."""
    async with (
        run_issuer() as issuer,
        running(Behaviour(images="never"), render=render_small_clip) as simulator,
        open_http_server(
            simulator, folder, auth_issuer=issuer.url, auth_audience=AUDIENCE, **settings
        ) as http,
    ):
        http.headers["Authorization"] = f"Bearer {issuer.token(scope=scope)}"
        yield http, simulator


def calling(tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments, "_meta": MODERN_META}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


BUYING = calling("generate_video", **ARGUMENTS)
TEXT = json.dumps(BUYING)


async def test_a_token_without_the_scope_to_read_may_do_nothing(tmp_path: Path) -> None:
    begin = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
    said = "This needs the scope seedance:read. Nothing was done or charged."
    for scope in ("seedance:spend", "openid", "seedance:reads", ""):
        async with allowed(tmp_path, scope) as (http, _):
            answer = await http.post("/mcp", json=begin)
        assert (answer.status_code, answer.json()["error"]["message"]) == (403, said)
        assert answer.headers["WWW-Authenticate"] == (
            f'Bearer error="insufficient_scope", error_description="{said}",'
            f' scope="seedance:read seedance:spend", resource_metadata="{METADATA_URL}"'
        )


async def test_a_token_to_read_lists_jobs_and_is_told_what_buying_needs(tmp_path: Path) -> None:
    async with allowed(tmp_path, "openid seedance:read") as (http, simulator):
        client = HttpClient(http)
        await client.initialize()
        assert (await client.call("list_jobs"))["structuredContent"]["jobs"] == []
        modern = await client.call_without_session("check_status", request_id="no-such-job")
        assert modern["isError"]
        answer = await client.post(BUYING)
        assert (answer.status_code, answer.json()["error"]["message"]) == (403, NEEDS_BOTH)
        assert answer.headers["WWW-Authenticate"] == (
            f'Bearer error="insufficient_scope", error_description="{NEEDS_BOTH}",'
            f' scope="seedance:read seedance:spend", resource_metadata="{METADATA_URL}"'
        )
        # The session goes on.
        assert (await client.call("list_jobs"))["structuredContent"]["jobs"] == []
    assert simulator.accepted == []


async def test_every_tool_that_the_server_lists_for_a_further_model_needs_the_scope_to_spend(
    tmp_path: Path,
) -> None:
    async with allowed(tmp_path, "seedance:read", model="lite,2.5-720p") as (http, simulator):
        client = HttpClient(http)
        await client.initialize()
        listed = await client.request("tools/list", {}, 5)
        assert listed is not None
        names = [tool["name"] for tool in listed["result"]["tools"]]
        refused = [name for name in names if await _is_refused(client, name)]
    assert refused == ["generate_video", "generate_video_2_5_720p"]
    assert simulator.accepted == []


async def _is_refused(client: HttpClient, tool: str) -> bool:
    return (await client.post(calling(tool, dry_run=True))).status_code == 403


SPELLINGS: dict[str, bytes] = {
    "plain": TEXT.encode(),
    "with escapes": TEXT.replace("generate_video", "g\\u0065nerate\\u005fvideo").encode(),
    "with escaped names": TEXT.replace('"name"', '"n\\u0061me"').encode(),
    "twice, the purchase last": TEXT.replace(
        '"name": "generate_video"', '"name": "list_jobs", "name": "generate_video"'
    ).encode(),
    "with two methods": TEXT.replace('"method"', '"method": "ping", "method"').encode(),
    "with two params": TEXT.replace(
        '"params"', '"params": {"name": "list_jobs"}, "params"'
    ).encode(),
    "in a batch": f"[{TEXT}]".encode(),
    "in a batch, later": f'[{{"jsonrpc":"2.0","method":"ping","id":2}},{TEXT}]'.encode(),
    "after a BOM": TEXT.encode("utf-8-sig"),
    "in UTF-16": TEXT.encode("utf-16"),
    "in UTF-32": TEXT.encode("utf-32-be"),
    "with blanks": f"\r\n\t {TEXT} \n".encode(),
    "with no number": TEXT.replace('"id": 1', '"id": 1, "x": NaN').encode(),
    "too long to be looked at": TEXT.replace("mist", "m" * MAX_BODY_BYTES).encode(),
    "nothing, but too long to be looked at": TEXT.replace("generate_video", "list_jobs")
    .replace("mist", "m" * MAX_BODY_BYTES)
    .encode(),
    "as a yes to a question": json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "tasks/update", "params": {"taskId": "x"}}
    ).encode(),
}


async def test_a_purchase_is_refused_however_it_is_spelt(tmp_path: Path) -> None:
    async with allowed(tmp_path, "seedance:read") as (http, simulator):
        for headers in {}, {**MODERN, "mcp-name": "list_jobs"}:
            answers = {
                name: (await http.post("/mcp", content=body, headers=JSON | headers)).status_code
                for name, body in SPELLINGS.items()
            }
            assert answers == dict.fromkeys(SPELLINGS, 403)
    assert simulator.accepted == []


NO_CALLS: dict[str, bytes] = {
    "nothing": b"",
    "a string as params": json.dumps({**BUYING, "params": json.dumps(BUYING["params"])}).encode(),
    "a list as a name": TEXT.replace('"generate_video"', '["generate_video"]').encode(),
    "another case": TEXT.replace("generate_video", "Generate_Video").encode(),
    "a blank after the name": TEXT.replace("generate_video", "generate_video ").encode(),
    "a method in another case": TEXT.replace("tools/call", "Tools/Call").encode(),
    "a string": json.dumps(TEXT).encode(),
    "UTF-7": TEXT.encode("utf-7"),
    "an endless number": TEXT.replace('"id": 1', f'"id": 1, "x": {"9" * 5000}').encode(),
    "a deep list": b"[" * 100_000,
    "twice, the purchase first": TEXT.replace(
        '"name": "generate_video"', '"name": "generate_video", "name": "nothing"'
    ).encode(),
}


async def test_what_only_resembles_a_purchase_buys_nothing(tmp_path: Path) -> None:
    async with allowed(tmp_path, "seedance:read") as (http, simulator):
        client = HttpClient(http)
        await client.initialize()
        for body in NO_CALLS.values():
            for headers in {}, {**MODERN, "mcp-name": "generate_video"}:
                more = {"Content-Type": "application/json; charset=utf-7", **headers}
                await client.post(body, **more)
    assert simulator.accepted == []


@pytest.mark.parametrize("era", ["older", "modern"])
async def test_a_purchase_that_was_not_recognized_before_is_refused_before_it_is_run(
    tmp_path: Path, era: str
) -> None:
    async with run_issuer() as issuer:
        configured: dict[str, Any] = {
            "state_dir": tmp_path,
            "check_images": False,
            "auth_issuer": issuer.url,
            "auth_audience": AUDIENCE,
        }
        settings = Settings(**configured)
        app = http_app(build_server(settings), HttpOptions(), settings)
        layers: list[Any] = app.user_middleware
        (checking,) = (layer for layer in layers if layer.cls is Authentication)
        ways, _, metadata = checking.args
        # Its first check takes no tool for one that buys.
        layers[layers.index(checking)] = Middleware(Authentication, ways, frozenset(), metadata)
        async with app.router.lifespan_context(app), open_http(app) as http:
            http.headers["Authorization"] = f"Bearer {issuer.token(scope='seedance:read')}"
            client = HttpClient(http)
            await client.initialize()
            headers = {**MODERN, "mcp-name": "generate_video"} if era == "modern" else {}
            answer = await client.post(BUYING, **headers)
    assert "This needs the scope seedance:spend. Nothing was done or charged." in answer.text


async def test_a_token_with_both_scopes_buys(tmp_path: Path) -> None:
    async with allowed(tmp_path, "seedance:spend seedance:read") as (http, simulator):
        client = HttpClient(http)
        await client.initialize()
        made = await client.call("generate_video", **ARGUMENTS)
        assert made["structuredContent"]["status"] == "completed"
    assert len(simulator.accepted) == 1


@given(binary())
def test_whatever_is_sent_can_be_looked_at(body: bytes) -> None:
    assert not body_buys({"buy"}, body)
