import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import anyio
import httpx
import pytest

from seedance_mcp.errors import (
    BalanceEmpty,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    RunComfyUnavailable,
    SeedanceError,
    TokenRejected,
)
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.http import MAX_ANSWER_BYTES
from tests.support.scripted_network import (
    BASE_URL,
    TOKEN,
    FrozenTime,
    ScriptedNetwork,
    Step,
    answer,
    open_runcomfy_http,
)
from tests.support.wording import (
    DID_NOT_ANSWER,
    NO_BALANCE,
    NO_USABLE_ANSWER,
    NOT_A_JSON_OBJECT,
    REQUEST_REJECTED,
    TOKEN_REJECTED,
    TOO_MANY_REQUESTS,
)

pytestmark = pytest.mark.anyio

MODEL = "bytedance/seedance-1-0/lite/image-to-video"
ARGUMENTS = {"prompt": "Ein Fluß 🎬", "first_frame_image_url": "https://p.example/a", "duration": 5}
ID = "0b4c6d0e-7a5f-4c1e-9a55-2f0f8f5c9d11"
BOUGHT = {"request_id": ID}
POST = f"POST {BASE_URL}/v1/models/{MODEL}"


async def bought(network: ScriptedNetwork, *, token: str = TOKEN) -> str | SeedanceError:
    """Send the paid request, which never waits; return the id or the error."""
    time = FrozenTime()
    async with open_runcomfy_http(network, time=time, token=token) as http:
        try:
            return await RunComfyClient(http).submit(MODEL, ARGUMENTS)
        except SeedanceError as error:
            return error
        finally:
            assert time.pauses == []
            assert set(network.sent) <= {POST}


async def test_the_paid_request_is_the_input_itself_sent_to_the_models_literal_path() -> None:
    network = ScriptedNetwork(answer(200, BOUGHT))

    assert await bought(network) == ID
    (request,) = network.requests
    assert (request.method, request.url.raw_path.decode()) == ("POST", f"/v1/models/{MODEL}")
    assert json.loads(request.content) == ARGUMENTS
    assert request.headers.get_list("Authorization") == [f"Bearer {TOKEN}"]
    assert request.headers["Content-Type"] == "application/json"


class _BrokenAtTheEnd(httpx.AsyncByteStream):
    """An answer whose connection fails to close."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield json.dumps(BOUGHT).encode()

    async def aclose(self) -> None:
        raise httpx.CloseError("It was gone.")


async def test_a_connection_that_fails_to_close_takes_no_answer_away() -> None:
    assert await bought(ScriptedNetwork(httpx.Response(200, stream=_BrokenAtTheEnd()))) == ID


class _WholeButCut(httpx.AsyncByteStream):
    """An answer that comes whole, over a connection that breaks or says nothing more."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield json.dumps(BOUGHT).encode()
        if self._error:
            raise self._error
        await anyio.sleep_forever()


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "error", [httpx.RemoteProtocolError("cut"), httpx.ReadError("reset"), None]
)
async def test_an_answer_that_came_whole_counts_however_its_connection_ends(
    error: Exception | None,
) -> None:
    assert await bought(ScriptedNetwork(httpx.Response(200, stream=_WholeButCut(error)))) == ID


EXTRA: list[dict[str, Any]] = [
    {},
    {"status": "in_queue", "status_url": "https://evil.example/", "cost": None, "new": [1]},
    {"error_code": 400004, "error_message": "Odd"},
    {"error_code": 500000},
]


@pytest.mark.parametrize("code", [200, 201, 202, 299])
@pytest.mark.parametrize("extra", EXTRA)
async def test_any_success_with_a_request_id_is_an_accepted_job(
    code: int, extra: dict[str, Any]
) -> None:
    assert await bought(ScriptedNetwork(answer(code, BOUGHT | extra))) == ID


