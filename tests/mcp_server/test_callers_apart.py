"""Callers of one server have streams, clips, limits and tokens of their own."""

import json
from base64 import b64encode
from pathlib import Path

import anyio
import pytest

from seedance_mcp.mcp_server.auth.access_tokens import add_token, hash_token
from seedance_mcp.service.services import KEPT_SECONDS
from tests.support.callers import (
    ALICE,
    BOB,
    CAROL,
    OWN_TOKEN,
    Request,
    open_scene,
)
from tests.support.client import ARGUMENTS
from tests.support.sample_images import noise
from tests.support.walk import surface_of

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_a_stream_tells_of_changes_of_the_callers_own_jobs_alone(tmp_path: Path) -> None:
    answers: dict[str, str] = {}

    async def listen(name: str) -> None:
        uris = ["seedance://jobs", *(f"seedance://jobs/{job.request_id}" for job in jobs.values())]
        params = {"notifications": {"resourceSubscriptions": uris}}
        answers[name] = (await scene.callers[name].post("subscriptions/listen", params)).text

    async with open_scene(tmp_path) as scene:
        jobs = {name: await scene.buy(name) for name in (ALICE, BOB, CAROL)}
        async with anyio.create_task_group() as tasks:
            for name in jobs:
                tasks.start_soon(listen, name)
            await anyio.sleep(1)
            for name, job in jobs.items():
                done = await scene.callers[name].call("check_status", request_id=job.request_id)
                assert done.facts["status"] == "completed"
            await scene.server.finish_calls()
        for name, said in answers.items():
            updated = [line for line in said.splitlines() if "resources/updated" in line]
            told = [one for one, job in jobs.items() if any(job.request_id in u for u in updated)]
            assert told == [name]


LISTEN: Request = (
    "subscriptions/listen",
    {"notifications": {"resourceSubscriptions": ["seedance://jobs"]}},
)


async def test_a_stream_ends_soon_after_the_token_of_its_caller_is_revoked(tmp_path: Path) -> None:
    ended: dict[str, tuple[int, float]] = {}

    async def listen(name: str) -> None:
        answer = await scene.callers[name].post(*LISTEN)
        ended[name] = answer.status_code, anyio.current_time()

    file = tmp_path / "access-tokens"
    async with open_scene(tmp_path) as scene, anyio.create_task_group() as tasks:
        token = add_token(file, "dave")
        scene.callers["dave"] = scene.with_token(token)
        for name in scene.callers:
            tasks.start_soon(listen, name)
        await anyio.sleep(25)
        revoked_at = anyio.current_time()
        # A token that has become another caller's is no less revoked.
        await anyio.Path(file).write_text(f"erin:{hash_token(token)}\n")
        await anyio.sleep(30)
        assert set(ended) == {ALICE, "dave"}
        assert all(at <= revoked_at + 11 for _, at in ended.values())
        await scene.server.finish_calls()
    assert {name: status for name, (status, _) in ended.items()} == dict.fromkeys(
        scene.callers, 200
    )


