"""A client that shows pages: it is answered once the clip is bought, and the player follows it."""

from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import CallToolResult
from PIL import Image

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from tests.support.apps_client import JOB_META, apps
from tests.support.asked_user import AskedUser
from tests.support.client import ToolClient, open_client, structured, text
from tests.support.image_host import Page, serve_images
from tests.support.preflight import data_uri
from tests.support.restarting_server import generate, open_server, run_simulator
from tests.support.sample_images import make_image
from tests.support.task_client import TaskPolling

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

BOTH_ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])
YOUNG = {"usual_seconds": None, "poll_seconds": 2}


def followed(request_id: str) -> str:
    """Return what the model is told of a job that the player follows."""
    return (
        "Say that the clip will appear in the player in the chat, which follows the job: do not"
        " poll it and do not call generate_video again; when the user asks about it, or the clip is"
        f" needed, call get_result with request_id {request_id}."
    )


@asynccontextmanager
async def open_chat(
    behaviour: Behaviour | None = None, *, mode: str = "legacy", **settings: Any
) -> AsyncGenerator[ToolClient, None]:
    """Connect a client that shows pages."""
    async with open_client(behaviour, mode=mode, extensions=[apps()], **settings) as client:
        yield client


def told(result: CallToolResult) -> dict[str, Any]:
    """Return what an answer tells the player, nothing if that is for no player."""
    return (result.meta or {}).get(JOB_META, {})


async def timed(client: ToolClient, **arguments: Any) -> tuple[CallToolResult, float]:
    """Call generate_video, and return the answer and after how many seconds it came."""
    began = anyio.current_time()
    result = await client.generate(**arguments)
    return result, round(anyio.current_time() - began, 1)


@BOTH_ERAS
async def test_a_clip_is_answered_once_it_is_bought_and_left_to_the_player(mode: str) -> None:
    async with open_chat(Behaviour(run_seconds=60), mode=mode) as client:
        result, seconds = await timed(client)
        (job,) = client.simulator.accepted
    assert seconds == 0
    assert structured(result) == {
        "request_id": job.request_id,
        "model_id": "bytedance/seedance-1-0/lite/image-to-video",
        "status": "in_queue",
        "queue_position": None,
        "elapsed_seconds": 0.0,
        "video_url": None,
        "error": None,
        "reused": False,
        "warnings": [],
        "estimated_cost_usd": 0.2,
        "spent_24h_usd": 0.2,
        "next_step": followed(job.request_id),
    }
    assert text(result).endswith(f"next_step: {followed(job.request_id)}")
    assert told(result) == YOUNG


async def test_a_further_model_is_left_to_the_player_too() -> None:
    async with open_chat(Behaviour(run_seconds=60), model="lite,2.0-pro") as client:
        result = await client.call("generate_video_2_0_pro", prompt="A lake.")
        (job,) = client.simulator.accepted
        assert structured(result)["next_step"] == followed(job.request_id)


@pytest.mark.parametrize("left_out", [None, "", " "], ids=repr)
async def test_a_wait_that_is_left_out_is_no_wait(left_out: str | None) -> None:
    async with open_chat(Behaviour(run_seconds=60)) as client:
        result, seconds = await timed(client, wait_seconds=left_out)
        assert (seconds, structured(result)["status"]) == (0, "in_queue")


@BOTH_ERAS
@pytest.mark.parametrize(("run", "took"), [(60, 30.0), (20, 21.0)])
async def test_told_to_wait_a_call_waits_as_anywhere(mode: str, run: float, took: float) -> None:
    answers: list[dict[str, Any]] = []
    for extensions in ([], [apps()]):
        behaviour = Behaviour(run_seconds=run)
        async with open_client(behaviour, mode=mode, extensions=extensions) as client:
            result, seconds = await timed(client, wait_seconds="30")
            assert seconds == pytest.approx(took, abs=1)
            facts = structured(result)
            answers.append({name: facts[name] for name in ("status", "elapsed_seconds")})
            request_id = client.simulator.accepted[0].request_id
            answers[-1]["next_step"] = facts["next_step"].replace(request_id, "ID")
    assert answers[0] == answers[1]
    assert answers[0]["status"] == ("in_progress" if run == 60 else "completed")


async def test_told_not_to_wait_the_model_hears_of_the_player_all_the_same() -> None:
    async with open_chat(Behaviour(run_seconds=60)) as client:
        result, _ = await timed(client, wait_seconds=0)
        (job,) = client.simulator.accepted
        assert structured(result)["next_step"] == followed(job.request_id)


