"""`dry_run`: a call is checked and priced as for a purchase, and buys and writes nothing."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import CallToolResult

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from tests.support.asked_user import AskedUser
from tests.support.client import ARGUMENTS, ToolClient, open_client, structured, text
from tests.support.film import run_film
from tests.support.http_client import open_http_client
from tests.support.image_host import Page, serve_images
from tests.support.restarting_server import generate, open_server, run_simulator
from tests.support.task_client import TaskPolling
from tests.support.wording import (
    COST_LIMIT_UNUSABLE,
    JOBS_LIMIT_REACHED,
    NO_TOKEN,
    allowed_from,
    cost_limit_exceeded,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

LITE = "bytedance/seedance-1-0/lite/image-to-video"
WILL_ASK = (
    "The user has to agree in a form before this clip is bought: it is over SEEDANCE_ASK_ABOVE_USD,"
    " or its price is not known."
)
NO_PRICE = (
    "The cost is unknown: RunComfy's catalogue has no usable price for this model, or has not"
    " answered."
)


def buy(usd: float | None) -> str:
    """Return the next step after a dry run of a clip that is estimated at this cost."""
    price = "" if usd is None else f", estimated at {usd} USD"
    return (
        f"Nothing was bought: to buy this clip{price}, repeat the call with the same arguments,"
        " without dry_run."
    )


def checked(**facts: Any) -> dict[str, Any]:
    """Return the answer to a dry run, by default of a first clip with the lite model."""
    answer: dict[str, Any] = {
        "request_id": None,
        "model_id": LITE,
        "status": "checked",
        "queue_position": None,
        "elapsed_seconds": 0.0,
        "video_url": None,
        "error": None,
        "reused": False,
        "warnings": [],
        "estimated_cost_usd": 0.2,
        "spent_24h_usd": 0.0,
        "next_step": buy(facts.get("estimated_cost_usd", 0.2)),
    }
    return answer | facts


def given_back(job: str) -> str:
    """Return the next step after a dry run of a call that would be given an earlier job."""
    return (
        f"Repeat the call without dry_run: it buys nothing and gets back the {job};"
        " force_new true buys another clip."
    )


def posts(client: ToolClient) -> int:
    """Count the requests that could have cost money."""
    return sum(seen.method == "POST" for seen in client.simulator.requests)


def refused(result: CallToolResult) -> str:
    assert (result.is_error, result.structured_content) == (True, None)
    return text(result)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_dry_run_prices_the_clip_and_the_same_call_without_it_buys_it(mode: str) -> None:
    async with open_client(Behaviour(run_seconds=30), mode=mode) as client:
        began = anyio.current_time()
        dry = await client.generate(dry_run=True)
        assert anyio.current_time() == began
        assert (dry.is_error, structured(dry)) == (False, checked())
        assert text(dry) == (
            f"model_id: {LITE}; status: checked; elapsed_seconds: 0.0; reused: false;"
            f" estimated_cost_usd: 0.2; spent_24h_usd: 0.0\nnext_step: {buy(0.2)}"
        )
        assert structured(await client.generate(dry_run=True, duration=10)) == checked(
            estimated_cost_usd=0.4
        )
        assert posts(client) == 0
        assert structured(await client.call("list_jobs"))["total"] == 0
        bought = structured(await client.generate())
        assert (bought["status"], bought["reused"], posts(client)) == ("completed", False, 1)
        another = structured(await client.generate(dry_run=True, prompt="Another."))
        assert another == checked(spent_24h_usd=0.2)


async def test_the_ledger_is_the_same_byte_for_byte_after_dry_runs(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    async with run_simulator(run_seconds=3600) as simulator:
        async with open_server(simulator, tmp_path) as server:
            await generate(server, wait_seconds=0)
            before = ledger.read_bytes()
            for arguments in ({}, {"prompt": "Another."}, {"force_new": True}):
                await generate(server, dry_run=True, **arguments)
            assert ledger.read_bytes() == before
        async with open_server(simulator, tmp_path) as server:
            # Closing one and opening the other have been written by now.
            before = ledger.read_bytes()
            assert structured(await generate(server, dry_run=True))["reused"]
            assert ledger.read_bytes() == before
        assert len(simulator.accepted) == 1


async def test_a_dry_run_notes_no_price_of_a_job_that_it_finds(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    async with run_simulator(run_seconds=3600, price_form="absent") as simulator:
        async with open_server(simulator, tmp_path) as server:
            await generate(server, wait_seconds=0)
        simulator.behaviour.price_form = "number"
        async with open_server(simulator, tmp_path) as server:
            before = ledger.read_bytes()
            assert structured(await generate(server, dry_run=True))["reused"]
            await anyio.sleep(10)
            assert ledger.read_bytes() == before
            # A purchase notes it.
            assert structured(await generate(server, wait_seconds=0))["reused"]
            await anyio.sleep(10)
            assert ledger.read_bytes() != before


async def test_dry_runs_do_not_count_and_the_hourly_limit_holds_for_them() -> None:
    async with open_client(max_jobs_per_hour=2, max_cost_usd_per_day="10") as client:
        for number in range(3):
            assert structured(await client.generate(dry_run=True, prompt=f"Clip {number}."))
        for number in range(2):
            assert not (await client.generate(prompt=f"Clip {number}.", wait_seconds=0)).is_error
        over = refused(await client.generate(dry_run=True, prompt="One too many."))
        assert over == refused(await client.generate(prompt="One too many."))
        assert over.startswith(f"{JOBS_LIMIT_REACHED} 2 jobs")
        assert posts(client) == 2


async def test_a_dry_run_over_the_daily_limit_is_refused_as_the_purchase_is() -> None:
    async with open_client(max_cost_usd_per_day="0.5") as client:
        await client.generate(wait_seconds=0)
        over = refused(await client.generate(dry_run=True, duration=10))
        assert over == cost_limit_exceeded("0.5", "0.2", "0.4", allowed_from("2026-01-02 00:00:00"))
        within = structured(await client.generate(dry_run=True, prompt="Another."))
        assert within == checked(spent_24h_usd=0.2)
        assert posts(client) == 1


async def test_a_price_that_is_not_known_is_said_and_under_a_daily_limit_refused() -> None:
    unpriced = Behaviour(price_form="absent")
    async with open_client(unpriced) as client:
        dry = structured(await client.generate(dry_run=True))
        expected = checked(warnings=[NO_PRICE], estimated_cost_usd=None)
        del expected["estimated_cost_usd"]
        assert dry == expected
    async with open_client(Behaviour(price_form="absent"), max_cost_usd_per_day="9") as client:
        assert refused(await client.generate(dry_run=True)).startswith(COST_LIMIT_UNUSABLE)
        assert posts(client) == 0


async def test_a_dry_run_waits_for_a_price_that_is_slow_to_come() -> None:
    async with open_client() as client:
        client.simulator.faults.append(Fault.delay("catalogue", 4))
        assert structured(await client.generate(dry_run=True)) == checked()
        assert 3.9 < anyio.current_time() < 5


async def test_a_call_that_would_be_given_an_earlier_job_says_so_and_acknowledges_nothing() -> None:
    async with open_client(Behaviour(run_seconds=3600)) as client:
        request_id = structured(await client.generate(wait_seconds=0))["request_id"]
        job = f"in_queue job of an identical earlier call (request_id {request_id})"
        for _ in range(2):
            dry = structured(await client.generate(dry_run=True))
            assert dry == checked(
                reused=True,
                estimated_cost_usd=0.0,
                spent_24h_usd=0.2,
                next_step=given_back(job),
            )
        # So long after it began, any call that names it acknowledges it.
        await anyio.sleep(1000)
        assert structured(await client.generate(dry_run=True))["reused"]
        new = structured(await client.generate(dry_run=True, force_new=True))
        assert new == checked(spent_24h_usd=0.2)
        again = structured(await client.generate(wait_seconds=0))
        assert (again["request_id"], again["reused"], posts(client)) == (request_id, True, 1)
        await client.call("check_status", request_id=request_id, wait_seconds=0)
        assert structured(await client.generate(dry_run=True)) == checked(spent_24h_usd=0.2)


async def test_a_failed_job_stays_owed_after_a_dry_run_that_names_it() -> None:
    async with open_client(Behaviour(outcome="fail", run_seconds=60)) as client:
        request_id = structured(await client.generate(wait_seconds=0))["request_id"]
        await client.call("list_jobs")
        await anyio.sleep(120)
        await client.call("list_jobs")
        job = f"failed job of an identical earlier call (request_id {request_id})"
        for _ in range(2):
            dry = await client.generate(dry_run=True)
            assert not dry.is_error
            assert structured(dry)["next_step"] == given_back(job)
        told = await client.generate()
        assert (told.is_error, structured(told)["request_id"]) == (True, request_id)
        assert not structured(await client.generate(dry_run=True))["reused"]
        assert posts(client) == 1


async def test_what_a_purchase_refuses_a_dry_run_refuses_in_the_same_words(tmp_path: Path) -> None:
    small = tmp_path / "small.txt"
    small.write_text("not an image")
    async with open_client(local_files=True, check_images=True) as client:
        for wrong in (
            {"duration": 7},
            {"lenght": 5},
            {"first_frame_image_url": "http://a.example/b.png"},
            {"first_frame_image_url": str(small)},
            {"first_frame_image_url": str(tmp_path / "missing.png")},
        ):
            line = refused(await client.generate(dry_run=True, **wrong))
            assert line == refused(await client.generate(**wrong))
            assert "Nothing was charged." in line
        assert posts(client) == 0
    async with open_client(token=None) as client:
        assert refused(await client.generate(dry_run=True)) == NO_TOKEN


async def test_a_dry_run_refuses_a_model_that_is_gone() -> None:
    async with open_client(Behaviour(renamed_models={LITE: ""})) as client:
        line = refused(await client.generate(dry_run=True))
        assert line.startswith(f"RunComfy's catalogue no longer has the model {LITE}")
        assert posts(client) == 0


async def test_a_dry_run_fetches_the_image_and_repeats_what_is_remarked_of_it() -> None:
    async with serve_images(image=Page(status=500)) as host:
        image = host.url()
        async with open_client(check_images=True, allow_private_urls=True) as client:
            dry = structured(await client.generate(dry_run=True, first_frame_image_url=image))
            bought = structured(await client.generate(first_frame_image_url=image))
    assert len(dry["warnings"]) == 1
    assert "first_frame_image_url could not be checked" in dry["warnings"][0]
    assert bought["warnings"] == dry["warnings"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("user", [AskedUser(), None])
async def test_a_dry_run_says_that_the_user_has_to_agree_and_does_not_ask(
    mode: str, user: AskedUser | None
) -> None:
    async with open_client(mode=mode, user=user, ask_above_usd="0.2") as client:
        assert structured(await client.generate(dry_run=True)) == checked()
        dry = structured(await client.generate(dry_run=True, duration=10))
        assert dry == checked(estimated_cost_usd=0.4, warnings=[WILL_ASK])
        assert (user.forms if user else [], posts(client)) == ([], 0)


async def test_a_dry_run_reads_the_frame_that_it_continues_and_leaves_no_trace(
    tmp_path: Path,
) -> None:
    videos, ledger = tmp_path / "videos", tmp_path / "state" / "ledger.db"
    settings: dict[str, Any] = {"auto_download": True, "output_dir": videos}
    async with run_film() as (simulator, _):
        async with open_server(simulator, tmp_path / "state") as server:
            made = structured(await generate(server))
        continued = {
            "prompt": "And on.",
            "first_frame_image_url": f"seedance://jobs/{made['request_id']}/last-frame",
        }
        async with open_server(
            simulator, tmp_path / "state", **settings, follow_jobs=False
        ) as server:
            before = ledger.read_bytes()
            dry = await generate(server, **continued, dry_run=True)
            assert (ledger.read_bytes(), videos.exists()) == (before, False)
            assert structured(dry)["status"] == "checked"
            # The job that is continued is not acknowledged.
            await anyio.sleep(1000)
            assert structured(await generate(server, dry_run=True))["reused"]
            open_job = continued | {"first_frame_image_url": "seedance://jobs/none/last-frame"}
            unknown = refused(await generate(server, **open_job, dry_run=True))
            assert unknown == refused(await generate(server, **open_job))
        assert len(simulator.accepted) == 1


async def test_each_further_tool_has_it_with_the_price_of_its_model() -> None:
    calls = {
        "generate_video_2_5_720p": {"prompt": "Mist.", "image": ARGUMENTS["first_frame_image_url"]},
        "generate_video_2_0_pro": {"prompt": "Mist.", "duration": 15},
    }
    async with open_client(model="lite,2.5-720p,2.0-pro") as client:
        costs = [
            structured(await client.call(tool, **given, dry_run=True))["estimated_cost_usd"]
            for tool, given in calls.items()
        ]
        assert (costs, posts(client)) == ([0.2, 0.6], 0)


async def test_a_dry_run_is_never_a_task() -> None:
    polling = TaskPolling()
    async with open_client(mode="auto", extensions=[polling]) as client:
        assert structured(await client.generate(dry_run=True)) == checked()
        assert (polling.created, posts(client)) == ([], 0)
        assert structured(await client.generate())["status"] == "completed"
        assert len(polling.created) == 1


async def test_over_http_a_dry_run_buys_nothing_in_both_eras(tmp_path: Path) -> None:
    async with run_simulator() as simulator:
        async with open_http_client(simulator, tmp_path) as client:
            dry = await client.call("generate_video", **ARGUMENTS, dry_run=True)
            modern = await client.call_without_session("generate_video", **ARGUMENTS, dry_run=True)
        assert dry["structuredContent"] == modern["structuredContent"] == checked()
        assert simulator.accepted == []


async def test_a_dry_run_teaches_nothing_about_a_clients_clock() -> None:
    async with (
        serve_images(image=Page(hangs=True, length="none"), bad=Page(status=500)) as host,
        open_client(
            Behaviour(run_seconds=3600), check_images=True, allow_private_urls=True
        ) as client,
    ):
        for _ in range(2):
            with anyio.move_on_after(4) as scope:
                await client.generate(dry_run=True, first_frame_image_url=host.url())
            assert scope.cancelled_caught
        began = anyio.current_time()
        await client.generate(first_frame_image_url=host.url("/bad"))
        assert anyio.current_time() - began == pytest.approx(45, abs=0.1)
