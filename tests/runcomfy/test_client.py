from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from seedance_mcp.errors import (
    BalanceEmpty,
    InputError,
    JobNotFound,
    ModelUnknown,
    RateLimited,
    RequestRejected,
    RunComfyError,
    RunComfyUnavailable,
    TokenMissing,
    TokenRejected,
    UnreadableAnswer,
)
from seedance_mcp.jobs.status import (
    Ended,
    Observation,
    Outputs,
    Queued,
    Running,
    Status,
    Succeeded,
)
from seedance_mcp.runcomfy.client import RunComfyClient
from tests.support.scripted_network import (
    BASE_URL,
    FrozenTime,
    ScriptedNetwork,
    Step,
    answer,
    open_runcomfy_http,
)
from tests.support.wording import (
    DID_NOT_ANSWER,
    NO_BALANCE,
    NO_SUCH_REQUEST,
    NO_USABLE_ANSWER,
    NOT_A_JSON_OBJECT,
    REQUEST_REJECTED,
    TOKEN_REJECTED,
    TOO_MANY_REQUESTS,
)

pytestmark = pytest.mark.anyio

CLIP = "https://outputs.example/clip.mp4"
ID = "0b4c6d0e-7a5f-4c1e-9a55-2f0f8f5c9d11"
EVIL = {f"{leaf}_url": f"https://evil.example/{leaf}" for leaf in ("status", "result", "cancel")}
STATUS = f"GET {BASE_URL}/v1/requests/{ID}/status"
RESULT = f"GET {BASE_URL}/v1/requests/{ID}/result?include_cost=true"
CANCEL = f"POST {BASE_URL}/v1/requests/{ID}/cancel"

Call = Callable[[RunComfyClient], Awaitable[Any]]


async def called(call: Call, *steps: Step, time: FrozenTime | None = None) -> tuple[Any, list[str]]:
    """Make a call over scripted answers; return its result or error, and what was sent."""
    network = ScriptedNetwork(*steps)
    async with open_runcomfy_http(network, time=time) as http:
        try:
            seen = await call(RunComfyClient(http))
        except RunComfyError as error:
            seen = (type(error), error.message)
    return seen, network.sent


def status(client: RunComfyClient) -> Awaitable[Observation]:
    return client.status(ID)


def result(client: RunComfyClient) -> Awaitable[Observation]:
    return client.result(ID)


def cancel(client: RunComfyClient) -> Awaitable[bool]:
    return client.cancel(ID)


async def test_a_status_is_read_from_the_configured_origin_regardless_of_urls_in_answers() -> None:
    body = {"request_id": ID, "status": "in_queue", "queue_position": 2, **EVIL}
    assert await called(status, answer(200, body)) == (Queued(position=2), [STATUS])

    body = {"request_id": ID, "status": "completed", **EVIL}
    assert await called(status, answer(200, body)) == (Ended(how=Status.COMPLETED), [STATUS])


async def test_a_result_is_requested_with_its_cost() -> None:
    body = {"request_id": ID, "status": "succeeded", "output": {"video": CLIP}, "cost": 0.2, **EVIL}
    seen = Succeeded(outputs=Outputs(videos=(CLIP,)), cost_usd=0.2)
    assert await called(result, answer(200, body)) == (seen, [RESULT])


@pytest.mark.parametrize(
    ("early", "seen"),
    [
        (answer(400, {"error_code": 400005, "error_message": "Not ready"}), Running()),
        (answer(400, {"error_code": "400005"}), Running()),
        (answer(200, {"error_code": 400005}), Running()),
        (answer(200, {"status": "in_progress"}), Running()),
        (answer(200, {"status": "in_queue", "queue_position": 1}), Queued(position=1)),
        (
            answer(200, {"status": "succeeded", "output": {}}),
            Ended(how=Status.COMPLETED, listed=Succeeded(outputs=Outputs())),
        ),
    ],
)
async def test_an_early_result_says_where_the_job_stands(
    early: httpx.Response, seen: Observation
) -> None:
    assert await called(result, early) == (seen, [RESULT])


ABOUT_ANOTHER = (UnreadableAnswer, "RunComfy answered about another request.")


@pytest.mark.parametrize("call", [status, result, cancel])
@pytest.mark.parametrize("other", ["other", "", ID.upper(), 7, True, [ID], {"id": ID}])
@pytest.mark.parametrize("code", [200, 202, 404])
async def test_an_answer_about_another_request_is_not_believed(
    call: Call, other: object, code: int
) -> None:
    body = {"request_id": other, "status": "cancelled", "output": {"video": CLIP}}
    seen, _ = await called(call, answer(code, body))
    assert seen == ABOUT_ANOTHER


