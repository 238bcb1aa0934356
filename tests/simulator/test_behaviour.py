from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, get_args

import pytest

from seedance_mcp.simulator.behaviour import Behaviour, Word, seconds_of
from tests.support.simulator_caller import MODEL, ManualClock, open_caller

pytestmark = pytest.mark.anyio


def switched(**switches: Any) -> Behaviour:
    """Return a behaviour that fetches no images and has these switches."""
    return replace(Behaviour(images="never"), **switches)


async def test_a_submit_may_be_answered_202_and_with_a_status() -> None:
    async with open_caller(switched(submit_status=202, submit_says_status=True)) as caller:
        answer = await caller.submit()
        assert answer.status_code == 202
        assert answer.json()["status"] == "in_queue"


async def test_unknown_arguments_may_be_ignored() -> None:
    async with open_caller(switched(unknown_arguments="ignored")) as caller:
        assert (await caller.submit(duratoin=7)).status_code == 200


async def test_every_status_may_have_another_spelling() -> None:
    words: dict[Word, str] = {
        "in_queue": "IN_QUEUE",
        "in_progress": "warming_up",
        "completed": "Completed",
        "cancelled": "canceled",
    }
    clock = ManualClock()
    async with open_caller(switched(run_seconds=10, status_words=words), clock=clock) as caller:
        first, second = await caller.job(), await caller.job()
        assert (await caller.status(second))["status"] == "IN_QUEUE"
        assert (await caller.cancel(second)).json()["status"] == "canceled"
        assert (await caller.status(second))["status"] == "canceled"
        assert (await caller.status(first))["status"] == "warming_up"
        clock.now += 10
        assert (await caller.status(first))["status"] == "Completed"


async def test_a_result_may_say_completed_or_any_word() -> None:
    async with open_caller(switched(result_words={})) as caller:
        request_id = await caller.job()
        assert (await caller.result(request_id))["status"] == "completed"
        caller.simulator.behaviour.result_words = {"completed": "OK"}
        assert (await caller.result(request_id))["status"] == "OK"


@pytest.mark.parametrize(
    ("switches", "answered"),
    [
        ({}, {"queue_position": 0}),
        ({"first_position": 1}, {"queue_position": 1}),
        ({"queue_position": "null"}, {"queue_position": None}),
        ({"queue_position": "absent"}, {}),
    ],
)
async def test_a_position_is_counted_from_0_or_1_or_null_or_absent(
    switches: dict[str, Any], answered: dict[str, Any]
) -> None:
    async with open_caller(switched(queue_seconds=5, **switches)) as caller:
        status = await caller.status(await caller.job())
        assert {k: v for k, v in status.items() if k == "queue_position"} == answered


@pytest.mark.parametrize("status_of_failure", ["completed", "failed"])
async def test_a_failed_run_is_failed_in_its_result_and_may_be_completed_in_its_status(
    status_of_failure: str,
) -> None:
    async with open_caller(switched(outcome="fail", status_of_failure=status_of_failure)) as caller:
        request_id = await caller.job()
        assert (await caller.status(request_id))["status"] == status_of_failure
        result = await caller.result(request_id)
        assert result["status"] == "failed"
        assert result["error"] == "The model could not make this clip."
        assert "output" not in result
        assert (await caller.http.get(f"/outputs/{request_id}.mp4")).status_code == 404


@pytest.mark.parametrize(
    ("form", "answered"),
    [
        ("string", {"error": "Odd."}),
        ("object", {"error": {"code": "generation_failed", "message": "Odd."}}),
        ("list", {"error": [{"code": "generation_failed", "message": "Odd."}]}),
        ("absent", {}),
    ],
)
async def test_a_failure_has_every_form(form: str, answered: dict[str, Any]) -> None:
    behaviour = switched(outcome="fail", failure_form=form, failure_text="Odd.")
    async with open_caller(behaviour) as caller:
        result = await caller.result(await caller.job())
        assert {k: v for k, v in result.items() if k == "error"} == answered


async def test_an_output_has_the_selected_fields() -> None:
    async with open_caller(switched(outputs=("video",))) as caller:
        request_id = await caller.job()
        base = f"{caller.simulator.url}/outputs/{request_id}"
        forms = {
            "video": f"{base}.mp4",
            "videos": [f"{base}.mp4"],
            "image": f"{base}.jpg",
            "images": [f"{base}.jpg"],
        }
        for names in (("video",), ("videos",), ("video", "videos"), tuple(forms)):
            caller.simulator.behaviour.outputs = names  # pyright: ignore[reportAttributeAccessIssue]
            output = (await caller.result(request_id))["output"]
            assert output == {name: forms[name] for name in names}


