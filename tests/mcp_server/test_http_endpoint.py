"""Who reaches the server over HTTP: paths, names, pages of other origins, and health checks."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.mcp_server.transports.http_options import HttpOptions
from tests.support.http_client import open_http_server
from tests.support.restarting_server import run_simulator

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
PUBLIC = HttpOptions(
    path="/clips/mcp",
    allowed_hosts=("example.com", "lan.example:*"),
    allowed_origins=("https://app.example.com", "http://lan.example:*"),
)


async def test_the_path_is_served_with_and_without_a_slash_and_no_other(tmp_path: Path) -> None:
    async with (
        run_simulator() as simulator,
        open_http_server(simulator, tmp_path, PUBLIC) as http,
    ):
        paths = ["/clips/mcp", "/clips/mcp/", "/mcp", "/", "/clips/mcp/more"]
        statuses = [(await http.post(path, json=PING)).status_code for path in paths]
    assert statuses == [200, 200, 404, 404, 404]


REACH = [
    ({"host": "example.com"}, 200),
    ({"host": "EXAMPLE.com"}, 200),
    ({"host": "lan.example"}, 200),
    ({"host": "lan.example:9000"}, 200),
    ({"host": "localhost:1"}, 200),
    ({"host": "[::1]:8000"}, 200),
    ({"host": "example.com:8000"}, 421),
    ({"host": "sub.example.com"}, 421),
    ({"host": "lan.example:9000.evil.example"}, 421),
    ({"host": "lan.example:x"}, 421),
    ({"host": ""}, 421),
    ({"origin": "https://app.example.com"}, 200),
    ({"origin": "http://lan.example:5173"}, 200),
    ({"origin": "http://127.0.0.1:5173"}, 200),
    ({"origin": "http://app.example.com"}, 403),
    ({"origin": "https://app.example.com.evil.example"}, 403),
    ({"origin": "http://lan.example:80@evil.example"}, 403),
    ({"origin": "null"}, 403),
    ({"origin": ""}, 403),
]


async def test_only_allowed_hosts_and_origins_reach_the_server(tmp_path: Path) -> None:
    async with (
        run_simulator() as simulator,
        open_http_server(simulator, tmp_path, PUBLIC) as http,
    ):
        answers = [
            (headers, (await http.post("/clips/mcp", json=PING, headers=headers)).status_code)
            for headers, _ in REACH
        ]
    assert answers == REACH


async def test_a_page_of_an_allowed_origin_may_call_and_read_what_it_needs(tmp_path: Path) -> None:
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,mcp-method,mcp-param-prompt",
    }
    async with (
        run_simulator() as simulator,
        open_http_server(simulator, tmp_path, PUBLIC) as http,
    ):
        for origin in ("https://app.example.com", "http://lan.example:5173"):
            allowed = await http.options("/clips/mcp", headers=asked | {"origin": origin})
            called = await http.post("/clips/mcp", json=PING, headers={"origin": origin})
            assert allowed.status_code == called.status_code == 200
            assert _about_origins(allowed.headers) == {
                "access-control-allow-origin": origin,
                "access-control-allow-methods": "GET, POST, DELETE",
                "access-control-allow-headers": asked["access-control-request-headers"],
                "access-control-max-age": "600",
            }
            assert _about_origins(called.headers) == {
                "access-control-allow-origin": origin,
                "access-control-expose-headers": (
                    "mcp-session-id, mcp-protocol-version, retry-after, www-authenticate"
                ),
            }
            assert "mcp-session-id" not in allowed.headers
        for origin in ("https://evil.example", "http://127.0.0.1:5173", "null"):
            refused = await http.options("/clips/mcp", headers=asked | {"origin": origin})
            assert refused.status_code == 400
            assert "access-control-allow-origin" not in refused.headers


def _about_origins(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control")}


async def test_other_methods_are_refused_and_begin_no_session(tmp_path: Path) -> None:
    async with (
        run_simulator() as simulator,
        open_http_server(simulator, tmp_path) as http,
    ):
        for method in ("OPTIONS", "PUT", "HEAD", "GET", "DELETE"):
            answer = await http.request(method, "/mcp")
            assert (method, answer.status_code) == (method, 405)
            assert "mcp-session-id" not in answer.headers


async def test_health_is_answered_to_every_name_until_the_server_stops(tmp_path: Path) -> None:
    stops: list[bool] = []
    async with (
        run_simulator() as simulator,
        open_http_server(simulator, tmp_path, is_stopping=lambda: bool(stops)) as http,
    ):
        foreign = {"host": "10.0.0.7", "origin": "https://evil.example"}
        said = [await http.get(path, headers=foreign) for path in ("/healthz", "/readyz")]
        assert [(answer.status_code, answer.text) for answer in said] == [(200, "ok\n")] * 2
        stops.append(True)
        said = [await http.get(path) for path in ("/healthz", "/readyz")]
        assert [(answer.status_code, answer.text) for answer in said] == [
            (200, "ok\n"),
            (503, "The server is shutting down.\n"),
        ]
        refused = await http.post("/mcp", json=PING)
    assert refused.status_code == 503
    assert (refused.headers["retry-after"], refused.headers["connection"]) == ("10", "close")
    assert refused.json()["error"]["message"] == (
        "The server is shutting down. Nothing was done or charged; repeat the call later."
    )


async def test_a_server_without_its_ledger_is_not_ready_and_names_no_path(tmp_path: Path) -> None:
    async with (
        run_simulator() as simulator,
        open_http_server(simulator, tmp_path / "state") as http,
    ):
        assert (await http.get("/readyz")).status_code == 200
        ledger = tmp_path / "state" / "ledger.db"
        ledger.unlink()
        ledger.mkdir()
        # Whoever asks again at once is told the same.
        assert (await http.get("/readyz")).status_code == 200
        await anyio.sleep(1)
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "The ledger does not answer.\n")
