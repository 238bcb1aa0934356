"""How much a caller may send and ask for over HTTP, and what is answered beyond that."""

import json
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import TaskGroup
from pydantic import SecretStr
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from seedance_mcp.mcp_server._lazy_service import AT_ONCE_KEY, PRINCIPAL_KEY
from seedance_mcp.mcp_server.transports._bodies import BodyLimits, WholeBodies
from seedance_mcp.mcp_server.transports._calls import (
    MOST_COUNTED_CALLERS,
    CallLimits,
    CallRates,
)
from seedance_mcp.service.principals import Principal
from tests.support.client import ARGUMENTS
from tests.support.http_client import HttpClient, open_http_server
from tests.support.restarting_server import run_simulator

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
MIB = 1024 * 1024
JSON = {"content-type": "application/json"}
TOO_LONG = "The body is longer than 9 MiB. Nothing was done or charged."


async def sent(size: int, bytes_a_second: float) -> AsyncGenerator[bytes, None]:
    """Yield a body, a part each second."""
    while size > 0:
        part = min(size, int(bytes_a_second))
        yield b" " * part
        size -= part
        await anyio.sleep(1)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_is_refused_beyond_9_mib_and_read_up_to_that(
    *, declared: bool, tmp_path: Path
) -> None:
    async def post(size: int) -> httpx.Response:
        body = b" " * size if declared else sent(size, MIB)
        return await http.post("/mcp", content=body, headers=JSON)

    async with (
        run_simulator() as simulator,
        open_http_server(simulator, tmp_path) as http,
    ):
        long, longer = await post(9 * MIB), await post(9 * MIB + 1)
    # It was read, and is no JSON.
    assert (long.status_code, long.json()["error"]["code"]) == (400, -32700)
    assert (longer.status_code, longer.headers["connection"]) == (413, "close")
    assert longer.json() == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32000, "message": TOO_LONG},
    }


async def test_a_slow_body_is_given_up_and_one_of_6_mib_on_a_slow_line_is_read(
    tmp_path: Path,
) -> None:
    ended: list[tuple[int, int]] = []

    async def post(size: int, bytes_a_second: float) -> None:
        body = sent(size, bytes_a_second)
        answer = await http.post("/mcp", content=body, headers=JSON)
        ended.append((answer.status_code, round(anyio.current_time() - began)))

    async with (
        run_simulator() as simulator,
        open_http_server(simulator, tmp_path) as http,
        anyio.create_task_group() as tasks,
    ):
        began = anyio.current_time()
        tasks.start_soon(post, 8 * MIB, 33 * 1024)
        tasks.start_soon(post, 8 * MIB, 16 * 1024)
        tasks.start_soon(post, MIB, 1)
    assert ended == [(408, 15), (408, 30), (400, 249)]


def in_memory(app: ASGIApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=3600)


def waiting(until: anyio.Event, at_once: list[bool], *, obeys: bool = True) -> ASGIApp:
    """Return an application that answers after an event, unless it may not wait and `obeys`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        at_once.append(AT_ONCE_KEY in scope)
        if AT_ONCE_KEY not in scope or not obeys:
            await until.wait()
        await PlainTextResponse("served")(scope, receive, send)

    return app


@pytest.mark.parametrize(
    ("texts", "status"),
    [
        (["x" * 8 * MIB, "é" * 1000, "\U0001f600"], 200),
        (["x" * 8 * MIB + "é"], 413),
        (["\U0001f600" + "x" * 50_000] * 6, 413),
        (['é"' + "x" * 300_000], 413),
    ],
)
@pytest.mark.parametrize("escaped", [True, False])
async def test_long_texts_must_be_ascii_since_others_take_far_more_memory(
    texts: list[str], status: int, *, escaped: bool
) -> None:
    body = json.dumps(texts, ensure_ascii=escaped).encode()
    served = anyio.Event()
    served.set()
    async with in_memory(BodyLimits(WholeBodies(waiting(served, [])))) as http:
        answer = await http.post("/mcp", content=body, headers=JSON)
    assert answer.status_code == status


async def test_bodies_are_held_up_to_a_bound_of_all_and_of_each_token() -> None:
    answered, served = anyio.Event(), list[bool]()
    statuses: list[tuple[str, int]] = []

    async def post(token: str) -> None:
        headers = JSON | ({"authorization": f"Bearer {token}"} if token else {})
        answer = await http.post("/mcp", content=b" " * (8 * MIB), headers=headers)
        statuses.append((token, answer.status_code))

    async with in_memory(BodyLimits(WholeBodies(waiting(answered, served)))) as http:
        async with anyio.create_task_group() as tasks:
            for token in ["alice"] * 5 + ["bob"] * 3 + ["carol"]:
                tasks.start_soon(post, token)
                await anyio.sleep(1)
            assert statuses == [("alice", 503), ("bob", 503), ("bob", 503), ("carol", 503)]
            answered.set()
        await post("carol")
    assert statuses[-1] == ("carol", 200)
    assert len(served) == 6


async def test_a_caller_without_calls_left_waits_as_long_as_it_is_told(tmp_path: Path) -> None:
    async with (
        run_simulator() as simulator,
        open_http_server(simulator, tmp_path, max_calls_per_minute_per_caller=30) as http,
    ):
        statuses = [(await http.post("/mcp", json=PING)).status_code for _ in range(31)]
        refused = await http.post("/mcp", json=PING)
        await anyio.sleep(int(refused.headers["retry-after"]))
        again = [(await http.post("/mcp", json=PING)).status_code for _ in range(2)]
    assert statuses == [200] * 30 + [429]
    assert refused.headers["retry-after"] == "2"
    assert refused.json()["error"]["message"] == (
        "A caller may make 30 calls a minute. Nothing was done or charged; repeat the call later."
    )
    assert again == [200, 429]


async def test_a_call_that_may_not_wait_is_answered_with_where_its_job_stands(
    tmp_path: Path,
) -> None:
    def crowded(app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, AT_ONCE_KEY: True}, receive, send)

        return serve

    async with (
        run_simulator(run_seconds=3600) as simulator,
        open_http_server(simulator, tmp_path, layer=crowded) as http,
    ):
        client = HttpClient(http)
        await client.initialize()
        began = anyio.current_time()
        made = await client.call("generate_video", **ARGUMENTS, wait_seconds=30)
        job = made["structuredContent"]
        checked = await client.call("check_status", request_id=job["request_id"])
        assert anyio.current_time() - began < 1
    assert job["status"] in {"in_queue", "in_progress"}
    assert checked["structuredContent"]["status"] in {"in_queue", "in_progress"}


def naming(app: ASGIApp) -> ASGIApp:
    """Return an application whose callers are named by their token."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if name := headers.get(b"authorization", b"").decode():
            # Those of RunComfy have no other name yet.
            own = Principal(name="runcomfy:", token=SecretStr(name))
            principal = own if name.startswith("own") else Principal(name=name)
            scope = {**scope, PRINCIPAL_KEY: principal}
        await app(scope, receive, send)

    return serve


