# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
import json
from pathlib import Path
from typing import cast
from uuid import UUID

import av
import httpx
import pytest
from PIL import Image, ImageStat

from seedance_mcp.models.model import load_models
from seedance_mcp.simulator.behaviour import Behaviour
from tests.support.simulator_caller import DUSK, MODEL, ManualClock, data_uri, image, open_caller
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio


async def test_a_submit_is_answered_with_exactly_an_id_and_three_urls() -> None:
    async with open_caller() as caller:
        answer = await caller.submit()
        request_id = answer.json()["request_id"]
        base = f"{caller.simulator.url}/v1/requests/{request_id}"
        assert answer.status_code == 200
        assert UUID(request_id).version == 4
        assert answer.json() == {
            "request_id": request_id,
            "status_url": f"{base}/status",
            "result_url": f"{base}/result",
            "cancel_url": f"{base}/cancel",
        }


async def test_a_job_moves_through_the_queue_with_the_clock() -> None:
    clock = ManualClock()
    behaviour = Behaviour(images="never", run_seconds=(10, 20))
    async with open_caller(behaviour, clock=clock) as caller:
        await caller.job()
        second = await caller.job()
        base = f"{caller.simulator.url}/v1/requests/{second}"
        waiting = await caller.status(second)
        assert waiting == {
            "request_id": second,
            "status": "in_queue",
            "queue_position": 0,
            "status_url": f"{base}/status",
            "result_url": f"{base}/result",
        }
        assert (await caller.result(second))["status"] == "in_queue"
        clock.now += 10
        assert (await caller.status(second))["status"] == "in_progress"
        assert (await caller.result(second))["status"] == "in_progress"
        clock.now += 20
        assert (await caller.status(second))["status"] == "completed"
        result = await caller.result(second)
        url = f"{caller.simulator.url}/outputs/{second}.mp4"
        assert result["status"] == "succeeded"
        assert result["output"] == {"video": url, "videos": [url]}
        assert result["cost"] == pytest.approx(0.2)


async def test_only_a_waiting_job_can_be_cancelled() -> None:
    async with open_caller(Behaviour(images="never", run_seconds=10)) as caller:
        first, second = await caller.job(), await caller.job()
        refused, done = await caller.cancel(first), await caller.cancel(second)
        assert (refused.status_code, done.status_code) == (202, 202)
        assert refused.json() == {
            "request_id": first,
            "outcome": "not_cancellable",
            "status": "in_progress",
        }
        assert done.json() == {"request_id": second, "outcome": "cancelled", "status": "cancelled"}
        assert (await caller.status(second))["status"] == "cancelled"
        assert (await caller.result(second))["status"] == "cancelled"


async def test_the_balance_pays_for_every_job_except_cancelled_ones() -> None:
    behaviour = Behaviour(images="never", run_seconds=10, balance_usd=3, price_usd=0.1)
    async with open_caller(behaviour) as caller:
        await caller.job(duration=10)
        await caller.cancel(await caller.job(duration=5))
        assert (await caller.balance()).json() == {
            "balance_usd": 2.0,
            "balance_microdollars": 2_000_000,
            "currency": "USD",
        }


async def test_a_job_is_rejected_when_the_balance_is_empty() -> None:
    async with open_caller(Behaviour(images="never", balance_usd=-1.5)) as caller:
        answer = await caller.submit()
        assert answer.status_code == 400
        assert answer.json()["error_code"] == 400002
        assert caller.simulator.accepted == []
        assert (await caller.balance()).json()["balance_microdollars"] == -1_500_000


