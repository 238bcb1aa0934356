"""The command `seedance-mcp doctor`: RunComfy, and the way there."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import ByteStream, SocketAttribute

from seedance_mcp.clock import Clock, utc_now
from seedance_mcp.models.model import load_models
from seedance_mcp.runcomfy.http import open_http
from seedance_mcp.service.doctor._network_checks import (
    ANSWER_SECONDS,
    MODELS_SECONDS,
    REACH_SECONDS,
    check_balance,
)
from seedance_mcp.service.doctor.examination import DISK_SECONDS
from seedance_mcp.service.doctor.finding import ok
from seedance_mcp.service.model_list import add
from seedance_mcp.settings import load_settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import running
from tests.support.certificates import certificate, tls_host
from tests.support.doctor import Report, examined, reported
from tests.support.server_process import Servers, account, environment

pytestmark = pytest.mark.anyio

LITE = "bytedance/seedance-1-0/lite/image-to-video"
LATER = "Try again in some minutes; if it stays so, ask RunComfy."
CLOCK_OR_PROXY = (
    "Check this machine's clock; if a proxy that decrypts is in between, set SSL_CERT_FILE to the"
    " file of its authority."
)


def answering(answer: bytes) -> Callable[[ByteStream], Awaitable[None]]:
    """Return what answers each request with the same bytes, or never if there are none."""

    async def serve(stream: ByteStream) -> None:
        async with stream:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                await stream.receive()
                if not answer:
                    await anyio.sleep_forever()
                await stream.send(answer)

    return serve


@asynccontextmanager
async def host(
    answer: bytes | Callable[[ByteStream], Awaitable[None]],
) -> AsyncGenerator[int, None]:
    """Yield the port of a host that answers each request with the same bytes, or as told."""
    serve = answering(answer) if isinstance(answer, bytes) else answer
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


def there(folder: Path, url: str, **variables: str) -> dict[str, str]:
    """Return an environment whose RunComfy is at a URL."""
    token = "a-token-of-mine"
    return environment(folder, RUNCOMFY_API_TOKEN=token, RUNCOMFY_API_BASE_URL=url, **variables)


def connection(report: Report) -> tuple[str, str, str]:
    """Return what is said of the connection, where nothing else of RunComfy could be checked."""
    not_checked = ("warning", "Not checked, as RunComfy was not reached.", "Fix that first.")
    assert [report.troubles[check] for check in ("authentication", "balance", "model")] == [
        not_checked
    ] * 3
    assert report.code == 1
    return report.troubles["connection"]


async def test_a_closed_port_is_named(tmp_path: Path) -> None:
    url = "http://127.0.0.1:1"
    assert connection(await examined(there(tmp_path, url))) == (
        "fault",
        f"{url} was not reached at 127.0.0.1 (TCP): connection refused.",
        "Check RUNCOMFY_API_BASE_URL, and let a firewall on the way pass connections.",
    )


async def test_a_name_that_does_not_resolve_is_named(servers: Servers, tmp_path: Path) -> None:
    url = "https://no-such-host.invalid"
    state, message, remedy = connection(await reported(servers, there(tmp_path, url)))
    assert message.startswith(f"{url} was not reached at no-such-host.invalid (DNS): the name ")
    assert (state, remedy) == (
        "fault",
        "Check RUNCOMFY_API_BASE_URL, the name server and whether this machine is online.",
    )


@pytest.mark.parametrize(
    ("made", "trusted", "why"),
    [
        ({"days": -1}, True, "its certificate has expired"),
        ({"name": "other.example"}, True, "its certificate is for another name"),
        ({}, False, "its certificate is signed by itself"),
        ({"issuer": "Someone"}, False, "its certificate is signed by an unknown authority"),
    ],
)
async def test_a_certificate_that_is_not_valid_is_named(
    *, servers: Servers, made: dict[str, Any], trusted: bool, why: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"name": "localhost", **made}
    path = certificate(tmp_path, **options)
    async with tls_host(path, answering(b"HTTP/1.1 400 Bad\r\n\r\n")) as port:
        url = f"https://localhost:{port}"
        env = there(tmp_path, url) | ({"SSL_CERT_FILE": str(path)} if trusted else {})
        report = await reported(servers, env)
    message = f"{url} was not reached at localhost (TLS): {why}."
    assert connection(report) == ("fault", message, CLOCK_OR_PROXY)


async def test_a_way_through_a_proxy_with_certificates_of_ones_own_is_well(
    servers: Servers, tmp_path: Path
) -> None:
    path = certificate(tmp_path, "runcomfy.example")

    async def forward(stream: ByteStream) -> None:
        await stream.receive()
        await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
        async with (
            await anyio.connect_tcp("127.0.0.1", port) as onward,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(pipe, stream, onward)
            await pipe(onward, stream)

    closed = b"HTTP/1.1 400 -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with tls_host(path, answering(closed)) as port, host(forward) as proxy:
        url = "https://runcomfy.example"
        named = {"HTTPS_PROXY": f"127.0.0.1:{proxy}", "SSL_CERT_FILE": str(path)}
        report = await reported(servers, there(tmp_path, url, **named))
    assert report["connection"] == f"{url} was reached through the proxy."
    assert report["proxy"] == f"Requests to https go through 127.0.0.1:{proxy}."
    assert report["certificates"] == f'Those in SSL_CERT_FILE, "{path}", are trusted.'


async def pipe(source: ByteStream, sink: ByteStream) -> None:
    """Send on what is received until either end closes."""
    with suppress(anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError):
        while True:
            await sink.send(await source.receive())
    await sink.aclose()


async def test_a_port_that_does_not_speak_tls_is_named(servers: Servers, tmp_path: Path) -> None:
    async with host(b"HTTP/1.1 400 Bad\r\n\r\n") as port:
        url = f"https://127.0.0.1:{port}"
        report = await reported(servers, there(tmp_path, url))
    state, message, remedy = connection(report)
    assert message.startswith(f"{url} was not reached at 127.0.0.1 (TLS): it does not speak TLS (")
    assert (state, remedy) == (
        "fault",
        "Check whether RUNCOMFY_API_BASE_URL names the port on which it speaks TLS.",
    )


@pytest.mark.parametrize(
    ("answer", "scheme", "why"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "http", '"403 Forbidden".'),
        (b"HTTP/1.1 407 Proxy \x1b[31m!\r\n\r\n", "http", '"407 Proxy [31m!".'),
        (b"\x05\xff", "socks5", ""),
        (b"what", "socks5", "the connection broke before an answer came."),
    ],
)
async def test_a_proxy_that_refuses_is_named_without_its_password(
    servers: Servers, answer: bytes, scheme: str, why: str, tmp_path: Path
) -> None:
    async with host(answer) as port:
        user = "me:se%2Fcret@" if scheme == "http" else ""
        proxy = f"{scheme}://{user}127.0.0.1:{port}"
        env = there(tmp_path, "https://model-api.runcomfy.net", HTTPS_PROXY=proxy)
        report = await reported(servers, env)
    state, message, remedy = connection(report)
    assert message.startswith(
        f"The proxy 127.0.0.1 did not connect to https://model-api.runcomfy.net: {why}"
    )
    assert (state, remedy) == (
        "fault",
        "Correct HTTPS_PROXY with its user and password, or name the host in NO_PROXY.",
    )
    assert report["proxy"] == f"Requests to https go through {scheme}://127.0.0.1:{port}."


async def test_a_proxy_that_is_not_there_is_told_from_runcomfy(
    servers: Servers, tmp_path: Path
) -> None:
    url = "https://model-api.runcomfy.net"
    env = there(tmp_path, url, ALL_PROXY="http://127.0.0.1:1")
    assert connection(await reported(servers, env)) == (
        "fault",
        f"{url} was not reached at the proxy 127.0.0.1 (TCP): connection refused.",
        "Correct HTTPS_PROXY or ALL_PROXY, or name RunComfy's host in NO_PROXY.",
    )


@pytest.mark.parametrize(
    ("variables", "check", "message"),
    [
        (
            {"HTTPS_PROXY": "foo://me:se/cret@127.0.0.1:1"},
            "connection",
            "The proxy or the certificates that the environment names",
        ),
        (
            {"NO_PROXY": "fe80::/10"},
            "proxy",
            'NO_PROXY has an entry that cannot be read, and is left out: "fe80::/10".',
        ),
        (
            {"SSL_CERT_FILE": "/no/such.pem"},
            "certificates",
            'SSL_CERT_FILE is "/no/such.pem", but that file does not exist.',
        ),
    ],
)
async def test_a_proxy_or_certificates_that_cannot_be_used_are_named(
    servers: Servers, variables: dict[str, str], check: str, message: str, tmp_path: Path
) -> None:
    env = there(tmp_path, "https://127.0.0.1:1") | variables
    report = await reported(servers, env)
    assert report.troubles[check][1].startswith(message)
    assert report.troubles[check][2] != ""
    assert not any("se/cret" in f.message or "'se'" in f.message for f in report.findings)


async def test_a_host_that_never_answers_is_given_up(servers: Servers, tmp_path: Path) -> None:
    async with host(b"") as port:
        report = await reported(servers, there(tmp_path, f"http://127.0.0.1:{port}"))
    assert connection(report)[1].endswith(" at 127.0.0.1 (HTTP): no answer came in time.")
    # What is bounded leaves a second of the ten for the start.
    assert max(MODELS_SECONDS + REACH_SECONDS + ANSWER_SECONDS + 1, DISK_SECONDS) <= 9


@pytest.mark.parametrize(
    ("base_url", "asked"),
    [
        ("https://model-api.runcomfy.net", "https://api.runcomfy.net/prod/v2/balance"),
        (
            "https://model-api-int.runcomfy.net",
            "https://model-api-int.runcomfy.net/prod/v2/balance",
        ),
    ],
)
async def test_the_balance_of_runcomfy_itself_is_asked_for_elsewhere_with_the_token(
    base_url: str, asked: str
) -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b'{"balance_usd": 3}'))

    transport = httpx.MockTransport(answer)
    async with open_http(base_url, "a-token-of-mine", Clock(), transport) as http:
        assert await check_balance(http) == [ok("balance", "3.00 USD.")]
    sent = [(str(request.url), request.headers["Authorization"]) for request in requests]
    assert sent == [(asked, "Bearer a-token-of-mine")]


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(500, LATER), (302, "Check RUNCOMFY_API_BASE_URL: it leads elsewhere.")],
)
async def test_a_host_that_answers_oddly_is_reached_all_the_same(
    status: int, remedy: str, tmp_path: Path
) -> None:
    answer = f"HTTP/1.1 {status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with host(answer.encode()) as port:
        url = f"http://127.0.0.1:{port}"
        report = await examined(there(tmp_path, url))
    message = f"{url} was reached, and answered with HTTP status {status}."
    assert report.troubles["connection"] == ("warning", message, remedy)
    assert report.troubles["authentication"][0] == "warning"


async def test_a_connection_that_breaks_is_named(tmp_path: Path) -> None:
    async with running(Behaviour()) as simulator:
        simulator.faults.append(Fault.drop("status"))
        report = await examined(account(simulator, tmp_path))
    message = f"{simulator.url} was not reached at 127.0.0.1 (HTTP): "
    message += "the connection broke before an answer came."
    assert connection(report) == ("fault", message, LATER)


async def test_a_clock_that_agrees_with_runcomfys_is_well(tmp_path: Path) -> None:
    now = utc_now()
    date = format_datetime(now - timedelta(minutes=4), usegmt=True)
    answer = f"HTTP/1.1 400 -\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with host(answer.encode()) as port:
        report = await examined(there(tmp_path, f"http://127.0.0.1:{port}"), now=now)
    assert report["clock"].startswith("This machine's clock agrees with RunComfy's.")
    assert "clock" not in report.troubles


@pytest.mark.parametrize(("hours", "way"), [(3, "behind"), (-3, "ahead of")])
async def test_a_clock_that_is_wrong_is_told_by_runcomfys(
    hours: int, way: str, tmp_path: Path
) -> None:
    date = format_datetime(utc_now() + timedelta(hours=hours, minutes=0.5), usegmt=True)
    answer = f"HTTP/1.1 400 -\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with host(answer.encode()) as port:
        report = await examined(there(tmp_path, f"http://127.0.0.1:{port}"))
    minutes = 180 if hours > 0 else 179
    assert report.troubles["clock"] == (
        "warning",
        f"This machine's clock is {minutes} minutes {way} RunComfy's.",
        "Set the clock, since limits and the ledger count by it.",
    )


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_rejected_token_is_named(status: Any, tmp_path: Path) -> None:
    async with running(Behaviour(token_error=status, error_codes=status == 400)) as simulator:
        report = await examined(there(tmp_path, simulator.url))
    assert report.troubles["authentication"] == (
        "fault",
        "RunComfy rejected the token: it is wrong, expired or revoked.",
        "Replace it: create a token in your RunComfy profile.",
    )
    assert report.troubles["balance"][:2] == (
        "warning",
        "It is unknown, as the token was rejected.",
    )
    assert report.code == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault.answer("status", 500, body=b"{}", times=9),
        Fault.answer("status", 404, body=b"<html>", times=9),
        Fault.answer("status", 200, body=b'{"status": "completed"}', times=9),
        Fault.garbage("status", "not_json", times=9),
        Fault.drop("status", times=9),
    ],
)
async def test_what_neither_accepts_nor_rejects_the_token_is_a_warning(
    fault: Fault, tmp_path: Path
) -> None:
    async with running(Behaviour()) as simulator:
        # The first request only shows that RunComfy is reached.
        simulator.faults.extend([Fault.answer("status", 400), replace(fault)])
        report = await examined(account(simulator, tmp_path))
    state, message, remedy = report.troubles["authentication"]
    assert message.startswith("It is not known whether RunComfy accepts the token. RunComfy ")
    assert (state, remedy, report.code) == ("warning", LATER, 0)


@pytest.mark.parametrize("usd", [0, -1.25])
async def test_an_account_without_money_is_named(usd: float, tmp_path: Path) -> None:
    async with running(Behaviour(balance_usd=usd)) as simulator:
        report = await examined(account(simulator, tmp_path))
    assert report.troubles == {
        "balance": (
            "fault",
            f"The account has {usd:.2f} USD left, so RunComfy would refuse a job.",
            "Add credit in your RunComfy account.",
        )
    }


@pytest.mark.parametrize(
    "answer",
    [
        Fault.answer("balance", 404, body=b"{}"),
        Fault.answer("balance", 200, body=b'{"balance_usd": true}'),
        Fault.answer("balance", 200, body=b'{"balance_usd": NaN}'),
        Fault.garbage("balance", "not_json"),
    ],
)
async def test_a_balance_that_cannot_be_read_is_no_fault(answer: Fault, tmp_path: Path) -> None:
    async with running(Behaviour()) as simulator:
        simulator.faults.append(replace(answer))
        report = await examined(account(simulator, tmp_path))
    state, message, remedy = report.troubles["balance"]
    assert message.startswith("It could not be read. ")
    assert (state, remedy) == ("warning", "Look it up in your RunComfy account.")
    assert (len(report.troubles), report.code) == (1, 0)


async def test_a_balance_in_microdollars_is_read(tmp_path: Path) -> None:
    async with running(Behaviour()) as simulator:
        body = b'{"balance_microdollars": 1500000}'
        simulator.faults.append(Fault.answer("balance", 200, body=body))
        report = await examined(account(simulator, tmp_path))
    assert report["balance"] == "1.50 USD."


async def test_a_model_that_runcomfy_no_longer_has_is_named(tmp_path: Path) -> None:
    models = load_models()
    del models[LITE]
    async with running(Behaviour(), models=models) as simulator:
        env = account(simulator, tmp_path, SEEDANCE_MODEL="lite,2.5-720p")
        report = await examined(env)
    assert report.troubles["model"] == (
        "fault",
        f"lite: RunComfy's catalogue does not know {LITE}.",
        "Set SEEDANCE_MODEL to another model, such as bytedance/seedance-2.0-mini/image-to-video.",
    )
    assert "2.5-720p (bytedance/seedance-2.5/image-to-video/720p) is as" in report["model"]
    assert report.code == 1


async def test_every_difference_of_a_changed_schema_is_named(tmp_path: Path) -> None:
    models = load_models()
    schema = dict(models[LITE].input_schema)
    properties = dict(schema["properties"])
    properties["duration"] = properties["duration"] | {"enum": [5, 12]}
    properties["mood"] = {"type": "string"}
    schema |= {"properties": properties, "required": [*schema["required"], "mood"]}
    models[LITE] = replace(models[LITE], input_schema=schema)
    async with running(Behaviour(), models=models) as simulator:
        report = await examined(account(simulator, tmp_path))
    day = load_models()[LITE].read_on
    lines = report["model"].splitlines()
    assert sorted(lines) == [
        f"lite is no longer as it was on {day}: {what}."
        for what in (
            *("duration no longer takes 10", "duration now also takes 12"),
            "mood is a new required argument",
        )
    ]
    state, _, remedy = report.troubles["model"]
    assert (state, remedy) == (
        "warning",
        "Update seedance-mcp; until then, the rules of that day hold here.",
    )
    assert report.code == 0


async def test_a_model_that_was_added_and_has_changed_is_to_be_refreshed(tmp_path: Path) -> None:
    def entry(*lengths: int) -> dict[str, Any]:
        properties = {"prompt": {"type": "string"}, "seconds": {"enum": [*lengths]}}
        return {"model_id": "maker/other", "input_schema": {"properties": properties}}

    async with running(Behaviour(other_entries=[entry(5, 10)])) as simulator:
        env = account(simulator, tmp_path, SEEDANCE_MODEL="maker/other")
        await add(load_settings(env), Clock(), "maker/other")
        simulator.behaviour.other_entries = [entry(5)]
        state, message, remedy = (await examined(env)).troubles["model"]
    assert (state, message.partition(": ")[2]) == ("warning", "seconds no longer takes 10.")
    assert remedy == (
        "Run seedance-mcp models refresh and restart the server; until then, the rules of that day"
        " hold here."
    )


@pytest.mark.parametrize(("status", "body"), [(500, b"{}"), (404, b"<html>")])
async def test_a_catalogue_that_cannot_be_read_is_no_fault(
    status: int, body: bytes, tmp_path: Path
) -> None:
    async with running(Behaviour()) as simulator:
        simulator.faults.append(Fault.answer("catalogue", status, body=body, times=9))
        report = await examined(account(simulator, tmp_path))
    state, message, remedy = report.troubles["model"]
    assert message.startswith("lite: it could not be compared with RunComfy's catalogue. RunComfy ")
    assert (state, remedy, report.code) == ("warning", "Try again in some minutes.", 0)


async def test_a_missing_price_is_a_fault_only_if_a_limit_needs_it(tmp_path: Path) -> None:
    async with running(Behaviour(price_form="absent")) as simulator:
        env = account(simulator, tmp_path)
        free = await examined(env)
        limited = await examined(env | {"SEEDANCE_MAX_COST_USD_PER_DAY": "5"})
    message = "lite: RunComfy's catalogue has no price that can be used."
    remedies = (
        "Look the price up in RunComfy's catalogue.",
        "Remove SEEDANCE_MAX_COST_USD_PER_DAY, which needs a price, or choose another model.",
    )
    assert free.troubles == {"price": ("warning", message, remedies[0])}
    assert limited.troubles == {"price": ("fault", message, remedies[1])}


async def test_a_price_of_a_whole_clip_is_said_as_it_is(tmp_path: Path) -> None:
    async with running(Behaviour(price_unit="output")) as simulator:
        report = await examined(account(simulator, tmp_path))
    assert report["price"] == "lite: a clip of the default settings costs 0.04 USD."


async def test_a_daily_limit_below_the_cost_of_a_clip_is_named(tmp_path: Path) -> None:
    async with running(Behaviour()) as simulator:
        env = account(simulator, tmp_path, SEEDANCE_MAX_COST_USD_PER_DAY="0.1")
        report = await examined(env)
    assert report.troubles["price"] == (
        "fault",
        "lite: a clip of the default settings costs 0.2 USD (5 s at 0.04 USD a second).",
        "Raise SEEDANCE_MAX_COST_USD_PER_DAY, which allows less.",
    )
