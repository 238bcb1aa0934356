"""Every form of RunComfy's answers that the facts call known, conflicting or unknown."""

from typing import Any

import anyio
import httpx
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from tests.support.client import open_client, structured, text
from tests.support.wording import (
    DO_NOT_REPEAT,
    NO_BALANCE,
    NO_SUCH_REQUEST,
    NOT_SENT_AGAIN,
    REUSED,
    STORED,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

QUEUED = {"queue_seconds": 3, "run_seconds": 5}
ERROR_FORMS = ["error_message", "message", "error", "detail", "detail_list"]


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"submit_status": 202, "submit_says_status": True},
        {"status_words": {"in_queue": "IN_QUEUE", "in_progress": "In Progress"}},
        {"status_words": {"completed": "Succeeded"}},
        {"status_words": {"in_queue": "warming_up", "in_progress": "rendering"}},
        {"queue_position": "null"},
        {"queue_position": "absent"},
        {"first_position": 1},
        {"result_words": {}},
        {"result_words": {"completed": "SUCCEEDED"}},
        {"outputs": ("video",)},
        {"outputs": ("videos",)},
        {"outputs": ("video", "videos", "image", "images")},
        {"echo_inputs": True, "model_id_in_result": True},
        {"result_lag": 3},
        {"cost": "absent"},
        {"cost_lag": 5},
        {"dates": "naive"},
        {"dates": "epoch"},
        {"dates": "absent"},
    ],
    ids=str,
)
async def test_a_clip_is_made_with_every_form_of_answer(form: dict[str, Any]) -> None:
    async with open_client(Behaviour(**QUEUED, **form), attachments="link") as client:
        made = await client.generate()
        (job,) = client.simulator.accepted
        video_url = f"{client.simulator.url}/outputs/{job.request_id}.mp4"
        assert (made.is_error, structured(made)["status"]) == (False, "completed")
        assert structured(made)["video_url"] == video_url
        result = await client.call("get_result", request_id=job.request_id)
        assert structured(result)["videos"] == [video_url]
        links = [part for part in result.content if part.type == "resource_link"]
        assert [(link.uri, link.mime_type) for link in links] == [(video_url, "video/mp4")]


async def test_the_result_is_read_as_soon_as_the_status_says_that_the_run_ended() -> None:
    async with open_client(Behaviour(run_seconds=2)) as client:
        await client.generate()
        assert client.paths()[-2:] == ["status", "result"]
        assert client.simulator.requests[-1].path.endswith("/result?include_cost=true")
        assert client.simulator.requests[-1].at == client.simulator.requests[-2].at


@pytest.mark.parametrize("status_of_failure", ["completed", "failed"])
@pytest.mark.parametrize(
    ("failure_form", "said"),
    [
        ("string", "The face could not be animated."),
        ("object", "The face could not be animated."),
        ("list", "The face could not be animated."),
        ("absent", "RunComfy gave no reason"),
    ],
)
async def test_a_failed_job_is_an_error_that_says_why(
    status_of_failure: Any, failure_form: Any, said: str
) -> None:
    behaviour = Behaviour(
        outcome="fail",
        failure_text="The face could not be animated.",
        status_of_failure=status_of_failure,
        failure_form=failure_form,
    )
    async with open_client(behaviour) as client:
        made = await client.generate()
        request_id = structured(made)["request_id"]
        result = await client.call("get_result", request_id=request_id)
        status = await client.call("check_status", request_id=request_id)
        assert [made.is_error, result.is_error, status.is_error] == [True, True, False]
        for answer in (made, result, status):
            assert structured(answer)["status"] == "failed"
            assert said in structured(answer)["error"]
            assert f"error: {structured(answer)['error']}" in text(answer)


async def test_a_run_that_ended_is_not_completed_before_the_result_says_so() -> None:
    async with open_client(Behaviour(run_seconds=1, result_lag=10_000)) as client:
        made = await client.generate(wait_seconds=20)
        assert (structured(made)["status"], structured(made)["video_url"]) == ("in_progress", None)


@pytest.mark.parametrize("early_result", ["state", "error"])
async def test_a_result_requested_early_has_the_state_and_is_not_an_error(
    early_result: Any,
) -> None:
    async with open_client(Behaviour(run_seconds=60, early_result=early_result)) as client:
        request_id = structured(await client.generate(wait_seconds=0))["request_id"]
        result = await client.call("get_result", request_id=request_id)
        assert result.is_error is False
        assert structured(result) == {
            "request_id": request_id,
            "status": "in_progress",
            "videos": [],
            "images": [],
            "cost_usd": None,
            "created_at": "2026-01-01T00:00:00+00:00",
            "finished_at": None,
            "saved_to": None,
            "error": None,
            "next_step": f"Call check_status with request_id {request_id}; {DO_NOT_REPEAT}.",
        }


