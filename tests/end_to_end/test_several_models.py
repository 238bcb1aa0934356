"""Several models at once: a tool for each, and all else works across them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import CallToolResult

from seedance_mcp.clock import Clock
from seedance_mcp.errors import ConfigurationError
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.models.model import load_models
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.http import open_http
from seedance_mcp.service.added_models import add_model
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS, IMAGE_URL, ToolClient, open_client, structured, text
from tests.support.restarting_server import list_jobs, open_server, run_simulator
from tests.support.small_clip import render_small_clip
from tests.support.task_client import TaskPolling

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

LITE = "bytedance/seedance-1-0/lite/image-to-video"
IMAGE_2_5 = "bytedance/seedance-2.5/image-to-video/720p"
PRO = "bytedance/seedance-2.0/pro"
PROMPT = "The mist drifts over the lake."
CALLS: dict[str, dict[str, Any]] = {
    "generate_video": ARGUMENTS,
    "generate_video_2_5_720p": {"prompt": PROMPT, "image": IMAGE_URL, "duration": 7},
    "generate_video_2_0_pro": {"prompt": PROMPT, "images": [IMAGE_URL], "resolution": "4k"},
}
SENT = {
    LITE: ARGUMENTS | {"resolution": "480p", "duration": 5},
    IMAGE_2_5: {"prompt": PROMPT, "image": IMAGE_URL, "duration": 7, "generate_audio": True},
    PRO: {
        "prompt": PROMPT,
        "images": [IMAGE_URL],
        "aspect_ratio": "adaptive",
        "duration": 5,
        "resolution": "4k",
        "generate_audio": True,
    },
}
MODEL = "lite,2.5-720p,2.0-pro"


async def call_each(client: ToolClient, **arguments: Any) -> dict[str, CallToolResult]:
    """Call the tool of each model side by side, and return the results by tool."""
    results: dict[str, CallToolResult] = {}

    async def call(tool: str) -> None:
        results[tool] = await client.call(tool, **(CALLS[tool] | arguments))

    async with anyio.create_task_group() as tasks:
        for tool in CALLS:
            tasks.start_soon(call, tool)
    return results


async def test_one_client_makes_a_clip_with_each_of_three_models_side_by_side() -> None:
    async with open_client(Behaviour(run_seconds=5), model=MODEL) as client:
        tools = (await client.mcp.list_tools()).tools
        assert [tool.name for tool in tools][:4] == [*CALLS, "check_status"]
        results = await call_each(client, wait_seconds=120)
        answers = {tool: structured(result) for tool, result in results.items()}
        assert [answers[tool]["status"] for tool in CALLS] == ["completed"] * 3
        assert [answers[tool]["model_id"] for tool in CALLS] == [LITE, IMAGE_2_5, PRO]
        accepted = client.simulator.accepted
        assert {job.model_id: job.arguments for job in accepted} == SENT
        ids = {answer["request_id"]: answer["model_id"] for answer in answers.values()}
        assert {job.request_id: job.model_id for job in accepted} == ids
        listed = structured(await client.call("list_jobs"))
        assert {job["request_id"]: job["model_id"] for job in listed["jobs"]} == ids
        for request_id in ids:
            result = structured(await client.call("get_result", request_id=request_id))
            assert result["videos"] == [f"{client.simulator.url}/outputs/{request_id}.mp4"]


async def test_the_cost_limit_counts_the_clips_of_every_model_at_its_own_length() -> None:
    # 5 and 7 s at 0.04 USD each are 0.48; 5 more would make it 0.68.
    behaviour = Behaviour(run_seconds=10**6, price_usd=0.04)
    async with open_client(behaviour, model=MODEL, max_cost_usd_per_day="0.67") as client:
        *bought, refused = [
            await client.call(tool, **arguments, wait_seconds=0)
            for tool, arguments in CALLS.items()
        ]
        assert [structured(result)["estimated_cost_usd"] for result in bought] == [0.2, 0.28]
        assert text(refused).startswith(
            "SEEDANCE_MAX_COST_USD_PER_DAY is 0.67: the jobs of the last 24 h cost 0.48 USD, and"
            " this clip is estimated at 0.2 USD; there will be room at "
        )
        assert [job.model_id for job in client.simulator.accepted] == [LITE, IMAGE_2_5]


async def test_a_call_of_every_tool_is_a_task_for_a_client_that_takes_tasks() -> None:
    polling = TaskPolling()
    async with open_client(
        Behaviour(run_seconds=20), mode="auto", extensions=[polling], model=MODEL
    ) as client:
        results = await call_each(client)
        assert sorted(created.task_id for created in polling.created) == sorted(
            job.request_id for job in client.simulator.accepted
        )
        ends = {structured(result)["model_id"]: structured(result) for result in results.values()}
        assert {model_id: end["status"] for model_id, end in ends.items()} == dict.fromkeys(
            SENT, "completed"
        )


async def test_each_call_is_repeated_for_itself_and_refused_by_its_own_schema() -> None:
    async with open_client(model="2.5-480p,2.5-720p") as client:
        call = CALLS["generate_video_2_5_720p"]
        first = structured(await client.call("generate_video", **call, wait_seconds=0))
        other = structured(await client.call("generate_video_2_5_720p", **call, wait_seconds=0))
        again = structured(await client.call("generate_video_2_5_720p", **call, wait_seconds=0))
        assert (other["reused"], again["reused"]) == (False, True)
        assert first["request_id"] != other["request_id"] == again["request_id"]
        wrong = await client.call("generate_video_2_5_720p", **call, resolution="480p")
        assert text(wrong) == (
            "Unknown argument resolution. Did you mean duration? Valid arguments: prompt, image,"
            " duration, generate_audio, wait_seconds, force_new, dry_run. Nothing was charged."
        )
        assert len(client.simulator.accepted) == 2


async def test_a_job_keeps_its_model_after_that_is_no_longer_configured(tmp_path: Path) -> None:
    async with run_simulator(run_seconds=5) as simulator:
        async with open_server(simulator, tmp_path, model=MODEL) as client:
            began = await client.call_tool(
                "generate_video_2_0_pro", CALLS["generate_video_2_0_pro"] | {"wait_seconds": 0}
            )
        request_id = structured(began)["request_id"]
        async with open_server(simulator, tmp_path, model="2.5-720p") as client:
            (listed,) = await list_jobs(client)
            assert (listed["request_id"], listed["model_id"]) == (request_id, PRO)
            seen = structured(await client.call_tool("check_status", {"request_id": request_id}))
            assert (seen["status"], seen["model_id"]) == ("completed", PRO)
            assert structured(await client.call_tool("get_result", {"request_id": request_id}))[
                "videos"
            ]


async def test_a_clip_is_made_with_a_model_that_was_added_from_the_catalogue(
    tmp_path: Path,
) -> None:
    pro = load_models()[PRO]
    new = replace(pro, model_id="someone/new", short_name="new")
    behaviour, known = (
        Behaviour(images="never", run_seconds=5),
        load_models() | {"someone/new": new},
    )
    async with running(
        behaviour, clock=anyio.current_time, render=render_small_clip, models=known
    ) as simulator:
        async with open_http(simulator.url, simulator.token, Clock()) as http:
            added, _ = await add_model(RunComfyClient(http), tmp_path, "someone/new", "2026-11-29")
        async with open_server(simulator, tmp_path, model=f"lite,{added.short_name}") as client:
            tool = (await client.list_tools()).tools[1].name
            assert tool == "generate_video_someone_new"
            made = await client.call_tool(tool, CALLS["generate_video_2_0_pro"])
            wrong = await client.call_tool(tool, {"prompt": PROMPT, "image": IMAGE_URL})
        (accepted,) = simulator.accepted
        assert (accepted.model_id, accepted.arguments) == ("someone/new", SENT[PRO])
        answer = structured(made)
        assert (answer["status"], answer["model_id"]) == ("completed", "someone/new")
        assert answer["estimated_cost_usd"] == 0.2
        assert text(wrong).startswith("Unknown argument image. Did you mean images?")


async def test_the_cost_limit_prices_clips_of_any_model_that_had_no_price_then(
    tmp_path: Path,
) -> None:
    async with run_simulator(run_seconds=600) as simulator:
        simulator.faults.append(Fault.drop("catalogue", times=99))
        async with open_server(simulator, tmp_path, model=MODEL) as client:
            call = CALLS["generate_video_2_0_pro"] | {"wait_seconds": 0}
            await client.call_tool("generate_video_2_0_pro", call)
        simulator.faults.clear()
        limit = {"model": MODEL, "max_cost_usd_per_day": "0.3"}
        async with open_server(simulator, tmp_path, **limit) as client:
            await anyio.sleep(5)  # until it knows the prices
            over = await client.call_tool("generate_video", CALLS["generate_video"])
        assert "the jobs of the last 24 h cost 0.2 USD" in text(over)


async def test_every_model_has_a_resource_with_its_schema() -> None:
    models = load_models()
    async with open_client(model=MODEL) as client:
        listed = (await client.mcp.list_resources()).resources
        uris = ["seedance://model", "seedance://model/2.5-720p", "seedance://model/2.0-pro"]
        assert [str(resource.uri) for resource in listed[:-2]] == [*uris, "seedance://jobs"]
        for uri, model_id in zip(uris, [LITE, IMAGE_2_5, PRO], strict=True):
            (content,) = (await client.mcp.read_resource(uri)).contents
            facts = json.loads(content.model_dump()["text"])
            assert facts["model_id"] == model_id
            assert facts["input_schema"] == models[model_id].input_schema


async def test_the_prompt_names_the_tool_of_the_first_model_that_takes_an_image() -> None:
    async with open_client(model="2.5-text-720p,2.5-720p") as client:
        given = {"image": IMAGE_URL, "idea": "Mist."}
        (message,) = (await client.mcp.get_prompt("animate_image", given)).messages
        assert "call generate_video_2_5_720p once" in message.model_dump()["content"]["text"]
    async with open_client(model="2.5-text-720p") as client:
        assert (await client.mcp.list_prompts()).prompts == []


async def test_names_of_tools_stay_short_and_differ() -> None:
    base = load_models()[LITE]
    names = ["lite", "long-" * 20, "long_" * 20, "long." * 20, "a.b", "a-b"]
    known = {name: replace(base, model_id=name, short_name=name) for name in names}
    server = build_server(Settings.model_validate({"model": ",".join(names)}), models=known)
    async with Client(server, mode="legacy") as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
    assert tools[:6] == [
        "generate_video",
        "generate_video_long_long_long_long_long_",
        "generate_video_long_long_long_long_lon_2",
        "generate_video_long_long_long_long_lon_3",
        "generate_video_a_b",
        "generate_video_a_b_2",
    ]
    assert {len(tool) for tool in tools[1:4]} == {40}


async def test_an_unknown_model_among_several_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"number 2.*'2\.5-72'.*mean 2\.5-720p"):
        build_server(Settings.model_validate({"model": "lite,2.5-72"}))