@pytest.mark.parametrize("header", [None, "Bearer wrong", "simulated-token", "Basic simulated"])
async def test_every_route_of_the_api_requires_the_token(header: str | None) -> None:
    routes = [
        ("POST", f"/v1/models/{MODEL}"),
        ("GET", f"/v1/models/{MODEL}"),
        ("GET", "/v1/models"),
        ("GET", "/v1/requests/x/status"),
        ("GET", "/v1/requests/x/result"),
        ("POST", "/v1/requests/x/cancel"),
        ("GET", "/prod/v2/balance"),
    ]
    async with (
        open_caller() as caller,
        httpx.AsyncClient(base_url=caller.simulator.url, timeout=TIMEOUT_SECONDS) as stranger,
    ):
        for method, path in routes:
            headers = {"authorization": header} if header else {}
            answer = await stranger.request(method, path, headers=headers)
            assert answer.status_code == 400
            assert answer.json()["error_code"] == 400004


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ('{"first_frame_image_url": "u"}', "prompt", "Field required"),
        ('{"prompt": "p"}', "first_frame_image_url", "Field required"),
        ('{"prompt": 7, "first_frame_image_url": "u"}', "prompt", "7 is not of type 'string'"),
        (
            '{"prompt": "p", "first_frame_image_url": "u", "duration": 7}',
            "duration",
            "7 is not one of [5, 10]",
        ),
        (
            '{"prompt": "p", "first_frame_image_url": "u", "resolution": "4k"}',
            "resolution",
            "'4k' is not one of ['480p', '720p', '1080p']",
        ),
        (
            '{"prompt": "p", "first_frame_image_url": "u", "duratoin": 5}',
            "duratoin",
            "Unknown field",
        ),
        ("[1]", "body", "The body must be a JSON object."),
        ("{", "body", "The body is not JSON."),
    ],
)
async def test_inputs_that_violate_the_schema_are_rejected_by_field_and_cost_nothing(
    body: str, field: str, message: str
) -> None:
    async with open_caller() as caller:
        answer = await caller.http.post(f"/v1/models/{MODEL}", content=body)
        assert answer.status_code == 422
        assert answer.json() == {
            "detail": [{"loc": ["body", field], "msg": message, "type": "value_error"}]
        }
        assert caller.simulator.accepted == []


async def test_a_prompt_may_be_as_long_as_the_schema_says_and_no_longer() -> None:
    async with open_caller() as caller:
        assert (await caller.submit(prompt="x" * 1900)).status_code == 200
        assert (await caller.submit(prompt="x" * 1901)).status_code == 422


async def test_the_catalogue_lists_every_model_with_its_schema_and_a_made_up_price() -> None:
    async with open_caller() as caller:
        entry = (await caller.http.get(f"/v1/models/{MODEL}")).json()
        assert entry["model_id"] == MODEL
        assert entry["input_schema"] == load_models()[MODEL].input_schema
        assert entry["base_price_usd"] == pytest.approx(0.04)
        assert entry["price_unit"] == "second"
        assert entry["pricing_note"].startswith("SIMULATED")
        everything = (await caller.http.get("/v1/models?include_schema=true")).json()
        assert everything["total"] == len(load_models())
        assert everything["models"][0]["input_schema"]
        without = (await caller.http.get(f"/v1/models?search={MODEL}")).json()
        assert "input_schema" not in without["models"][0]
        assert (await caller.http.get("/v1/models?search=nothing")).json()["models"] == []
        assert (await caller.http.get("/v1/models?offset=1&limit=1")).json()["offset"] == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_model_is_not_found(method: str) -> None:
    async with open_caller() as caller:
        answer = await caller.http.request(method, "/v1/models/no/such", json={})
        assert answer.status_code == 404
        assert answer.json()["error_code"] == 400001


async def test_a_clip_is_served_at_its_url_without_a_token(tmp_path: Path) -> None:
    async with open_caller(Behaviour()) as caller:
        frame = tmp_path / "frame.png"
        frame.write_bytes(image(320, 400))
        request_id = await caller.job(first_frame_image_url=caller.simulator.publish(frame))
        url = (await caller.result(request_id))["output"]["video"]
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as stranger:
            answer = await stranger.get(url)
            part = await stranger.get(url, headers={"range": "bytes=4-7"})
        assert answer.headers["content-type"] == "video/mp4"
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert part.content == b"ftyp"
        clip = tmp_path / "clip.mp4"
        clip.write_bytes(answer.content)
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height, stream.frames) == (384, 480, 120)