@pytest.mark.parametrize("cancel_form", ["both", "outcome", "status"])
async def test_a_queued_job_is_cancelled_and_a_running_one_continues(cancel_form: Any) -> None:
    async with open_client(Behaviour(run_seconds=60, workers=1, cancel_form=cancel_form)) as client:
        running = structured(await client.generate(wait_seconds=0))["request_id"]
        queued = structured(await client.generate(wait_seconds=0, prompt="Another."))["request_id"]
        cancelled = await client.call("cancel_job", request_id=queued)
        assert structured(cancelled) == {
            "request_id": queued,
            "outcome": "cancelled",
            "status": "cancelled",
            "next_step": "The job will not run; call generate_video to make another clip.",
        }
        kept = await client.call("cancel_job", request_id=running)
        assert (kept.is_error, structured(kept)) == (
            False,
            {
                "request_id": running,
                "outcome": "not_cancellable",
                "status": "in_progress",
                "next_step": "The job is already running, so it cannot be stopped and will be"
                f" charged; call check_status with request_id {running}.",
            },
        )
        status = await client.call("check_status", request_id=running, wait_seconds=100)
        assert structured(status)["status"] == "completed"


async def test_a_job_cancelled_elsewhere_is_seen_as_cancelled() -> None:
    async with open_client(
        Behaviour(queue_seconds=60, status_words={"cancelled": "Canceled"})
    ) as client:
        request_id = structured(await client.generate(wait_seconds=0))["request_id"]
        async with httpx.AsyncClient() as elsewhere:
            headers = {"Authorization": f"Bearer {client.simulator.token}"}
            url = f"{client.simulator.url}/v1/requests/{request_id}/cancel"
            await elsewhere.post(url, headers=headers)
        result = await client.call("check_status", request_id=request_id)
        assert (result.is_error, structured(result)["status"]) == (False, "cancelled")


@pytest.mark.parametrize("error_form", ERROR_FORMS)
@pytest.mark.parametrize("error_codes", [True, False])
@pytest.mark.parametrize("token_error", [400, 401, 403])
async def test_a_wrong_token_buys_nothing_and_is_recognised_in_every_form(
    *, token_error: Any, error_form: Any, error_codes: bool
) -> None:
    behaviour = Behaviour(token_error=token_error, error_form=error_form, error_codes=error_codes)
    async with open_client(behaviour, token="a-token-that-was-revoked") as client:
        number = "400004" if error_codes else str(token_error)
        # A 400 without a body has no reason.
        nameless = number == "400"
        meaning = "rejected the request" if nameless else "rejected the token"
        made = await client.generate()
        assert (made.is_error, text(made).endswith(" Nothing was charged.")) == (True, True)
        asked = await client.call("check_status", request_id="abc")
        assert (asked.is_error, text(asked).endswith(" This request was free.")) == (True, True)
        for result in (made, asked):
            assert text(result).startswith(f"RunComfy {meaning} ({number}: ")
        assert client.simulator.accepted == []


@pytest.mark.parametrize(
    ("switches", "said"),
    [
        ({"balance_usd": 0}, f"{NO_BALANCE} (400002"),
        ({"balance_usd": -3, "balance_error": 402}, NO_BALANCE),
        ({"balance_usd": 0, "errors_in_200": True}, NO_BALANCE),
    ],
)
async def test_an_empty_balance_is_an_error_and_buys_nothing(
    switches: dict[str, Any], said: str
) -> None:
    async with open_client(Behaviour(**switches)) as client:
        result = await client.generate()
        assert (result.is_error, text(result)[: len(said)]) == (True, said)
        assert text(result).endswith(" Nothing was charged.")
        assert (client.simulator.accepted, client.paths()) == ([], ["image-to-video"])


@pytest.mark.parametrize("request_error", [400, 403, 404])
async def test_an_id_that_runcomfy_does_not_know_is_an_error_that_says_so(
    request_error: Any,
) -> None:
    async with open_client(Behaviour(request_error=request_error)) as client:
        for tool in ("check_status", "get_result", "cancel_job"):
            result = await client.call(tool, request_id="0000-unknown")
            assert result.is_error
            assert text(result).startswith(f"{NO_SUCH_REQUEST} (")


async def test_a_finished_job_comes_from_the_ledger_if_runcomfy_forgot_it() -> None:
    async with open_client() as client:
        made = structured(await client.generate())
        client.simulator.forget(made["request_id"])
        result = await client.call("get_result", request_id=made["request_id"])
        assert (result.is_error, structured(result)["videos"]) == (False, [made["video_url"]])
        assert STORED in structured(result)["next_step"]


async def test_a_job_from_elsewhere_is_polled_and_read_by_its_id_alone() -> None:
    async with open_client(Behaviour(run_seconds=8)) as client:
        request_id = structured(await client.generate(wait_seconds=0))["request_id"]
        settings: dict[str, Any] = {
            "token": client.simulator.token,
            "base_url": client.simulator.url,
        }
        async with open_client(None, **settings) as stranger:
            status = await stranger.call("check_status", request_id=request_id)
            assert (structured(status)["status"], structured(status)["model_id"]) == (
                "completed",
                None,
            )
            result = await stranger.call("get_result", request_id=request_id)
            assert structured(result)["videos"] == [structured(status)["video_url"]]