async def test_the_answer_is_never_a_task_even_if_told_to_wait() -> None:
    tasks = TaskPolling()
    extensions = [tasks, apps()]
    async with open_client(Behaviour(run_seconds=20), mode="auto", extensions=extensions) as client:
        result, seconds = await timed(client)
        assert (seconds, structured(result)["status"]) == (0, "in_queue")
        waited, seconds = await timed(client, prompt="Another.", wait_seconds=60)
        assert (structured(waited)["status"], seconds > 20) == ("completed", True)
    assert tasks.created == []


async def test_a_dry_run_is_answered_as_anywhere_and_is_about_no_job() -> None:
    async with open_chat() as client, open_client() as other:
        results = [await each.generate(dry_run=True) for each in (client, other)]
    assert structured(results[0])["status"] == "checked"
    assert structured(results[0]) == structured(results[1])
    assert [told(result) for result in results] == [{}, {}]


async def test_a_repeated_call_gets_its_open_job_with_a_player_of_its_own() -> None:
    async with open_chat(Behaviour(run_seconds=60)) as client:
        first = structured(await client.generate())
        await anyio.sleep(10)
        again, seconds = await timed(client)
        assert (seconds, structured(again)["reused"]) == (0, True)
        assert structured(again)["request_id"] == first["request_id"]
        assert structured(again)["next_step"] == followed(first["request_id"])
        assert len(client.simulator.accepted) == 1


async def test_a_repeated_call_gets_its_ended_clip_as_anywhere() -> None:
    async with open_chat(Behaviour(run_seconds=10), output_dir=Path("/nowhere")) as client:
        made = structured(await client.generate())
        await client.call("list_jobs")
        await anyio.sleep(20)
        await client.call("list_jobs")
        again = structured(await client.generate())
        assert (again["status"], again["reused"]) == ("completed", True)
        assert again["next_step"] == (
            f"Call get_result with request_id {made['request_id']} and download true: it saves the"
            " video, whose URL may expire, and reads what it cost."
        )


async def test_another_clip_of_the_same_call_has_a_player_too() -> None:
    async with open_chat(Behaviour(run_seconds=60)) as client:
        first = structured(await client.generate())
        second = structured(await client.generate(force_new=True))
        assert second["next_step"] == followed(second["request_id"])
        assert (second["reused"], second["request_id"] == first["request_id"]) == (False, False)


async def test_an_unknown_outcome_is_an_error_that_says_what_to_do_and_nothing_to_follow() -> None:
    async with open_chat() as client:
        client.simulator.faults.append(Fault.drop("submit", after=True))
        result = await client.generate()
    assert result.is_error
    assert structured(result)["status"] == "unknown"
    assert structured(result)["next_step"].startswith("RunComfy may have accepted this request")


async def test_a_failure_of_an_earlier_job_is_told_as_anywhere() -> None:
    async with open_chat(Behaviour(run_seconds=10, outcome="fail")) as client:
        made = structured(await client.generate())
        await anyio.sleep(20)
        await client.call("list_jobs")
        again = await client.generate()
    assert again.is_error
    assert structured(again)["request_id"] == made["request_id"]
    assert structured(again)["next_step"].startswith("Tell the user why it failed")


async def test_a_slow_submit_is_waited_for_no_longer_than_a_call_may_take() -> None:
    async with open_chat(wait_seconds=5) as client:
        client.simulator.faults.append(Fault.delay("submit", 8))
        result, seconds = await timed(client)
        assert (seconds, structured(result)["status"]) == (5, "submitting")
        assert structured(result)["next_step"].startswith("Repeat the call that began it")
        again, seconds = await timed(client)
        (job,) = client.simulator.accepted
        assert (seconds, structured(again)["reused"]) == (3, True)
        assert structured(again)["next_step"] == followed(job.request_id)


@BOTH_ERAS
async def test_the_user_is_asked_first_and_then_the_player_follows(mode: str) -> None:
    user = AskedUser()
    async with open_chat(
        Behaviour(run_seconds=60), mode=mode, user=user, ask_above_usd="0"
    ) as client:
        result, _ = await timed(client)
        (job,) = client.simulator.accepted
        assert structured(result)["next_step"] == followed(job.request_id)
    assert len(user.forms) == 1


async def test_quick_answers_teach_nothing_of_how_long_a_client_waits() -> None:
    async with open_chat(Behaviour(run_seconds=600)) as client:
        for _ in range(5):
            await client.generate()
            await anyio.sleep(3)
        request_id = client.simulator.accepted[0].request_id
        began = anyio.current_time()
        await client.call("check_status", request_id=request_id)
        assert anyio.current_time() - began == pytest.approx(45, abs=0.5)