@pytest.mark.parametrize(
    ("resolution", "ends_with_the_last"),
    [
        ("480p", True),
        # It takes 3 s to render.
        pytest.param("1080p", False, marks=pytest.mark.stress),
    ],
)
async def test_the_last_frame_takes_effect_below_1080p_only(
    tmp_path: Path, resolution: str, *, ends_with_the_last: bool
) -> None:
    async with open_caller(Behaviour()) as caller:
        (tmp_path / "first.png").write_bytes(image(302, 700))
        (tmp_path / "last.png").write_bytes(image(302, 700, colour=DUSK))
        request_id = await caller.job(
            first_frame_image_url=caller.simulator.publish(tmp_path / "first.png"),
            last_frame_image_url=caller.simulator.publish(tmp_path / "last.png"),
            resolution=resolution,
        )
        clip = tmp_path / "clip.mp4"
        clip.write_bytes((await caller.http.get(f"/outputs/{request_id}.mp4")).content)
        with av.open(str(clip)) as container:
            *_, last = container.decode(container.streams.video[0])
        assert last.height == int(resolution[:-1])
        frame_image = cast("Image.Image", last.to_image())
        red, _green, blue = ImageStat.Stat(frame_image).mean
        assert (blue > red) is ends_with_the_last


@pytest.mark.parametrize("ending", ["mp4", "jpg"])
async def test_an_output_is_not_found_before_its_job_has_succeeded(ending: str) -> None:
    behaviour = Behaviour(images="never", run_seconds=10)
    async with open_caller(behaviour) as caller:
        running, waiting = await caller.job(), await caller.job()
        await caller.cancel(waiting)
        for name in (running, waiting, "nobody"):
            answer = await caller.http.get(f"/outputs/{name}.{ending}")
            assert answer.status_code == 404


async def test_the_still_of_an_output_is_a_jpeg() -> None:
    async with open_caller() as caller:
        answer = await caller.http.get(f"/outputs/{await caller.job()}.jpg")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.content.startswith(b"\xff\xd8\xff")


async def test_an_eagerly_rendered_clip_is_ready_when_its_run_ends() -> None:
    behaviour = Behaviour(render="eager")
    async with open_caller(behaviour) as caller:
        request_id = await caller.job(first_frame_image_url=data_uri(image(302, 700)))
        words: list[str] = []
        while "completed" not in words:
            words.append((await caller.status(request_id))["status"])
        assert words[0] == "in_progress"
        assert (await caller.http.get(f"/outputs/{request_id}.mp4")).status_code == 200


async def test_accepted_jobs_are_listed_in_process_and_over_http() -> None:
    async with (
        open_caller() as caller,
        httpx.AsyncClient(base_url=caller.simulator.url, timeout=TIMEOUT_SECONDS) as stranger,
    ):
        request_id = await caller.job(prompt="A pier")
        (job,) = caller.simulator.accepted
        assert (job.request_id, job.model_id, job.accepted_at) == (request_id, MODEL, 1000)
        assert job.arguments["prompt"] == "A pier"
        answer = await stranger.get("/_simulator/accepted")
        assert answer.json() == [
            {
                "request_id": request_id,
                "model_id": MODEL,
                "arguments": job.arguments,
                "accepted_at": 1000,
            }
        ]


async def test_every_request_is_recorded_with_its_route_and_without_its_token() -> None:
    clock = ManualClock()
    async with open_caller(clock=clock) as caller:
        await caller.submit()
        clock.now += 5
        await caller.http.get("/v1/requests/..%2f..%2fv2/status?x=1")
        await caller.http.get("/nowhere")
        submit, status, other = caller.simulator.requests
        assert (submit.route, submit.method, submit.at) == ("submit", "POST", 1000)
        assert submit.path == f"/v1/models/{MODEL}"
        assert submit.authorized
        assert caller.simulator.token not in json.dumps(dict(submit.headers))
        assert (status.path, status.at) == ("/v1/requests/..%2f..%2fv2/status?x=1", 1005)
        assert (other.route, other.path) == ("other", "/nowhere")