@pytest.mark.parametrize(
    "fault",
    [
        Fault.drop("status", times=5),
        Fault.answer("status", 502, times=7),
        Fault.answer("status", 503, headers={"Retry-After": "2"}, times=4),
        Fault.answer("status", 500, body=b"<html>oops</html>", times=3),
        Fault.garbage("status", "not_json", times=2),
        Fault.garbage("status", "cut_json", times=2),
        Fault.garbage("status", "wrong_type", times=2),
        Fault.answer("status", 429, headers={"Retry-After": "3"}, times=6),
        Fault.answer("result", 504, times=6),
        Fault.garbage("result", "huge"),
        Fault.cut("result", times=2),
        Fault.delay("status", 30),
    ],
    ids=lambda fault: f"{fault.route}-{fault.kind}-{fault.status}-{fault.times}",
)
async def test_failures_while_a_job_runs_are_retried(fault: Fault) -> None:
    async with open_client(Behaviour(run_seconds=10)) as client:
        client.simulator.faults.append(fault)
        made = await client.generate(wait_seconds=120)
        assert (made.is_error, structured(made)["status"]) == (False, "completed")
        assert len(client.simulator.accepted) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault.drop("submit", after=True),
        Fault.drop("submit"),
        Fault.answer("submit", 500, after=True),
        Fault.answer("submit", 502),
        Fault.answer("submit", 504, after=True),
        Fault.garbage("submit", "not_json", after=True),
        Fault.garbage("submit", "cut_json", after=True),
        Fault.garbage("submit", "wrong_type", after=True),
        Fault.answer("submit", 200, body=b"{}", after=True),
        Fault.answer("submit", 200, body=b'{"request_id": "../../v2/deployments"}', after=True),
        Fault.answer("submit", 408),
        Fault.redirect("submit", "http://127.0.0.1:9/v1/models/other"),
        Fault.delay("submit", 1000),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.after}",
)
async def test_a_paid_request_without_an_answer_is_unknown_and_never_sent_again(
    fault: Fault,
) -> None:
    async with open_client() as client:
        client.simulator.faults.append(fault)
        made = await client.generate(wait_seconds=300)
        assert made.is_error
        assert structured(made)["status"] == "unknown"
        assert NOT_SENT_AGAIN in structured(made)["next_step"]
        again = await client.generate(wait_seconds=300)
        assert (structured(again)["status"], structured(again)["reused"]) == ("unknown", True)
        assert client.paths() == ["image-to-video"]
        forced = await client.generate(force_new=True)
        assert structured(forced)["status"] == "completed"


@pytest.mark.parametrize("tool", ["check_status", "get_result", "cancel_job"])
async def test_an_identical_call_buys_again_once_a_tool_was_called_with_the_request_id(
    tool: str,
) -> None:
    async with open_client(Behaviour(run_seconds=30)) as client:
        first = structured(await client.generate(wait_seconds=0))
        again = structured(await client.generate(wait_seconds=0))
        assert (again["request_id"], again["reused"]) == (first["request_id"], True)
        assert again["warnings"] == [REUSED]
        await client.call(tool, request_id=first["request_id"])
        second = structured(await client.generate(wait_seconds=0))
        assert (second["request_id"] == first["request_id"], second["reused"]) == (False, False)
        assert len(client.simulator.accepted) == 2


async def test_a_failed_job_is_given_back_until_an_answer_has_said_that_it_failed() -> None:
    async with open_client(Behaviour(run_seconds=10, outcome="fail")) as client:
        with anyio.move_on_after(5):
            await client.generate()
        await anyio.sleep(10)
        listed = structured(await client.call("list_jobs"))["jobs"]
        assert [job["status"] for job in listed] == ["failed"]
        first = structured(await client.generate(wait_seconds=0))
        assert (first["status"], first["reused"]) == ("failed", True)
        second = structured(await client.generate(wait_seconds=0))
        assert (second["status"], second["reused"]) == ("in_queue", False)


async def test_concurrent_identical_calls_buy_one_clip_unless_forced() -> None:
    async with open_client(Behaviour(run_seconds=5, workers=9)) as client:
        answers: list[dict[str, Any]] = []

        async def make(**arguments: Any) -> None:
            answers.append(structured(await client.generate(**arguments)))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(make)
        assert len({answer["request_id"] for answer in answers}) == 1
        assert sorted(answer["reused"] for answer in answers) == [False, True, True, True, True]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: make(force_new=True, prompt="Rain."))
            tasks.start_soon(lambda: make(force_new=True, prompt="Rain."))
        assert len(client.simulator.accepted) == 3
