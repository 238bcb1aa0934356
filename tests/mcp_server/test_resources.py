"""Reading jobs and the model without calling a tool, in both protocol eras."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    PromptReference,
    ResourceTemplateReference,
    TextResourceContents,
)

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from tests.support.client import ToolClient, open_client, structured
from tests.support.notifications import subscribe
from tests.support.restarting_server import generate, open_server, run_simulator
from tests.support.wording import OUT_OF_DATE

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

JOB = ResourceTemplateReference(uri="seedance://jobs/{request_id}")
NOT_FOUND = {"legacy": -32002, "auto": -32602}
MODELS = resources.files("seedance_mcp") / "models"
both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])


async def read(client: Client, uri: str) -> dict[str, Any]:
    """Read a resource, which must be one JSON content with its own URI."""
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert (content.uri, content.mime_type) == (uri, "application/json")
    parsed: dict[str, Any] = json.loads(content.text)
    return parsed


async def request_id(client: ToolClient) -> str:
    """Buy a clip, and return its request_id."""
    made: str = structured(await client.generate(wait_seconds=0, force_new=True))["request_id"]
    return made


@both_eras
async def test_resources_and_templates_are_listed(mode: str) -> None:
    async with open_client(mode=mode) as client:
        listed = (await client.mcp.list_resources()).resources
        templates = (await client.mcp.list_resource_templates()).resource_templates
    # The pages of MCP Apps come last.
    assert [(r.uri, r.mime_type) for r in listed[:-2]] == [
        ("seedance://model", "application/json"),
        ("seedance://jobs", "application/json"),
    ]
    assert [(t.uri_template, t.mime_type) for t in templates] == [
        ("seedance://jobs/{request_id}", "application/json"),
        ("seedance://gallery/{page}{?status,words}", "application/json"),
    ]


@both_eras
@pytest.mark.parametrize("seconds", [3, 30])
async def test_reading_a_job_returns_what_check_status_answers(mode: str, seconds: float) -> None:
    async with open_client(Behaviour(queue_seconds=5, run_seconds=10), mode=mode) as client:
        made = await request_id(client)
        await anyio.sleep(seconds)
        seen = await read(client.mcp, f"seedance://jobs/{made}")
        assert seen == structured(
            await client.call("check_status", request_id=made, wait_seconds=0)
        )
        assert seen["status"] == ("in_queue" if seconds < 5 else "completed")


async def test_reading_polls_an_open_job_once_and_an_ended_one_never() -> None:
    async with open_client(Behaviour(run_seconds=10)) as client:
        uri = f"seedance://jobs/{await request_id(client)}"
        await read(client.mcp, uri)
        assert client.paths() == ["image-to-video", "status"]
        await anyio.sleep(11)
        seen = [(await read(client.mcp, uri))["status"] for _ in range(3)]
        assert seen == ["completed"] * 3
        assert client.paths() == ["image-to-video", "status", "status", "result"]


async def test_reading_while_runcomfy_hangs_is_bounded_and_returns_the_last_known_state() -> None:
    async with open_client(Behaviour(run_seconds=10)) as client:
        uri = f"seedance://jobs/{await request_id(client)}"
        client.simulator.faults.append(Fault.delay("status", 600, times=99))
        started = anyio.current_time()
        seen = await read(client.mcp, uri)
        assert anyio.current_time() - started <= 20.1
        assert seen["status"] == "in_queue"
        assert OUT_OF_DATE in seen["next_step"]


@both_eras
async def test_reading_the_jobs_returns_what_list_jobs_answers(mode: str) -> None:
    async with open_client(Behaviour(run_seconds=10), mode=mode) as client:
        made = [await request_id(client) for _ in range(2)]
        seen = await read(client.mcp, "seedance://jobs")
        assert seen == structured(await client.call("list_jobs"))
        assert [job["request_id"] for job in seen["jobs"]] == made[::-1]


@both_eras
async def test_the_model_is_returned_verbatim_with_its_rules_for_images(mode: str) -> None:
    file = MODELS / "seedance-1-0-lite-image-to-video.json"
    published = json.loads(file.read_text("utf-8"))
    async with open_client(mode=mode, token=None) as client:
        seen = await read(client.mcp, "seedance://model")
    assert json.dumps(seen) == json.dumps(
        {"model_id": published["model_id"], "input_schema": published["input_schema"]}
    )
    assert seen["input_schema"]["properties"]["first_frame_image_url"]["validations"]


PRICED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"price": {"usd": 0.04, "unit": "second"}, "estimated_cost_usd": 0.2}),
    (
        {"price_unit": "output", "price_usd": 0.3},
        {"price": {"usd": 0.3, "unit": "clip"}, "estimated_cost_usd": 0.3},
    ),
    ({"price_form": "absent"}, {}),
    ({"price_unit": "token"}, {}),
]


@both_eras
@pytest.mark.parametrize(("switches", "facts"), PRICED)
async def test_each_model_says_what_a_clip_costs_where_that_is_known(
    mode: str, switches: dict[str, Any], facts: dict[str, Any]
) -> None:
    async with open_client(Behaviour(**switches), mode=mode, model="lite,2.0-pro") as client:
        for uri in ("seedance://model", "seedance://model/2.0-pro"):
            seen = await read(client.mcp, uri)
            del seen["model_id"], seen["input_schema"]
            assert seen == facts


@pytest.mark.parametrize(
    "fault",
    [
        Fault.delay("catalogue", 10_000, times=9),
        Fault.drop("catalogue", times=9),
        Fault.answer("catalogue", 500, times=9),
        Fault.garbage("catalogue", "not_json", times=9),
    ],
)
async def test_a_model_is_read_soon_while_the_catalogue_fails(fault: Fault) -> None:
    async with open_client() as client:
        client.simulator.faults.append(fault)
        for _ in range(2):
            began = anyio.current_time()
            assert set(await read(client.mcp, "seedance://model")) == {"model_id", "input_schema"}
            assert anyio.current_time() - began <= 2


async def test_a_model_is_read_although_the_ledger_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database" * 100)
    async with open_client(state_dir=tmp_path) as client:
        assert (await read(client.mcp, "seedance://model"))["estimated_cost_usd"] == 0.2


@both_eras
@pytest.mark.parametrize(
    "uri",
    [
        "seedance://jobs/../model",
        "seedance://jobs/../../v2/deployments",
        "seedance://jobs/..%2F..%2Fv2",
        "seedance://jobs/",
        "seedance://jobs/a/b",
        "seedance://jobs/a?b",
        "seedance://jobs/a\n",
        "seedance://jobs/" + "a" * 129,
        "seedance://jobsx",
        "SEEDANCE://jobs/abc",
        "file:///etc/hostname",
        "",
    ],
)
async def test_an_unknown_uri_is_refused_without_a_request(mode: str, uri: str) -> None:
    async with open_client(mode=mode) as client:
        with pytest.raises(MCPError) as refused:
            await client.mcp.read_resource(uri)
        assert (refused.value.code, refused.value.data) == (NOT_FOUND[mode], {"uri": uri})
        assert refused.value.message.startswith("Resource not found: ")
        assert len(refused.value.message) <= 80
        assert client.paths() == []


async def test_a_long_unknown_uri_is_not_repeated_in_full() -> None:
    uri = "seedance://jobs/" + "a" * 10**6
    async with open_client() as client:
        for request in (client.mcp.read_resource(uri), subscribe(client.mcp, uri)):
            with pytest.raises(MCPError) as refused:
                await request
            assert refused.value.data == {"uri": uri[:256]}


@both_eras
async def test_an_unknown_job_is_not_found_after_one_request(mode: str) -> None:
    async with open_client(mode=mode) as client:
        with pytest.raises(MCPError) as refused:
            await client.mcp.read_resource("seedance://jobs/nobody-knows-me")
        assert refused.value.code == NOT_FOUND[mode]
        assert refused.value.data == {"uri": "seedance://jobs/nobody-knows-me"}
        assert client.paths() == ["status"]


async def test_reading_jobs_without_a_token_explains_how_to_set_one() -> None:
    async with open_client(token=None) as client:
        for uri in ["seedance://jobs", "seedance://jobs/abc"]:
            with pytest.raises(MCPError, match="No RunComfy token is set") as refused:
                await client.mcp.read_resource(uri)
            assert refused.value.code == -32603
        completed = await client.mcp.complete(JOB, {"name": "request_id", "value": ""})
        assert completed.completion.values == []


async def test_another_origin_on_the_same_ledger_sees_nothing(tmp_path: Path) -> None:
    async with run_simulator(run_seconds=10) as simulator, run_simulator() as another:
        async with open_server(simulator, tmp_path) as client:
            made = structured(await generate(client, wait_seconds=0))["request_id"]
        async with open_server(another, tmp_path) as client:
            assert (await read(client, "seedance://jobs"))["jobs"] == []
            completed = await client.complete(JOB, {"name": "request_id", "value": ""})
            assert completed.completion.values == []
            with pytest.raises(MCPError, match="Resource not found"):
                await client.read_resource(f"seedance://jobs/{made}")
            with pytest.raises(MCPError, match="Resource not found"):
                await subscribe(client, f"seedance://jobs/{made}")


@both_eras
async def test_a_request_id_is_completed_from_the_ledger_the_newest_first(mode: str) -> None:
    async with open_client(Behaviour(run_seconds=10), mode=mode) as client:
        made = [await request_id(client) for _ in range(3)]
        asked = len(client.simulator.requests)

        async def completed(value: str) -> Any:
            given = {"name": "request_id", "value": value}
            return (await client.mcp.complete(JOB, given)).completion

        everything = await completed("")
        assert (everything.values, everything.total, everything.has_more) == (made[::-1], 3, False)
        beginning = made[1][:12]
        fitting = [other for other in made[::-1] if other.startswith(beginning)]
        assert (await completed(beginning)).values == fitting
        assert len(fitting) < 3
        assert (await completed("none begins so")).values == []
        assert len(client.simulator.requests) == asked


@pytest.mark.parametrize(
    ("ref", "argument", "message"),
    [
        (JOB, "job", "Unknown argument: job"),
        (ResourceTemplateReference(uri="seedance://x"), "request_id", "Unknown resource template"),
        (PromptReference(name="no_such"), "request_id", "Unknown prompt: no_such"),
        (PromptReference(name="animate_image"), "request_id", "Unknown argument: request_id"),
    ],
)
async def test_an_unknown_argument_template_or_prompt_is_refused_for_completion(
    ref: ResourceTemplateReference | PromptReference, argument: str, message: str
) -> None:
    async with open_client() as client:
        with pytest.raises(MCPError, match=message) as refused:
            await client.mcp.complete(ref, {"name": argument, "value": ""})
    assert refused.value.code == -32602


async def test_a_list_of_the_jobs_acknowledges_none_and_reading_one_does() -> None:
    async with open_client(Behaviour(run_seconds=60)) as client:
        with anyio.move_on_after(3):
            client.simulator.faults.append(Fault.delay("submit", 2))
            await client.generate()
        (listed,) = (await read(client.mcp, "seedance://jobs"))["jobs"]
        again = structured(await client.generate(wait_seconds=0))
        assert (again["request_id"], again["reused"]) == (listed["request_id"], True)
        await read(client.mcp, f"seedance://jobs/{listed['request_id']}")
        bought = structured(await client.generate(wait_seconds=0))
        assert (bought["request_id"] == listed["request_id"], bought["reused"]) == (False, False)
        assert len(client.simulator.accepted) == 2