class Crowd:
    """Callers of an application that answers once it is told to, behind the limits of calls."""

    def __init__(self, *, obeys: bool = True) -> None:
        self.answers: list[tuple[str, int]] = []
        self.at_once: list[bool] = []
        self.answered = anyio.Event()
        limits = CallLimits(
            waiting(self.answered, self.at_once, obeys=obeys),
            is_stopping=bool,
            calls_a_minute=10_000,
            limits_machine_user=False,
        )
        self._http = in_memory(naming(limits))

    async def post(self, name: str, **headers: str) -> None:
        """Post a call, and note who was answered what."""
        named = headers | ({"authorization": name} if name else {})
        answer = await self._http.post("/mcp", headers=named)
        self.answers.append((name, answer.status_code))

    async def come(self, tasks: TaskGroup, number: int, *names: str, **headers: str) -> None:
        """Let each name make some calls, which are under way when this returns."""
        for name in names:
            for _ in range(number):
                tasks.start_soon(partial(self.post, name, **headers))
        await anyio.wait_all_tasks_blocked()


async def test_a_caller_has_100_calls_that_wait_and_others_are_not_affected() -> None:
    crowd = Crowd()
    async with anyio.create_task_group() as tasks:
        await crowd.come(tasks, 100, "alice", "own-1", "own-2")
        assert (crowd.answers, any(crowd.at_once)) == ([], False)
        await crowd.come(tasks, 1, "alice", "own-1", "bob")
        assert crowd.answers == [("alice", 200), ("own-1", 200)]
        assert sum(crowd.at_once) == 2
        crowd.answered.set()


async def test_all_callers_have_1500_calls_that_wait_and_this_machines_user_all_of_them() -> None:
    crowd = Crowd()
    async with anyio.create_task_group() as tasks:
        await crowd.come(tasks, 1_500, "")
        assert (crowd.answers, any(crowd.at_once)) == ([], False)
        await crowd.come(tasks, 1, "", "alice")
        assert crowd.answers == [("", 200), ("alice", 200)]
        crowd.answered.set()


async def test_a_caller_with_200_calls_under_way_is_told_to_repeat_the_next_later() -> None:
    crowd = Crowd(obeys=False)
    async with anyio.create_task_group() as tasks:
        await crowd.come(tasks, 201, "alice")
        await crowd.come(tasks, 1, "bob")
        assert crowd.answers == [("alice", 429)]
        crowd.answered.set()


async def test_streams_are_counted_apart_so_that_they_take_no_calls_place() -> None:
    crowd = Crowd()
    listen = {"mcp-method": "subscriptions/listen"}
    async with anyio.create_task_group() as tasks:
        await crowd.come(tasks, 21, "alice", **listen)
        assert crowd.answers == [("alice", 429)]
        await crowd.come(tasks, 20, *(f"caller {number}" for number in range(24)), **listen)
        assert crowd.answers == [("alice", 429)]
        await crowd.come(tasks, 1, "bob", **listen)
        assert crowd.answers == [("alice", 429), ("bob", 503)]
        crowd.answered.set()
        await crowd.come(tasks, 1, "bob")
    assert crowd.answers[-1] == ("bob", 200)


async def test_callers_past_the_number_that_is_counted_are_not_remembered() -> None:
    rates = CallRates(1)
    assert [rates.take("first", 0) for _ in range(2)] == [0, 60]
    assert rates.take("first", 59) == pytest.approx(1)
    assert rates.take("first", 60) == 0
    for number in range(MOST_COUNTED_CALLERS):
        rates.take(str(number), 60)
    assert rates.take("first", 60) == 0