async def test_a_client_that_gives_up_during_the_submit_gets_its_clip_when_it_repeats() -> None:
    async with open_chat(Behaviour(run_seconds=600)) as client:
        client.simulator.faults.append(Fault.delay("submit", 6))
        with anyio.move_on_after(4) as scope:
            await client.generate()
        assert scope.cancelled_caught
        again = structured(await client.generate())
        (job,) = client.simulator.accepted
        assert (again["reused"], again["next_step"]) == (True, followed(job.request_id))


async def test_the_first_frame_comes_with_the_answer_where_the_client_shows_pages() -> None:
    image = data_uri(make_image("PNG", (800, 600)), "image/png")
    async with open_chat(Behaviour(run_seconds=60), local_files=True) as client:
        made, seconds = await timed(client, first_frame_image_url=image)
        # Also where another chat, or the same one, is given the job back.
        again, _ = await timed(client, first_frame_image_url=image)
        checked = await client.generate(first_frame_image_url=image, dry_run=True)
        (job,) = client.simulator.accepted
        status = await client.call("check_status", request_id=job.request_id, wait_seconds=0)
    frame = b64decode(told(made)["first_frame"])
    assert (seconds, len(frame) <= 30_000) == (0, True)
    shown = Image.open(BytesIO(frame))
    assert (shown.format, shown.size) == ("JPEG", (320, 240))
    assert told(again)["first_frame"] == told(made)["first_frame"]
    assert (told(checked), told(status)) == ({}, YOUNG)


async def test_no_first_frame_is_made_for_a_client_that_shows_no_pages() -> None:
    image = data_uri(make_image("PNG", (800, 600)), "image/png")
    async with open_client(Behaviour(run_seconds=60), local_files=True) as client:
        for _ in range(2):
            made = await client.generate(first_frame_image_url=image, wait_seconds=0)
            assert told(made) == YOUNG


async def test_a_frame_that_cannot_be_had_delays_the_answer_by_a_second_and_no_submit() -> None:
    checked: dict[str, Any] = {"check_images": True, "allow_private_urls": True}
    hanging = Page(hangs=True, length="none")
    took: list[float] = []
    for extensions in ([], [apps()]):
        async with (
            serve_images(image=hanging) as host,
            open_client(Behaviour(run_seconds=60), extensions=extensions, **checked) as client,
        ):
            arguments = {"first_frame_image_url": host.url(), "wait_seconds": 0}
            began = anyio.current_time()
            result, seconds = await timed(client, **arguments)
            assert told(result) == YOUNG
            # After the preflight has waited for the image.
            assert client.simulator.accepted[0].accepted_at - began == pytest.approx(5, abs=0.2)
            took.append(seconds)
    assert took == [pytest.approx(5, abs=0.2), pytest.approx(6, abs=0.2)]


class Player:
    """Polls as the page in the chat does: at once, and then as each answer says."""

    def __init__(self, client: Client, request_id: str) -> None:
        self._client = client
        self._request_id = request_id
        self.states: list[str] = []

    async def poll(self) -> CallToolResult:
        """Poll once, without a wait."""
        arguments = {"request_id": self._request_id, "wait_seconds": 0}
        result = await self._client.call_tool("check_status", arguments)
        self.states.append(structured(result)["status"])
        return result

    async def follow(self) -> None:
        """Poll until the job has ended."""
        while True:
            result = await self.poll()
            if self.states[-1] in {"completed", "failed", "cancelled"}:
                return
            pause = told(result)["poll_seconds"]
            assert pause in {2, 5, 10}
            await anyio.sleep(pause)


@BOTH_ERAS
async def test_a_clip_of_60_s_takes_one_call_by_the_model_and_no_poll_of_its(mode: str) -> None:
    async with open_chat(Behaviour(run_seconds=60), mode=mode) as client:
        made = structured(await client.generate())
        player = Player(client.mcp, made["request_id"])
        await player.follow()
        shown = structured(await player.poll())
        assert (shown["status"], shown["video_url"][-4:]) == ("completed", ".mp4")
        # The model's one call is the only submit; all polls are the player's, one upstream each.
        assert len(client.simulator.accepted) == 1
        paths = client.paths()
        assert paths.count("image-to-video") == 1
        # A poll every 2 seconds would take 30.
        assert paths.count("status") == len(player.states) - 1 <= 25
        assert paths.count("result") == 1