async def test_a_result_may_repeat_its_inputs_and_name_its_model() -> None:
    async with open_caller(switched(echo_inputs=True, model_id_in_result=True)) as caller:
        result = await caller.result(await caller.job(prompt="A pier"))
        assert result["input"]["prompt"] == "A pier"
        assert result["model_id"] == MODEL


async def test_an_early_result_may_be_an_error() -> None:
    async with open_caller(switched(run_seconds=5, early_result="error")) as caller:
        request_id = await caller.job()
        answer = await caller.http.get(f"/v1/requests/{request_id}/result")
        assert answer.status_code == 400
        assert answer.json()["error_code"] == 400005


async def test_a_result_may_lag_behind_its_status_and_its_cost_behind_the_result() -> None:
    async with open_caller(switched(result_lag=2, cost_lag=1)) as caller:
        request_id = await caller.job()
        assert (await caller.status(request_id))["status"] == "completed"
        results = [await caller.result(request_id) for _ in range(4)]
        words = [result["status"] for result in results]
        assert words == ["in_progress", "in_progress", "succeeded", "succeeded"]
        assert ["cost" in result for result in results] == [False, False, False, True]


@pytest.mark.parametrize(
    ("switches", "price"),
    [
        ({}, {"base_price_usd": 0.04, "price_unit": "second"}),
        ({"price_form": "string"}, {"base_price_usd": "0.04", "price_unit": "second"}),
        ({"price_form": "negative"}, {"base_price_usd": -0.04, "price_unit": "second"}),
        ({"price_form": "null"}, {"base_price_usd": None, "price_unit": "second"}),
        ({"price_form": "absent"}, {"price_unit": "second"}),
        ({"price_unit": "output"}, {"base_price_usd": 0.04, "price_unit": "output"}),
        ({"price_unit": None}, {"base_price_usd": 0.04, "price_unit": None}),
    ],
    ids=str,
)
async def test_the_catalogues_price_may_take_any_form(
    switches: dict[str, Any], price: dict[str, Any]
) -> None:
    async with open_caller(switched(**switches)) as caller:
        entry = (await caller.http.get(f"/v1/models/{MODEL}")).json()
        assert {key: value for key, value in entry.items() if "price" in key} == price


@pytest.mark.parametrize(("unit", "cost"), [("second", 0.4), ("output", 0.04)])
async def test_a_price_is_for_a_second_or_for_a_clip(unit: str, cost: float) -> None:
    async with open_caller(switched(price_unit=unit)) as caller:
        request_id = await caller.job(duration=10)
        assert (await caller.result(request_id))["cost"] == pytest.approx(cost)


async def test_a_cost_is_present_when_requested_and_may_be_absent() -> None:
    async with open_caller(switched()) as caller:
        request_id = await caller.job()
        unasked = await caller.http.get(f"/v1/requests/{request_id}/result")
        assert "cost" not in unasked.json()
        assert "cost" in await caller.result(request_id)
        caller.simulator.behaviour.cost = "absent"
        assert "cost" not in await caller.result(request_id)


