"""A model that RunComfy's catalogue has forgotten, renamed or changed, and a broken catalogue."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import CallToolResult

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from tests.support.client import ToolClient, open_client, structured, text
from tests.support.image_host import Page, serve_images
from tests.support.restarting_server import generate, open_server, run_simulator

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

LITE = "bytedance/seedance-1-0/lite/image-to-video"
MINI = "bytedance/seedance-2.0-mini/image-to-video"
NEW = "bytedance/seedance-1.0/lite/image-to-video"
UNKNOWN = "a time that is not known"
FORGOTTEN = {LITE: ""}
ADD = f"to run `seedance-mcp models add {NEW}`, "


def gone(nearest: str, *, seen: str = UNKNOWN, first: str = "") -> str:
    """Return the answer to a call for a model that is gone."""
    return (
        f"RunComfy's catalogue no longer has the model {LITE}, last seen there at {seen}. Ask the"
        f" user {first}to set SEEDANCE_MODEL to {nearest}, the nearest model that it has, and to"
        " restart the server. Nothing was charged."
    )


def refused(result: CallToolResult) -> str:
    assert result.is_error
    return text(result)


def questions(client: ToolClient) -> list[float]:
    """Return when the catalogue was asked for the model, in seconds."""
    return [seen.at for seen in client.simulator.requests if seen.path == f"/v1/models/{LITE}"]


def posts(client: ToolClient) -> list[float]:
    """Return when requests were sent that may cost money, in seconds."""
    return [seen.at for seen in client.simulator.requests if seen.method == "POST"]


@pytest.mark.parametrize("code", [400001, 404001])
async def test_a_forgotten_model_is_refused_with_the_nearest_and_when_it_was_seen(
    code: Any, tmp_path: Path
) -> None:
    async with run_simulator(model_error_code=code) as simulator:
        async with open_server(simulator, tmp_path) as server:
            await generate(server)
        simulator.behaviour.renamed_models = {LITE: ""}
        async with open_server(simulator, tmp_path) as server:
            answer = await generate(server, prompt="Another.")
        assert refused(answer) == gone(MINI, seen="2026-01-01 00:00 UTC")
        assert len(simulator.accepted) == 1


@pytest.mark.parametrize(("late", "submitted_at"), [(1.5, []), (2.5, [2.0])])
async def test_the_first_purchase_waits_two_seconds_for_the_first_answer(
    late: float, submitted_at: list[float]
) -> None:
    async with open_client(Behaviour(renamed_models=FORGOTTEN)) as client:
        client.simulator.faults.append(Fault.delay("catalogue", late))
        assert (refused(await client.generate()) == gone(MINI)) == (late < 2)
        assert posts(client) == pytest.approx(submitted_at, abs=0.1)


async def test_it_waits_beside_the_checks_of_its_images() -> None:
    async with (
        serve_images(image=Page(hangs=True, length="none")) as host,
        open_client(check_images=True, allow_private_urls=True) as client,
    ):
        client.simulator.faults.append(Fault.delay("catalogue", 10_000, times=9))
        await client.generate(first_frame_image_url=host.url())
        assert posts(client) == pytest.approx([5.0], abs=0.1)


async def test_a_second_question_leaves_less_time_for_the_images() -> None:
    async with (
        serve_images(image=Page(hangs=True, length="none")) as host,
        open_client(
            Behaviour(renamed_models=FORGOTTEN), check_images=True, allow_private_urls=True
        ) as client,
    ):
        await anyio.sleep(5)  # until it knows
        client.simulator.faults.append(Fault.delay("catalogue", 10_000, times=9))
        began = anyio.current_time()
        await client.generate(first_frame_image_url=host.url(), wait_seconds=6)
        assert anyio.current_time() - began <= 6.1


async def test_a_later_purchase_does_not_wait_for_the_catalogue() -> None:
    async with open_client() as client:
        client.simulator.faults.append(Fault.delay("catalogue", 10_000, times=9))
        await client.generate(wait_seconds=0)
        # It has just been asked again.
        await anyio.sleep(3600.5 - anyio.current_time())
        await client.generate(prompt="Another.", wait_seconds=0)
        assert posts(client) == pytest.approx([2.0, 3600.5], abs=0.1)


async def test_a_renamed_model_is_refused_with_how_to_add_the_new_one() -> None:
    async with open_client(Behaviour(renamed_models={LITE: NEW})) as client:
        assert refused(await client.generate()) == gone(NEW, first=ADD)
        assert posts(client) == []


async def test_the_tool_of_another_model_is_named_if_that_is_the_nearest() -> None:
    async with open_client(Behaviour(renamed_models=FORGOTTEN), model=f"lite,{MINI}") as client:
        assert refused(await client.generate()).endswith(
            f" Use the tool of {MINI}, the nearest model that it has and one of SEEDANCE_MODEL."
            " Nothing was charged."
        )


async def test_a_refused_call_asks_again_at_most_every_minute_and_buys_once_it_is_back() -> None:
    async with open_client(Behaviour(renamed_models=FORGOTTEN)) as client:
        for _ in range(3):
            assert refused(await client.generate()) == gone(MINI)
        assert len(questions(client)) == 2
        await anyio.sleep(61)
        assert refused(await client.generate(wait_seconds=0)) == gone(MINI)
        assert len(questions(client)) == 3
        client.simulator.behaviour.renamed_models = {}
        await anyio.sleep(61)
        assert structured(await client.generate())["status"] == "completed"


async def test_a_model_that_only_seemed_gone_is_bought() -> None:
    async with open_client() as client:
        body = json.dumps({"error_code": 404001, "error_message": "No such model"}).encode()
        client.simulator.faults.append(Fault.answer("catalogue", 404, body=body))
        assert structured(await client.generate())["status"] == "completed"
        # The same if the second question is not answered.
        client.simulator.faults.append(Fault.answer("catalogue", 404, body=body))
        await anyio.sleep(3600)
        client.simulator.faults.append(Fault.drop("catalogue", times=9))
        assert structured(await client.generate(prompt="Another."))["status"] == "completed"


async def test_a_model_that_is_forgotten_later_is_refused_within_the_hour() -> None:
    async with open_client() as client:
        await client.generate()
        client.simulator.behaviour.renamed_models = {LITE: ""}
        await anyio.sleep(3601)
        refusal = refused(await client.generate(prompt="Another."))
        assert refusal == gone(MINI, seen="2026-01-01 00:00 UTC")


async def test_a_repeated_call_gets_its_job_though_its_model_is_gone(tmp_path: Path) -> None:
    async with run_simulator(run_seconds=600) as simulator:
        async with open_server(simulator, tmp_path) as server:
            await generate(server, wait_seconds=1)
        simulator.behaviour.renamed_models = {LITE: ""}
        async with open_server(simulator, tmp_path) as server:
            await anyio.sleep(5)  # until it knows
            again = structured(await generate(server, wait_seconds=1))
        (job,) = simulator.accepted
        assert (again["reused"], again["request_id"]) == (True, job.request_id)


UNREADABLE = [
    Fault.answer("catalogue", 404, headers={"content-type": "text/html"}, body=b"<html>", times=99),
    Fault.answer("catalogue", 404, body=b'{"detail": "Not Found"}', times=99),
    Fault.answer("catalogue", 500, body=b'{"error_code": 400001}', times=99),
    Fault.answer("catalogue", 200, body=b'{"model_id": 7, "input_schema": [1e999]}', times=99),
    Fault.garbage("catalogue", "not_json"),
    Fault.delay("catalogue", 10_000, times=99),
]


@pytest.mark.parametrize("fault", UNREADABLE, ids=lambda fault: f"{fault.kind} {fault.status}")
async def test_an_unreadable_catalogue_changes_nothing(fault: Fault) -> None:
    async with open_client(Behaviour(renamed_models=FORGOTTEN)) as client:
        client.simulator.faults.append(fault)
        client.simulator.behaviour.renamed_models = {}
        answer = structured(await client.generate(wait_seconds=0))
        assert (answer["status"], answer["warnings"]) == ("in_queue", [])
        assert anyio.current_time() <= 2.1


async def test_it_is_asked_an_hour_after_a_call_that_asked_in_between() -> None:
    async with open_client(max_cost_usd_per_day="9") as client:
        simulator = client.simulator
        simulator.faults.append(Fault.garbage("catalogue", "not_json"))

        def asked() -> int:
            return sum(seen.route == "catalogue" for seen in simulator.requests)

        await anyio.sleep(1800)
        assert asked() == 1
        # Its limit needs a price.
        assert not (await client.generate(wait_seconds=0)).is_error
        assert asked() == 2
        await anyio.sleep(3500)
        assert asked() == 2
        await anyio.sleep(200)
        assert asked() == 3


@pytest.mark.parametrize("content", ["", "[]", '{"a": 7}', "[" * 10_000, "\x00"])
async def test_a_damaged_file_of_sightings_costs_only_the_date(
    content: str, tmp_path: Path
) -> None:
    (tmp_path / "catalogue.json").write_text(content)
    async with open_client(Behaviour(renamed_models=FORGOTTEN), state_dir=tmp_path) as client:
        assert refused(await client.generate()) == gone(MINI)
        client.simulator.behaviour.renamed_models = {}
        await anyio.sleep(3601)
        (sighting,) = json.loads((tmp_path / "catalogue.json").read_text()).items()
        assert sighting == (f"{client.simulator.url} {LITE}", "2026-01-01T01:00:00+00:00")


async def test_a_changed_schema_is_a_warning_and_the_rules_of_the_file_still_hold(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def edit(entry: dict[str, Any]) -> None:
        schema = entry["input_schema"]
        schema["required"].append("mood")
        schema["properties"]["mood"] = {"type": "string"}
        schema["properties"]["resolution"]["enum"] = ["720p", "4k"]

    end = "; calls are still checked by this server's own file of it."
    warnings = [
        f'RunComfy has changed {LITE}: resolution no longer takes "480p", "1080p"{end}',
        f"RunComfy has changed {LITE}: mood is a new required argument{end}",
    ]
    async with open_client(Behaviour(edit_entry=edit)) as client:
        assert refused(await client.generate(resolution="4k")).startswith("resolution must be one")
        made = structured(await client.generate())
        assert (made["status"], made["warnings"]) == ("completed", warnings)
        await anyio.sleep(3 * 3600)
        assert structured(await client.generate(force_new=True))["warnings"] == warnings
    logged = [one.getMessage() for one in caplog.records if "catalogue" in one.name]
    assert logged == warnings