async def test_players_of_one_job_share_its_polls() -> None:
    async with open_chat(Behaviour(run_seconds=60)) as client:
        request_id = structured(await client.generate())["request_id"]
        players = [Player(client.mcp, request_id) for _ in range(5)]

        async def follow(number: int) -> None:
            await anyio.sleep(number * 0.3)
            await players[number].follow()

        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(follow, number)
        polls = client.paths().count("status")
    assert [player.states[-1] for player in players] == ["completed"] * 5
    # No more than the schedule makes at its densest, one a second.
    assert polls <= 62 < sum(len(player.states) for player in players)


async def test_the_player_knows_how_long_such_a_clip_takes_and_polls_seldom_while_it_is_young(
    tmp_path: Path,
) -> None:
    async with open_chat(Behaviour(run_seconds=60), state_dir=tmp_path) as client:
        for number in range(3):
            made = structured(await client.generate(prompt=f"Clip {number}."))
            await Player(client.mcp, made["request_id"]).follow()
        await anyio.sleep(60)
        result = await client.generate()
        player = Player(client.mcp, structured(result)["request_id"])
        usual = told(result)["usual_seconds"]
        assert usual == pytest.approx(60, abs=10)
        await anyio.sleep(10)
        young = told(await player.poll())["poll_seconds"]
        await anyio.sleep(45)
        old = told(await player.poll())["poll_seconds"]
        assert young > old


async def test_a_player_polls_less_while_runcomfy_is_silent_and_has_no_more_to_do_at_the_end() -> (
    None
):
    async with open_chat(Behaviour(run_seconds=60)) as client:
        player = Player(client.mcp, structured(await client.generate())["request_id"])
        client.simulator.faults.append(Fault.answer("status", 500, times=10))
        silent = await player.poll()
        client.simulator.faults.clear()
        await anyio.sleep(70)
        ended = await player.poll()
    assert player.states == ["in_queue", "completed"]
    assert [told(result)["poll_seconds"] for result in (silent, ended)] == [10, 10]


async def test_a_repeated_call_gets_its_job_until_the_player_has_shown_the_end(
    tmp_path: Path,
) -> None:
    async with (
        run_simulator(run_seconds=60) as simulator,
        open_server(simulator, tmp_path, extensions=[apps()]) as client,
    ):
        first = structured(await generate(client))
        player = Player(client, first["request_id"])
        # The player polls by itself, whatever has become of the model's turn.
        await player.poll()
        again = structured(await generate(client))
        assert (again["request_id"], again["reused"]) == (first["request_id"], True)
        await player.follow()
        assert player.states[-1] == "completed"
        another = structured(await generate(client))
        assert (another["request_id"] == first["request_id"], another["reused"]) == (False, False)
    assert len(simulator.accepted) == 2


@pytest.mark.parametrize("look", [{"wait_seconds": 1}, {}])
async def test_a_look_that_waits_is_the_models_and_so_a_receipt(
    tmp_path: Path, look: dict[str, int]
) -> None:
    async with (
        run_simulator(run_seconds=600) as simulator,
        open_server(simulator, tmp_path, extensions=[apps()]) as client,
    ):
        first = structured(await generate(client))
        given = {"request_id": first["request_id"], **look}
        assert structured(await client.call_tool("check_status", given))["status"] != "completed"
        another = structured(await generate(client))
        assert (another["request_id"] == first["request_id"], another["reused"]) == (False, False)


async def test_reading_and_listing_pages_is_no_receipt(tmp_path: Path) -> None:
    async with (
        run_simulator(run_seconds=600) as simulator,
        open_server(simulator, tmp_path, extensions=[apps()]) as client,
    ):
        lost = structured(await generate(client))
        for page in (await client.list_resources()).resources[-2:]:
            await client.read_resource(page.uri)
        await client.call_tool("list_jobs", {})
        again = structured(await generate(client))
        assert (again["request_id"], again["reused"]) == (lost["request_id"], True)


@BOTH_ERAS
async def test_a_client_without_pages_is_told_the_same_of_a_job_in_meta_alone(mode: str) -> None:
    async with open_client(Behaviour(run_seconds=60), mode=mode) as client:
        result, seconds = await timed(client)
        (job,) = client.simulator.accepted
        assert seconds == 45
        assert structured(result)["next_step"] == (
            f"Call check_status with request_id {job.request_id}; do not call generate_video again."
        )
        assert set(told(result)) == {"usual_seconds", "poll_seconds"}
        status = await client.call("check_status", request_id=job.request_id, wait_seconds=0)
        assert set(told(status)) == {"usual_seconds", "poll_seconds"}
        for tool in ("get_result", "cancel_job"):
            other = await client.call(tool, request_id=job.request_id)
            assert told(other) == {}