async def test_dates_come_in_every_form_and_agree() -> None:
    clock = ManualClock()
    async with open_caller(switched(run_seconds=90), clock=clock) as caller:
        request_id = await caller.job()
        early = await caller.result(request_id)
        assert "finished_at" not in early
        clock.now += 200
        zulu = await caller.result(request_id)
        assert zulu["created_at"].endswith("Z")
        created, finished = (
            datetime.fromisoformat(zulu[f"{k}_at"]) for k in ("created", "finished")
        )
        assert (finished - created).total_seconds() == pytest.approx(90, abs=0.01)
        caller.simulator.behaviour.dates = "naive"
        assert f"{(await caller.result(request_id))['created_at']}Z" == zulu["created_at"]
        caller.simulator.behaviour.dates = "epoch"
        epoch = (await caller.result(request_id))["created_at"]
        assert epoch == pytest.approx(created.timestamp(), abs=0.01)
        caller.simulator.behaviour.dates = "absent"
        assert "created_at" not in await caller.result(request_id)


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ("both", {"request_id", "outcome", "status"}),
        ("outcome", {"request_id", "outcome"}),
        ("status", {"request_id", "status"}),
    ],
)
async def test_a_cancel_is_answered_in_every_form(form: str, fields: set[str]) -> None:
    async with open_caller(switched(queue_seconds=5, cancel_form=form)) as caller:
        answer = await caller.cancel(await caller.job())
        assert answer.json().keys() == fields


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("error_message", {"error_message": "No such request: x"}),
        ("message", {"message": "No such request: x"}),
        ("error", {"error": "No such request: x"}),
        ("detail", {"detail": "No such request: x"}),
        ("detail_list", {"detail": [{"msg": "No such request: x"}]}),
    ],
)
async def test_an_error_has_every_form_with_and_without_a_code(
    form: str, body: dict[str, Any], *, numbered: bool
) -> None:
    async with open_caller(switched(error_form=form, error_codes=numbered)) as caller:
        number = {"error_code": 404001} if numbered else {}
        assert await caller.status("x") == body | number


async def test_invalid_inputs_may_be_reported_in_one_message() -> None:
    async with open_caller(switched(input_error=400, input_error_form="message")) as caller:
        answer = await caller.submit(duration=7, prompt=3)
        assert answer.status_code == 400
        assert answer.json() == {
            "message": "prompt: 3 is not of type 'string'; duration: 7 is not one of [5, 10]"
        }


async def test_an_error_may_come_with_status_200_and_its_code() -> None:
    async with open_caller(switched(errors_in_200=True)) as caller:
        answer = await caller.http.get("/v1/requests/x/status")
        assert answer.status_code == 200
        assert answer.json()["error_code"] == 404001


@pytest.mark.parametrize(("status", "number"), [(404, 404001), (400, 400001), (403, 403001)])
async def test_a_forgotten_request_is_refused_in_every_form(status: int, number: int) -> None:
    async with open_caller(switched(request_error=status)) as caller:
        request_id = await caller.job()
        caller.simulator.forget(request_id)
        for answer in (
            await caller.http.get(f"/v1/requests/{request_id}/status"),
            await caller.http.get(f"/v1/requests/{request_id}/result"),
            await caller.cancel(request_id),
        ):
            assert answer.status_code == status
            assert answer.json()["error_code"] == number
        assert (await caller.http.get(f"/outputs/{request_id}.jpg")).status_code == 200


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_wrong_token_is_refused_with_every_status(status: int) -> None:
    async with open_caller(switched(token_error=status)) as caller:
        answer = await caller.http.get("/v1/models", headers={"authorization": "Bearer other"})
        assert answer.status_code == status
        assert answer.json()["error_code"] == 400004


async def test_no_balance_may_be_402_and_an_unknown_model_400() -> None:
    behaviour = switched(balance_usd=0, balance_error=402, model_error=400)
    async with open_caller(behaviour) as caller:
        assert (await caller.submit()).status_code == 402
        assert (await caller.http.get("/v1/models/no")).status_code == 400


async def test_a_rate_limit_has_a_retry_after_in_seconds_or_as_a_date_or_none() -> None:
    async with open_caller(switched(rate_limit="seconds", retry_after=7)) as caller:
        answer = await caller.submit()
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        caller.simulator.behaviour.rate_limit = "date"
        date = parsedate_to_datetime((await caller.balance()).headers["retry-after"])
        assert date.tzinfo is not None
        caller.simulator.behaviour.rate_limit = "bare"
        assert "retry-after" not in (await caller.balance()).headers
        caller.simulator.behaviour.rate_limit = "off"
        assert (await caller.balance()).status_code == 200
        assert caller.simulator.accepted == []


def test_durations_are_constant_or_listed_or_calculated() -> None:
    assert [seconds_of(4.5, n) for n in range(3)] == [4.5, 4.5, 4.5]
    assert [seconds_of([1, 2], n) for n in range(3)] == [1, 2, 2]
    assert [seconds_of(lambda n: n * 10.0, n) for n in range(3)] == [0, 10, 20]


def test_every_switch_is_documented() -> None:
    documented = Behaviour.__doc__ or ""
    assert all(f"        {name}: " in documented for name in Behaviour.__dataclass_fields__)
    assert len(get_args(Word)) == 5