@pytest.mark.parametrize("body", [{}, {"request_id": None}, {"request_id": ID}])
async def test_an_answer_that_names_no_other_request_is_believed(body: dict[str, Any]) -> None:
    cancelled = answer(200, body | {"status": "cancelled"})
    assert await called(status, cancelled) == (Ended(how=Status.CANCELLED), [STATUS])


REFUSALS: list[tuple[int, Any, type[RunComfyError], str]] = [
    (400, {"error_code": 400004}, TokenRejected, f"{TOKEN_REJECTED} (400004)."),
    (401, None, TokenRejected, f"{TOKEN_REJECTED} (401)."),
    (404, {}, RunComfyUnavailable, f"{NO_USABLE_ANSWER} (404)."),
    (422, ["No"], RunComfyUnavailable, f'{NO_USABLE_ANSWER} (422: "No").'),
    (
        402,
        {"detail": "Top up"},
        BalanceEmpty,
        f'{NO_BALANCE} (402: "Top up").',
    ),
    (
        404,
        {"error_code": 404001, "message": "Expired"},
        JobNotFound,
        f'{NO_SUCH_REQUEST} (404001: "Expired").',
    ),
    (
        400,
        {"error_code": 400001},
        JobNotFound,
        f"{NO_SUCH_REQUEST} (400001).",
    ),
    (422, {"detail": "No"}, RequestRejected, f'{REQUEST_REJECTED} (422: "No").'),
    (500, {"error": "Oops"}, RunComfyUnavailable, f'{NO_USABLE_ANSWER} (500: "Oops").'),
    (302, None, RunComfyUnavailable, f"{NO_USABLE_ANSWER} (302)."),
    (200, [1], UnreadableAnswer, NOT_A_JSON_OBJECT),
]


@pytest.mark.parametrize("call", [status, result, cancel])
@pytest.mark.parametrize(("code", "body", "kind", "message"), REFUSALS)
async def test_an_error_answer_raises_its_error_and_is_not_retried(
    call: Call, code: int, body: object, kind: type[RunComfyError], message: str
) -> None:
    seen, sent = await called(call, answer(code, body))
    assert (seen, len(sent)) == ((kind, message), 1)


@pytest.mark.parametrize("call", [status, result])
async def test_a_poll_survives_transient_errors(call: Call) -> None:
    time = FrozenTime()
    steps = (httpx.ReadTimeout("slow"), answer(503, {}), answer(200, {"status": "in_progress"}))
    seen, sent = await called(call, *steps, time=time)
    assert (seen, len(sent), time.pauses) == (Running(), 3, [0.375, 0.75])


async def test_a_rate_limited_poll_reports_when_to_retry() -> None:
    network = ScriptedNetwork(answer(429, {"message": "Slow down"}, Retry_After="30"))
    async with open_runcomfy_http(network) as http:
        with pytest.raises(RateLimited) as refused:
            await RunComfyClient(http).status(ID)
    assert (refused.value.message, refused.value.retry_after) == (
        f'{TOO_MANY_REQUESTS} (429: "Slow down").',
        30.0,
    )


@pytest.mark.parametrize(
    ("body", "cancelled"),
    [
        ({"outcome": "cancelled", "status": "cancelled", **EVIL}, True),
        ({"status": "Canceled"}, True),
        ({"outcome": "not_cancellable", "status": "in_progress"}, False),
    ],
)
@pytest.mark.parametrize("code", [200, 202])
async def test_a_cancel_is_sent_once_and_without_a_body(
    code: int, body: dict[str, str], *, cancelled: bool
) -> None:
    network = ScriptedNetwork(answer(code, body))
    async with open_runcomfy_http(network) as http:
        assert await RunComfyClient(http).cancel(ID) is cancelled
    assert network.sent == [CANCEL]
    assert network.requests[0].content == b""