LOST: list[tuple[Step, str]] = [
    (httpx.ReadTimeout("slow"), f"{DID_NOT_ANSWER} (ReadTimeout)."),
    (httpx.WriteTimeout("slow"), f"{DID_NOT_ANSWER} (WriteTimeout)."),
    (httpx.WriteError("reset"), f"{DID_NOT_ANSWER} (WriteError)."),
    (httpx.ReadError("reset"), f"{DID_NOT_ANSWER} (ReadError)."),
    (httpx.CloseError("reset"), f"{DID_NOT_ANSWER} (CloseError)."),
    (httpx.RemoteProtocolError("bad"), f"{DID_NOT_ANSWER} (RemoteProtocolError)."),
    (httpx.ProxyError("no"), f"{DID_NOT_ANSWER} (ProxyError)."),
    *(
        (answer(code, {}), f"{NO_USABLE_ANSWER} ({code}).")
        for code in (301, 302, 307, 308, 408, 409, 500, 502, 503, 504, 520)
    ),
    *(
        (
            answer(503, {"error_code": code, "error": "Later"}),
            f'{NO_USABLE_ANSWER} ({code}: "Later").',
        )
        for code in (400, 402, 403, 404, 429)
    ),
    (
        answer(302, {}, Location=f"https://evil.example/{MODEL}"),
        f"{NO_USABLE_ANSWER} (302).",
    ),
    (
        answer(200, {"error_code": 500001, "message": "Oops"}),
        f'{NO_USABLE_ANSWER} (500001: "Oops").',
    ),
    (httpx.Response(204), NOT_A_JSON_OBJECT),
    (httpx.Response(200, content=b"<html>"), NOT_A_JSON_OBJECT),
    (httpx.Response(200, content=b"[" * 9**6), "RunComfy's answer has too many parts."),
    (httpx.Response(200, content=b"[" * 9**5), NOT_A_JSON_OBJECT),
    (answer(200, [BOUGHT]), NOT_A_JSON_OBJECT),
    (answer(200, {}), "RunComfy accepted the request without a request_id."),
    (answer(200, {"request_id": None}), "RunComfy accepted the request without a request_id."),
    (answer(200, {"request_id": "../x"}), "RunComfy sent an invalid request_id."),
    (
        httpx.Response(200, content=b" " * (2 * MAX_ANSWER_BYTES)),
        "RunComfy's answer is too long.",
    ),
]


@pytest.mark.parametrize(("step", "why"), LOST, ids=str)
async def test_a_paid_request_whose_answer_was_lost_is_never_sent_again(
    step: Step, why: str
) -> None:
    network = ScriptedNetwork(step)
    error = await bought(network)

    assert isinstance(error, OutcomeUnknown)
    assert error.line == (
        f"The answer to the request was lost. {why}"
        " RunComfy may have accepted it and may charge it; it was not sent again."
    )
    assert network.sent == [POST]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        *((code, f"{NO_USABLE_ANSWER} ({code}).") for code in (302, 408, 500, 503, 504)),
        *((code, f"{REQUEST_REJECTED} ({code}).") for code in (400, 404, 413, 422)),
        *((code, f"{TOKEN_REJECTED} ({code}).") for code in (401, 403)),
        (402, f"{NO_BALANCE} (402)."),
        (429, f"{TOO_MANY_REQUESTS} (429)."),
    ],
)
async def test_an_error_that_names_a_request_may_be_a_paid_job_and_keeps_its_id(
    code: int, why: str
) -> None:
    network = ScriptedNetwork(answer(code, BOUGHT))
    error = await bought(network)

    assert isinstance(error, OutcomeUnknown)
    assert (error.request_id, error.line) == (
        ID,
        (
            f"RunComfy answered with an error that names a request. {why}"
            " RunComfy may have accepted it and may charge it; it was not sent again."
        ),
    )
    assert network.sent == [POST]


@pytest.mark.parametrize("named", ["../x", "a/b", 7, 123.5, 0, False, ["x"], {"id": ID}])
@pytest.mark.parametrize("code", [402, 400, 401, 404, 429])
async def test_an_error_with_an_invalid_id_may_be_a_paid_job(code: int, named: object) -> None:
    network = ScriptedNetwork(answer(code, {"request_id": named}))
    error = await bought(network)

    assert isinstance(error, OutcomeUnknown)
    assert error.request_id is None
    assert error.message.startswith(
        "The answer to the request was lost. RunComfy sent an error with an invalid request_id. "
    )
    assert error.message.endswith(f"({code}).")
    assert network.sent == [POST]