async def test_a_made_up_token_opens_no_stream(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        with anyio.fail_after(60):
            answer = await scene.with_token("a-made-up-token").ask(*LISTEN)
        assert answer.body["error"]["message"] == (
            "RunComfy rejected your token: it is wrong, expired or revoked. Nothing was charged."
        )


async def test_the_same_call_of_another_caller_buys_a_clip_of_its_own(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        same = {"prompt": "The same words."}
        jobs = [await scene.buy(name, **same) for name in (ALICE, BOB, CAROL)]
        again = [await scene.buy(name, **same) for name in (ALICE, BOB, CAROL)]
        assert (again, scene.bought()) == (jobs, 3)
        assert len({job.request_id for job in jobs}) == 3


async def test_each_caller_has_its_own_limits_and_hears_of_no_others(tmp_path: Path) -> None:
    limits = {
        "max_jobs_per_hour_per_caller": 2,
        "max_cost_usd_per_day_per_caller": 1,
        "max_jobs_per_hour": 3,
    }
    async with open_scene(tmp_path, **limits) as scene:
        for number in range(2):
            await scene.buy(ALICE, prompt=f"{number}")
        again = {**ARGUMENTS, "wait_seconds": 0, "force_new": True}
        own = await scene.callers[ALICE].call("generate_video", **again)
        assert own.line.startswith(
            "SEEDANCE_MAX_JOBS_PER_HOUR_PER_CALLER is reached: 2 jobs were started within the hour;"
            " the next is allowed at "
        )
        await scene.buy(BOB)
        servers = await scene.callers[BOB].call("generate_video", **again)
        assert servers.line == (
            "SEEDANCE_MAX_JOBS_PER_HOUR is reached by the callers of this server together; try"
            " again in about 60 min. Nothing was charged."
        )
        spent = [
            (await scene.callers[name].call("list_jobs")).facts["spent_24h_usd"]
            for name in (ALICE, BOB, CAROL)
        ]
        assert (spent, scene.bought()) == ([0.4, 0.2, 0.0], 3)


async def test_nothing_of_a_callers_own_token_is_kept_but_a_keyed_hash(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with open_scene(tmp_path) as scene:
        for name in (ALICE, BOB, CAROL):
            job = await scene.buy(name)
            await scene.callers[name].call("get_result", request_id=job.request_id)
            # Each request to RunComfy brings the token of whoever it is made for.
            sent = {token for token, path in scene.network.sent if job.request_id in path}
            assert sent == {OWN_TOKEN if name == CAROL else scene.account.token}
    assert OWN_TOKEN.encode() not in everything_in(tmp_path)
    assert OWN_TOKEN not in caplog.text


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_saving_is_off_over_http_and_the_answer_says_so_with_the_link(
    tmp_path: Path,
) -> None:
    async with open_scene(tmp_path, auto_download=True) as scene:
        job = await scene.buy(ALICE)
        done = await scene.callers[ALICE].call("check_status", request_id=job.request_id)
        made = await scene.callers[ALICE].call(
            "get_result", request_id=job.request_id, download=True
        )
        url, *_ = made.facts["videos"]
        assert (done.facts["status"], done.facts["video_url"]) == ("completed", url)
        assert done.facts["next_step"] == (
            "Give the user the video URL, which may expire; get_result with request_id"
            f" {job.request_id} reads what it cost."
        )
        assert (made.body["result"]["isError"], made.facts["saved_to"]) == (False, None)
        assert made.facts["next_step"] == (
            "Nothing was saved: over HTTP, this server saves no files. Give the user the video URL,"
            f" which may expire. To continue it, pass seedance://jobs/{job.request_id}/last-frame"
            " as an image."
        )
        tools = await surface_of(scene.callers[ALICE])
        get_result = tools.definitions["get_result"]
        assert "ave the videos" not in json.dumps(get_result)
    assert not (tmp_path / "videos").exists()


@pytest.mark.parametrize("allowed", [True, None])
async def test_a_caller_from_elsewhere_sends_images_but_names_no_file_of_the_server(
    tmp_path: Path, *, allowed: bool | None
) -> None:
    image = tmp_path / "lake.png"
    data = noise((640, 360), "PNG")
    await anyio.Path(image).write_bytes(data)
    uri = f"data:image/png;base64,{b64encode(data).decode()}"
    async with open_scene(tmp_path, local_files=allowed) as scene:
        said = [
            (await scene.callers[ALICE].call("generate_video", **given)).line
            for value in (str(image), image.as_uri(), uri)
            for given in [{**ARGUMENTS, "first_frame_image_url": value, "dry_run": True}]
        ]
        listed = (await surface_of(scene.callers[ALICE])).definitions["generate_video"]
        told = listed["inputSchema"]["properties"]["first_frame_image_url"]["description"]
        assert told.endswith(f"last-frame.{' Or a data: URI.' if allowed else ''}")
    refused = "first_frame_image_url must be the public https URL of an image; it does not begin"
    assert [line.startswith(refused) for line in said] == [True, True, not allowed]
    why = " with https:// or data:, and a path would name a file of the server's machine."
    assert [why in line for line in said[:2]] == [bool(allowed)] * 2
    assert ("; status: checked; " in said[2]) == bool(allowed)


async def test_without_its_ledger_the_server_does_not_ask_runcomfy_about_jobs_of_its_callers(
    tmp_path: Path,
) -> None:
    async with open_scene(tmp_path) as scene:
        jobs = {name: await scene.buy(name) for name in (ALICE, BOB)}
        ledger = anyio.Path(tmp_path, "state", "ledger.db")
        await ledger.rename(f"{ledger}.away")
        await ledger.mkdir()
        asked = scene.asked_about(jobs[BOB].request_id)
        for tool in ("check_status", "get_result", "cancel_job"):
            answer = await scene.callers[ALICE].call(tool, request_id=jobs[BOB].request_id)
            assert (tool, answer.body["result"]["isError"]) == (tool, True)
            # Where it is, is no caller's business.
            assert answer.line.startswith("The ledger cannot be used: ")
            assert str(tmp_path) not in answer.line
        assert scene.asked_about(jobs[BOB].request_id) == asked


async def test_a_made_up_token_is_refused_before_anything_is_done_with_it(tmp_path: Path) -> None:
    async with open_scene(tmp_path, max_jobs_per_hour=1) as scene:
        mallory, made_up = scene.with_token("a-made-up-token"), {**ARGUMENTS, "wait_seconds": 5}
        said = [(await mallory.call("generate_video", **made_up)).line for _ in range(3)]
        refused = "RunComfy rejected your token: it is wrong, expired or revoked."
        assert said == [f"{refused} Nothing was charged."] * 3
        sent = [path for token, path in scene.network.sent if token == mallory.token]
        assert [path.rsplit("/", 1)[-1] for path in sent] == ["status"] * 3
        # It took no one's place among the jobs of the hour, nor does the answer cost more requests.
        await scene.buy(CAROL)
        sent = [path.rsplit("/", 1)[-1] for token, path in scene.network.sent if token == OWN_TOKEN]
        assert (sent, scene.bought()) == (["status", "image-to-video"], 1)


async def test_a_made_up_token_takes_no_place_while_runcomfy_is_silent(tmp_path: Path) -> None:
    async with open_scene(tmp_path, max_jobs_per_hour=1) as scene:
        scene.network.is_silent = True
        made_up = {**ARGUMENTS, "wait_seconds": 60}
        refused = await scene.with_token("a-made-up-token").call("generate_video", **made_up)
        scene.network.is_silent = False
        await scene.buy(CAROL)
        assert refused.line == "RunComfy did not answer within 5 s. Nothing was charged."
        assert scene.bought() == 1


async def test_a_caller_whose_service_is_forgotten_gets_its_job_back_while_runcomfy_is_silent(
    tmp_path: Path,
) -> None:
    async with open_scene(tmp_path) as scene:
        job = await scene.buy(CAROL)
        await anyio.sleep(KEPT_SECONDS)
        # The service of a new caller takes the place of one that was not used for so long.
        await scene.with_token("another-token").call("list_jobs")
        scene.network.is_silent = True
        assert (await scene.buy(CAROL), scene.bought()) == (job, 1)


async def test_a_server_without_a_token_serves_callers_that_bring_theirs(tmp_path: Path) -> None:
    dry = {**ARGUMENTS, "dry_run": True}
    async with open_scene(tmp_path, token=None) as scene:
        refused = await scene.callers[ALICE].call("generate_video", **dry)
        priced = await scene.callers[CAROL].call("generate_video", **dry)
        for prompt in ("One.", "Another."):
            await scene.buy(CAROL, prompt=prompt)
        assert refused.line.startswith("No RunComfy token is set")
        assert priced.facts["estimated_cost_usd"] == 0.2
        assert {token for token, _ in scene.network.sent} == {OWN_TOKEN}
        # Whether RunComfy knows the token is asked once.
        assert [path[-7:] for _, path in scene.network.sent].count("/status") == 1
        assert scene.bought() == 2


async def test_the_yes_of_one_user_buys_nothing_for_another_caller(tmp_path: Path) -> None:
    order = {"name": "generate_video", "arguments": {**ARGUMENTS, "wait_seconds": 0}}
    yes = {"approval": {"action": "accept", "content": {"approve": True}}}
    async with open_scene(tmp_path, ask_above_usd=0) as scene:
        asked = (await scene.callers[ALICE].ask("tools/call", order)).body["result"]
        agreed = {**order, "inputResponses": yes, "requestState": asked["requestState"]}
        for name in (BOB, CAROL):
            answer = (await scene.callers[name].ask("tools/call", agreed)).body["result"]
            # Their users are asked anew.
            assert (answer["resultType"], scene.bought()) == ("input_required", 0)
        bought = (await scene.callers[ALICE].ask("tools/call", agreed)).body["result"]
        assert (bought["resultType"], scene.bought()) == ("task", 1)
