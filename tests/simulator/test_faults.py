import json
from pathlib import Path

import anyio
import httpx
import pytest

from seedance_mcp.simulator.faults import Fault, Garbage
from tests.support.simulator_caller import MODEL, image, open_caller
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

BROKEN = (httpx.RemoteProtocolError, httpx.ReadError)


async def test_a_request_dropped_before_it_is_read_is_not_accepted() -> None:
    async with open_caller() as caller:
        caller.simulator.faults.append(Fault.drop("submit"))
        with pytest.raises(BROKEN):
            await caller.submit()
        assert caller.simulator.accepted == []
        assert [seen.route for seen in caller.simulator.requests] == ["submit"]


async def test_a_lost_answer_leaves_an_accepted_job() -> None:
    async with open_caller() as caller:
        caller.simulator.faults.append(Fault.drop("submit", after=True))
        with pytest.raises(BROKEN):
            await caller.submit()
        assert len(caller.simulator.accepted) == 1


async def test_a_dropped_connection_carries_no_bytes() -> None:
    async with open_caller() as caller:
        caller.simulator.faults.append(Fault.drop("balance"))
        port = int(caller.simulator.url.rpartition(":")[2])
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(b"GET /prod/v2/balance HTTP/1.1\r\nhost: localhost\r\n\r\n")
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()


async def test_other_connections_outlive_a_dropped_one() -> None:
    async with (
        open_caller() as caller,
        httpx.AsyncClient(base_url=caller.simulator.url, timeout=TIMEOUT_SECONDS) as other,
    ):
        await other.get("/_simulator/accepted")
        caller.simulator.faults.append(Fault.drop("balance"))
        with pytest.raises(BROKEN):
            await caller.balance()
        assert (await other.get("/_simulator/accepted")).status_code == 200


@pytest.mark.parametrize("after", [False, True])
async def test_a_delay_waits_with_the_given_sleep_before_or_after_the_work(*, after: bool) -> None:
    accepted: list[int] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        slept.append(seconds)
        accepted.append(len(caller.simulator.accepted))

    async with open_caller(sleep=sleep) as caller:
        caller.simulator.faults.append(Fault.delay("submit", 30, after=after))
        assert (await caller.submit()).status_code == 200
        assert slept == [30]
        assert accepted == [1 if after else 0]


async def test_each_request_is_recorded_with_its_fault_and_its_job() -> None:
    refused, lost = Fault.answer("submit", 400), Fault.drop("submit", after=True)
    async with open_caller() as caller:
        caller.simulator.faults.extend([refused, lost])
        await caller.submit()
        with pytest.raises(BROKEN):
            await caller.submit()
        await caller.submit()
        first, second = caller.simulator.accepted
        seen = [(request.fault, request.job) for request in caller.simulator.requests]
        assert seen == [(refused, None), (lost, first), (None, second)]


@pytest.mark.parametrize("status", [401, 429, 500, 502, 503, 504])
async def test_a_gateway_answer_has_its_status_headers_and_body(status: int) -> None:
    async with open_caller() as caller:
        caller.simulator.faults.append(
            Fault.answer("status", status, headers={"retry-after": "3"}, body=b"<html>Oops</html>")
        )
        answer = await caller.http.get(f"/v1/requests/{await caller.job()}/status")
        assert answer.status_code == status
        assert answer.headers["retry-after"] == "3"
        assert answer.text == "<html>Oops</html>"


@pytest.mark.parametrize(("after", "jobs"), [(False, 0), (True, 1)])
async def test_a_gateway_error_may_hide_an_accepted_job(jobs: int, *, after: bool) -> None:
    async with open_caller() as caller:
        caller.simulator.faults.append(Fault.answer("submit", 502, after=after))
        assert (await caller.submit()).status_code == 502
        assert len(caller.simulator.accepted) == jobs


@pytest.mark.parametrize("garbage", ["not_json", "cut_json", "wrong_type", "huge"])
async def test_garbage_has_the_status_and_content_type_of_an_answer(garbage: Garbage) -> None:
    async with open_caller() as caller:
        caller.simulator.faults.append(Fault.garbage("result", garbage))
        answer = await caller.http.get("/v1/requests/x/result")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert kind_of(answer.content) == garbage


def kind_of(body: bytes) -> Garbage:
    try:
        value = json.loads(body)
    except ValueError:
        return "cut_json" if body.startswith(b"{") else "not_json"
    return "huge" if isinstance(value, dict) and len(body) > 20_000_000 else "wrong_type"


async def test_a_redirect_names_the_other_host() -> None:
    async with open_caller() as caller:
        caller.simulator.faults.append(Fault.redirect("status", "http://evil.example/steal"))
        answer = await caller.http.get("/v1/requests/x/status")
        assert answer.status_code == 302
        assert answer.headers["location"] == "http://evil.example/steal"


async def test_a_download_may_break_off_halfway(tmp_path: Path) -> None:
    async with open_caller() as caller:
        published = tmp_path / "image.png"
        published.write_bytes(image())
        url = caller.simulator.publish(published)
        caller.simulator.faults.append(Fault.cut("file"))
        with pytest.raises(httpx.RemoteProtocolError, match=f"received {len(image()) // 2} "):
            await caller.http.get(url)
        assert (await caller.http.get(url)).content == image()


async def test_an_answer_of_the_api_may_break_off_too() -> None:
    async with open_caller() as caller:
        caller.simulator.faults.append(Fault.cut("submit"))
        with pytest.raises(httpx.RemoteProtocolError):
            await caller.submit()
        assert len(caller.simulator.accepted) == 1


async def test_faults_affect_their_route_in_order_and_as_often_as_set() -> None:
    async with open_caller() as caller:
        caller.simulator.faults.extend(
            [
                Fault.answer("balance", 503, times=2),
                Fault.answer("balance", 500),
                Fault.answer("catalogue", 504),
            ]
        )
        statuses = [(await caller.balance()).status_code for _ in range(4)]
        assert statuses == [503, 503, 500, 200]
        assert (await caller.http.get(f"/v1/models/{MODEL}")).status_code == 504
        assert (await caller.http.get("/v1/models")).status_code == 200