@pytest.mark.parametrize("named", ["", None])
async def test_an_error_that_names_no_request_is_the_error_that_it_says(named: object) -> None:
    error = await bought(ScriptedNetwork(answer(402, {"request_id": named})))
    assert isinstance(error, BalanceEmpty)


NEVER_LEFT = [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow")]


@pytest.mark.parametrize("fault", NEVER_LEFT, ids=lambda fault: type(fault).__name__)
async def test_a_paid_request_that_never_left_is_sent_once_more(fault: Exception) -> None:
    network = ScriptedNetwork(fault, answer(200, BOUGHT))

    assert await bought(network) == ID
    first, second = network.requests
    assert first.content == second.content


@pytest.mark.parametrize("fault", NEVER_LEFT, ids=lambda fault: type(fault).__name__)
async def test_a_paid_request_that_cannot_leave_fails_as_never_sent(fault: Exception) -> None:
    error = await bought(ScriptedNetwork(fault, fault))

    assert isinstance(error, RunComfyUnavailable)
    assert error.message == f"{DID_NOT_ANSWER} ({type(fault).__name__})."
    assert error.never_sent


@pytest.mark.parametrize("fault", NEVER_LEFT, ids=lambda fault: type(fault).__name__)
async def test_a_paid_request_is_not_sent_once_more_after_the_machine_stood_still(
    fault: Exception,
) -> None:
    time = FrozenTime()

    def stand_still(_: httpx.Request) -> httpx.Response:
        time.now += timedelta(minutes=31)
        raise fault

    async with open_runcomfy_http(ScriptedNetwork(stand_still), time=time) as http:
        with pytest.raises(RunComfyUnavailable) as refused:
            await RunComfyClient(http).submit(MODEL, ARGUMENTS)
    assert refused.value.never_sent


@pytest.mark.parametrize("step", [httpx.ReadTimeout("slow"), answer(503, {}), answer(200, {})])
async def test_a_second_paid_request_whose_answer_was_lost_is_not_followed_by_a_third(
    step: Step,
) -> None:
    network = ScriptedNetwork(httpx.ConnectError("refused"), step)
    assert isinstance(await bought(network), OutcomeUnknown)
    assert network.sent == [POST] * 2


REFUSED: list[tuple[int, Any, type[SeedanceError], str]] = [
    (400, {"message": "No"}, RequestRejected, f'{REQUEST_REJECTED} (400: "No").'),
    (413, None, RequestRejected, f"{REQUEST_REJECTED} (413)."),
    (422, {"detail": "Bad"}, RequestRejected, f'{REQUEST_REJECTED} (422: "Bad").'),
    (404, None, RequestRejected, f"{REQUEST_REJECTED} (404)."),
    (400, {"error_code": 400001}, RequestRejected, f"{REQUEST_REJECTED} (400001)."),
    (200, {"error_code": 400001}, RequestRejected, f"{REQUEST_REJECTED} (400001)."),
    (401, None, TokenRejected, f"{TOKEN_REJECTED} (401)."),
    (403, None, TokenRejected, f"{TOKEN_REJECTED} (403)."),
    (400, {"error_code": 400004}, TokenRejected, f"{TOKEN_REJECTED} (400004)."),
    (402, None, BalanceEmpty, f"{NO_BALANCE} (402)."),
    (
        400,
        {"error_code": 400002},
        BalanceEmpty,
        f"{NO_BALANCE} (400002).",
    ),
    (429, None, RateLimited, f"{TOO_MANY_REQUESTS} (429)."),
]


@pytest.mark.parametrize(("code", "body", "kind", "message"), REFUSED)
async def test_a_rejected_paid_request_says_why_and_is_sent_once(
    code: int, body: object, kind: type[SeedanceError], message: str
) -> None:
    network = ScriptedNetwork(answer(code, body, Retry_After="1"))
    error = await bought(network)

    assert isinstance(error, SeedanceError)
    assert (type(error), error.message) == (kind, message)
    assert network.sent == [POST]


async def test_a_token_that_occurs_in_the_id_by_chance_does_not_lose_the_job() -> None:
    network = ScriptedNetwork(answer(200, {"request_id": "test-1"}))
    assert await bought(network, token="test") == "test-1"
