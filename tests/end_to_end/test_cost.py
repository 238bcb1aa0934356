"""The price of a clip: an estimate if it is known, which delays nothing, and later the cost."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import TextResourceContents

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from tests.support.client import ToolClient, open_client, structured, text
from tests.support.restarting_server import generate, open_server, run_simulator
from tests.support.wording import DO_NOT_REPEAT

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

HOUR = 3600


def price_requests(client: ToolClient) -> list[float]:
    """Return when the price was requested, in seconds."""
    return [seen.at for seen in client.simulator.requests if seen.route == "catalogue"]


@pytest.mark.parametrize(
    ("price", "duration", "usd"),
    [
        ({}, 5, 0.2),
        ({}, 10, 0.4),
        ({"price_usd": 0.35}, 10, 3.5),
        ({"price_usd": 0.1, "price_unit": "output"}, 10, 0.1),
    ],
    ids=str,
)
async def test_a_clip_has_an_estimate_first_and_its_cost_later(
    price: dict[str, Any], duration: int, usd: float
) -> None:
    async with open_client(Behaviour(run_seconds=9, **price)) as client:
        made = await client.generate(duration=duration)
        assert structured(made)["estimated_cost_usd"] == usd
        assert f"; estimated_cost_usd: {usd}; spent_24h_usd: {usd}\n" in text(made)
        request_id = structured(made)["request_id"]
        result = await client.call("get_result", request_id=request_id)
        assert structured(result)["cost_usd"] == usd
        assert f"; cost_usd: {usd}; " in text(result)


async def test_the_last_24_hours_cost_what_the_daily_limit_counts() -> None:
    async with open_client(Behaviour(run_seconds=10), max_cost_usd_per_day="0.7") as client:
        made = [
            structured(await client.generate(prompt=f"Clip {number}.", wait_seconds=0))
            for number in range(3)
        ]
        assert [each["spent_24h_usd"] for each in made] == [0.2, 0.4, 0.6]
        # The last one waits for its turn, so it can be cancelled.
        await client.call("cancel_job", request_id=made[-1]["request_id"])
        listed = structured(await client.call("list_jobs"))
        assert listed["spent_24h_usd"] == 0.4
        assert [job["cost_usd"] for job in listed["jobs"]] == [None, None, None]
        await anyio.sleep(30)
        client.simulator.behaviour.price_usd = 0.1
        listing = await client.call("list_jobs")
        assert [job["cost_usd"] for job in structured(listing)["jobs"]] == [None, 0.2, 0.2]
        assert text(listing).splitlines()[0] == "total: 3; spent_24h_usd: 0.4"
        assert "; cost_usd: 0.2\n" in text(listing)
        (read,) = (await client.mcp.read_resource("seedance://jobs")).contents
        assert isinstance(read, TextResourceContents)
        assert json.loads(read.text) == structured(listing)
        over = await client.generate(prompt="A fourth.", duration=10, wait_seconds=0)
        assert "the jobs of the last 24 h cost 0.4 USD" in text(over)
        await anyio.sleep(24 * HOUR)
        assert structured(await client.call("list_jobs"))["spent_24h_usd"] == 0


async def test_answers_about_jobs_read_what_was_spent_once_in_five_seconds_and_after_a_purchase(
    tmp_path: Path,
) -> None:
    async with (
        run_simulator(run_seconds=10**6) as simulator,
        open_server(simulator, tmp_path) as one,
        open_server(simulator, tmp_path) as other,
    ):
        made = structured(await generate(one, wait_seconds=0))

        async def spent() -> float:
            status = await one.call_tool(
                "check_status", {"request_id": made["request_id"], "wait_seconds": 0}
            )
            return structured(status)["spent_24h_usd"]

        assert (made["spent_24h_usd"], await spent()) == (0.2, 0.2)
        await generate(other, prompt="Another.", wait_seconds=0)
        assert await spent() == 0.2
        await anyio.sleep(5)
        assert await spent() == 0.4
        bought = structured(await generate(one, prompt="A third.", wait_seconds=0))
        assert (bought["spent_24h_usd"], await spent()) == (pytest.approx(0.6), 0.6)


async def test_a_sum_with_an_unknown_cost_is_left_out_or_says_so() -> None:
    async with open_client(Behaviour(workers=9, run_seconds=60)) as client:
        client.simulator.faults.append(Fault.answer("catalogue", 500, times=9))
        made = [await client.generate(prompt=f"{n}.", wait_seconds=0) for n in range(2)]
        assert ["spent_24h_usd" in structured(each) for each in made] == [False, False]
        listed = structured(await client.call("list_jobs"))
        assert listed["spent_24h_usd"] == 0
        assert listed["next_step"].startswith("spent_24h_usd leaves out 2 jobs whose cost is")
        ended: list[dict[str, Any]] = []
        for each in made:
            request_id = structured(each)["request_id"]
            status = await client.call("check_status", request_id=request_id, wait_seconds=90)
            ended.append(structured(status))
            await anyio.sleep(1)
        assert [each.get("spent_24h_usd") for each in ended] == [None, 0.4]
        none = structured(await client.call("list_jobs", status="failed"))
        assert none["next_step"] == "No jobs match; call generate_video to make a clip."


async def test_the_price_is_requested_once_an_hour_whatever_the_answer() -> None:
    async with open_client(Behaviour(workers=9)) as client:
        client.simulator.faults.append(Fault.answer("catalogue", 500))
        for _ in range(3):
            await client.generate(force_new=True, wait_seconds=0)
            await anyio.sleep(HOUR / 3 - 1)
        assert price_requests(client) == pytest.approx([0], abs=0.1)
        # It is requested even if no call needs it.
        await anyio.sleep(HOUR / 2)
        assert price_requests(client) == pytest.approx([0, HOUR], abs=0.1)
        client.simulator.behaviour.price_usd = 1
        known = await client.generate(force_new=True)
        assert structured(known)["estimated_cost_usd"] == 0.2
        await anyio.sleep(HOUR)
        dearer = await client.generate(force_new=True)
        assert (structured(dearer)["estimated_cost_usd"], len(price_requests(client))) == (5.0, 3)


async def test_the_price_is_requested_once_a_server_serves_and_not_without_a_token() -> None:
    async with open_client() as client:
        await client.call("list_jobs")
        await client.generate(duration=7)
        await anyio.sleep(5)
        assert price_requests(client) == pytest.approx([0], abs=0.1)
    async with open_client(token=None) as client:
        await anyio.sleep(5)
        assert (await client.generate()).is_error
        assert price_requests(client) == []


TROUBLE = [
    *(Fault.delay("catalogue", 10_000, times=9), Fault.drop("catalogue", times=9)),
    *(Fault.delay("catalogue", 10_000, after=True, times=9), Fault.cut("catalogue", times=9)),
    *(Fault.answer("catalogue", status, times=9) for status in (204, 400, 401, 404, 429, 500, 503)),
    *(Fault.garbage("catalogue", "not_json"), Fault.garbage("catalogue", "cut_json")),
    *(Fault.garbage("catalogue", "wrong_type"), Fault.garbage("catalogue", "huge")),
    *(Fault.redirect("catalogue", "/v1/models"), Fault.answer("catalogue", 200, body=b"[[[")),
]
FORMS: list[dict[str, Any]] = [
    *({"price_form": form} for form in ("string", "negative", "null", "absent")),
    *({"price_unit": unit} for unit in (None, "", "token")),
    {"price_usd": 0.0},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
async def test_a_price_in_an_unknown_form_costs_only_the_estimate(
    form: dict[str, Any],
) -> None:
    async with open_client(Behaviour(run_seconds=8, **form)) as client:
        await _made_without_an_estimate(client)


@pytest.mark.parametrize("fault", TROUBLE, ids=lambda fault: f"{fault.kind} {fault.status}")
async def test_a_slow_or_broken_price_request_costs_only_the_estimate(
    fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_client(Behaviour(run_seconds=8)) as client:
        client.simulator.faults.append(fault)
        await _made_without_an_estimate(client)
    ours = [record for record in caplog.records if record.name.startswith("seedance_mcp")]
    assert [record.getMessage() for record in ours if record.levelname != "INFO"] == []


async def _made_without_an_estimate(client: ToolClient) -> None:
    at_once = await client.generate(wait_seconds=0)
    # The first purchase waits a little for the catalogue, the next ones do not.
    assert anyio.current_time() <= 2.1
    before = anyio.current_time()
    await client.generate(wait_seconds=0)
    assert anyio.current_time() == before
    (job,) = client.simulator.accepted
    assert structured(at_once) == {
        "request_id": job.request_id,
        "model_id": "bytedance/seedance-1-0/lite/image-to-video",
        "status": "in_queue",
        "queue_position": None,
        "elapsed_seconds": 0.0,
        "video_url": None,
        "error": None,
        "reused": False,
        "warnings": [],
        "next_step": f"Call check_status with request_id {job.request_id}; {DO_NOT_REPEAT}.",
    }
    made = await client.call("check_status", request_id=job.request_id)
    assert anyio.current_time() - before == pytest.approx(8, abs=1.5)
    assert structured(made)["status"] == "completed"
    assert "estimated_cost_usd" not in structured(made)
    assert "estimated" not in text(made)


async def test_a_server_ends_at_once_while_a_price_request_hangs() -> None:
    async with open_client() as client:
        client.simulator.faults.append(Fault.delay("catalogue", 10_000, times=9))
        await client.generate(wait_seconds=0)
        assert len(price_requests(client)) == 1
        answered = anyio.current_time()
    assert anyio.current_time() < answered + 1


async def test_a_late_price_is_in_the_next_answer() -> None:
    async with open_client(Behaviour(run_seconds=60)) as client:
        client.simulator.faults.append(Fault.delay("catalogue", 6))
        at_once = await client.generate(wait_seconds=0)
        assert "estimated_cost_usd" not in structured(at_once)
        request_id = structured(at_once)["request_id"]
        later = await client.call("check_status", request_id=request_id, wait_seconds=7)
        assert structured(later)["estimated_cost_usd"] == 0.2


async def test_an_estimate_is_kept_with_the_job_and_does_not_follow_the_price(
    tmp_path: Path,
) -> None:
    async with run_simulator(workers=9, run_seconds=60) as simulator:
        async with open_server(simulator, tmp_path) as client:
            await generate(client, wait_seconds=1)
            kept = structured(await generate(client, prompt="Another.", wait_seconds=0))
        simulator.behaviour.price_usd = 0.1
        async with open_server(simulator, tmp_path) as client:
            new = structured(await generate(client, prompt="A third.", wait_seconds=1))
            again = await client.call_tool("check_status", {"request_id": kept["request_id"]})
        assert (new["estimated_cost_usd"], structured(again)["estimated_cost_usd"]) == (0.5, 0.2)


@pytest.mark.parametrize("outcome", ["succeed", "fail"])
async def test_a_missing_cost_is_requested_again_and_then_kept(outcome: Any) -> None:
    async with open_client(Behaviour(cost_lag=3, outcome=outcome)) as client:
        request_id = structured(await client.generate())["request_id"]
        costs = [
            structured(await client.call("get_result", request_id=request_id))["cost_usd"]
            for _ in range(4)
        ]
        assert costs == [None, None, 0.2, 0.2]
        client.simulator.forget(request_id)
        kept = await client.call("get_result", request_id=request_id)
        assert structured(kept)["cost_usd"] == 0.2


async def test_a_repeated_call_after_a_restart_has_the_estimate_of_the_first(
    tmp_path: Path,
) -> None:
    async with run_simulator(run_seconds=600) as simulator:
        async with open_server(simulator, tmp_path) as client:
            with anyio.move_on_after(7):
                await generate(client)
        simulator.faults.append(Fault.drop("catalogue", times=9))
        async with open_server(simulator, tmp_path) as client:
            again = structured(await generate(client, wait_seconds=0))
        assert (again["reused"], again.get("estimated_cost_usd")) == (True, 0.2)


async def test_a_repeated_call_reads_the_price_if_the_first_could_not(tmp_path: Path) -> None:
    async with run_simulator(run_seconds=600) as simulator:
        simulator.faults.append(Fault.drop("catalogue", times=4))
        async with open_server(simulator, tmp_path) as client:
            first = structured(await generate(client, wait_seconds=7))
        async with open_server(simulator, tmp_path) as client:
            again = structured(await generate(client, wait_seconds=7))
        simulator.faults.append(Fault.drop("catalogue", times=9))
        async with open_server(simulator, tmp_path) as client:
            later = structured(await generate(client, wait_seconds=0))
        estimates = [answer.get("estimated_cost_usd") for answer in (first, again, later)]
        assert (estimates, len(simulator.accepted)) == ([None, 0.2, 0.2], 1)