FAULTS = [httpx.ConnectError("refused"), httpx.ReadError("reset"), httpx.RemoteProtocolError("bad")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
async def test_a_cancel_whose_connection_broke_is_sent_once_more(fault: Exception) -> None:
    again = answer(202, {"outcome": "cancelled"})
    assert await called(cancel, fault, again) == (True, [CANCEL] * 2)

    name = type(fault).__name__
    assert await called(cancel, fault, fault) == (
        (RunComfyUnavailable, f"{DID_NOT_ANSWER} ({name})."),
        [CANCEL] * 2,
    )


@pytest.mark.parametrize("kind", [httpx.ReadTimeout, httpx.WriteTimeout])
async def test_a_cancel_that_timed_out_is_not_sent_again(kind: type[Exception]) -> None:
    assert await called(cancel, kind("slow")) == (
        (RunComfyUnavailable, f"{DID_NOT_ANSWER} ({kind.__name__})."),
        [CANCEL],
    )


@pytest.mark.parametrize("code", [429, 502, 503])
async def test_a_cancel_is_not_retried_if_runcomfy_was_busy(code: int) -> None:
    _, sent = await called(cancel, answer(code, {}))
    assert sent == [CANCEL]


async def test_the_catalogue_says_what_a_model_costs_and_takes() -> None:
    entry = {"model_id": "a/b/c", "base_price_usd": 0.1, "price_unit": "second"}
    network = ScriptedNetwork(httpx.ConnectError("refused"), answer(200, entry))
    async with open_runcomfy_http(network) as http:
        assert await RunComfyClient(http).model("a/b/c") == entry
    assert network.sent == [f"GET {BASE_URL}/v1/models/a/b/c"] * 2


@pytest.mark.parametrize(
    ("code", "body", "error"),
    [
        *((code, {"error_code": 400001}, ModelUnknown) for code in (200, 400, 404)),
        (404, {"error_code": "404001", "error_message": "No such model"}, ModelUnknown),
        (404, {"detail": "No"}, RequestRejected),
        (404, None, RequestRejected),
        (503, {"error_code": 404001}, JobNotFound),
    ],
)
async def test_only_runcomfy_itself_can_say_that_the_catalogue_does_not_have_a_model(
    code: int, body: Any, error: type[Exception]
) -> None:
    seen, _ = await called(lambda client: client.model("a/b"), answer(code, body))
    assert seen[0] is error


def page(*ids: str, total: Any = 5) -> httpx.Response:
    """Return a page of the catalogue, with some entries that have no id."""
    models = [{"model_id": name, "display_name": name} for name in ids]
    return answer(200, {"models": [*models, None, {"model_id": 7}], "total": total})


@pytest.mark.parametrize("total", [5, "5", None])
async def test_the_catalogue_is_searched_page_by_page(total: Any) -> None:
    steps = [page("a/b", "a/c", total=total), page("a/d", total=total)]
    # Without a total, it ends when a page has nothing new.
    network = ScriptedNetwork(*steps, *([] if total == 5 else [page("a/d", total=total)]))
    async with open_runcomfy_http(network) as http:
        found = await RunComfyClient(http).search_models("sea & land")
    assert [entry["model_id"] for entry in found] == ["a/b", "a/c", "a/d"]
    queries = [dict(request.url.params) for request in network.requests[:2]]
    assert queries == [
        {"limit": "100", "offset": "0", "search": "sea & land"},
        {"limit": "100", "offset": "4", "search": "sea & land"},
    ]


async def test_a_catalogue_without_a_list_is_unreadable() -> None:
    bodies: list[Any] = [[], {"models": {}}, {}]
    for body in bodies:
        seen, _ = await called(lambda client: client.search_models(), answer(200, body))
        assert seen[0] is UnreadableAnswer


@pytest.mark.parametrize("request_id", ["../../v2/deployments", "", "a/b", "a?b", "a\n", "x" * 129])
async def test_an_id_that_could_change_the_path_is_never_sent(request_id: str) -> None:
    network = ScriptedNetwork()
    async with open_runcomfy_http(network) as http:
        client = RunComfyClient(http)
        for ask in (client.status, client.result, client.cancel):
            with pytest.raises(InputError, match=r"^request_id must be 1 to 128 letters"):
                await ask(request_id)
    assert network.requests == []


async def test_without_a_token_every_call_fails_before_it_is_sent() -> None:
    network = ScriptedNetwork()
    async with open_runcomfy_http(network, token=None) as http:
        client = RunComfyClient(http)
        calls = (client.status(ID), client.result(ID), client.cancel(ID), client.model("a/b"))
        for call in (*calls, client.submit("a/b", {})):
            with pytest.raises(TokenMissing, match=r"^No RunComfy token is set\."):
                await call
    assert network.requests == []
