"""A client whose own clock is shorter than the wait: the server learns it, and answers in time."""

from functools import partial
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from mcp_types import CancelledNotification, CancelledNotificationParams

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from tests.support.client import ToolClient, open_client, structured, text
from tests.support.image_host import Page, serve_images
from tests.support.task_client import TaskPolling, start_task

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

WHOLE_WAIT = 45.0


def long_job() -> Behaviour:
    """Return a RunComfy whose jobs take an hour."""
    return Behaviour(run_seconds=3600)


async def seconds_of(client: ToolClient, **arguments: Any) -> float:
    """Call check_status about the last job, and return how long the call took."""
    request_id = client.simulator.accepted[-1].request_id
    began = anyio.current_time()
    answer = await client.call("check_status", request_id=request_id, **arguments)
    assert structured(answer)["next_step"].startswith("Call check_status with request_id ")
    return round(anyio.current_time() - began, 1)


async def give_up(client: ToolClient, seconds: float, **arguments: Any) -> None:
    """Call generate_video, and cancel the call after some seconds."""
    with anyio.move_on_after(seconds) as scope:
        await client.generate(**arguments)
    assert scope.cancelled_caught


async def repeat(client: ToolClient, **arguments: Any) -> dict[str, Any]:
    """Call generate_video again; it must answer at once."""
    began = anyio.current_time()
    answer = structured(await client.generate(**arguments))
    assert round(anyio.current_time() - began, 1) == 0
    return answer


def begin(
    tasks: TaskGroup, client: ToolClient, ends: list[float], *, force_new: bool = False
) -> None:
    """Call generate_video and never cancel it, like a client that no longer listens."""

    async def call() -> None:
        await client.generate(force_new=force_new)
        ends.append(round(anyio.current_time(), 1))

    tasks.start_soon(call)


async def test_a_client_of_5_s_that_cancels_nothing_has_its_job_in_two_calls() -> None:
    ends: list[float] = []
    async with open_client(long_job()) as client, anyio.create_task_group() as tasks:
        begin(tasks, client, ends)
        await anyio.sleep(5)
        again = await repeat(client)
        assert (again["status"], again["reused"]) == ("in_progress", True)
        assert [job.request_id for job in client.simulator.accepted] == [again["request_id"]]
        assert [await seconds_of(client), await seconds_of(client, wait_seconds=60)] == [4.0, 4.0]
        began = anyio.current_time()
        another = structured(await client.generate(prompt="Another."))
        assert (round(anyio.current_time() - began, 1), another["reused"]) == (4.0, False)
    # A wait that was under way goes on.
    assert ends == [WHOLE_WAIT]


async def test_a_client_that_cancels_and_repeats_is_answered_in_time_for_15_minutes() -> None:
    async with open_client(long_job()) as client:
        await give_up(client, 10, wait_seconds=60)
        await anyio.sleep(55)
        again = await repeat(client)
        assert again["reused"] is True
        assert await seconds_of(client) == 8.0
        # The newest lesson counts, whichever is longer.
        await give_up(client, 5, prompt="Another.")
        await repeat(client, prompt="Another.", wait_seconds=30)
        assert await seconds_of(client) == 4.0
        await anyio.sleep(15 * 60 - 5)
        assert await seconds_of(client) == 4.0
        await anyio.sleep(5)
        assert await seconds_of(client) == WHOLE_WAIT
        assert len(client.simulator.accepted) == 2


async def test_only_a_call_that_was_given_up_and_repeated_teaches_a_clock() -> None:
    async with open_client(long_job()) as client:
        await give_up(client, 10)
        assert await seconds_of(client) == WHOLE_WAIT  # it was not repeated
        await anyio.sleep(20)
        began = anyio.current_time()
        await client.generate()
        assert anyio.current_time() - began == pytest.approx(WHOLE_WAIT)  # only after 65 s
        assert await seconds_of(client) == WHOLE_WAIT
        await give_up(client, 2.4, prompt="Too fast.")
        await repeat(client, prompt="Too fast.")
        assert await seconds_of(client) == WHOLE_WAIT
        await give_up(client, 4, prompt="Of 4 s.")
        await client.generate(prompt="Something else.", wait_seconds=5)
        with anyio.move_on_after(5):
            await seconds_of(client)
        assert await seconds_of(client) == WHOLE_WAIT


async def test_a_cancel_of_a_call_that_was_answered_teaches_nothing() -> None:
    async with open_client(long_job()) as client:
        await client.generate(wait_seconds=5)
        for number in range(20):  # Some clients send one after every call.
            params = CancelledNotificationParams(request_id=number)
            await client.mcp.session.send_notification(CancelledNotification(params=params))
        began = anyio.current_time()
        await client.generate(wait_seconds=30)
        assert anyio.current_time() - began == pytest.approx(30, abs=0.1)
        assert await seconds_of(client) == WHOLE_WAIT


async def test_calls_of_check_status_side_by_side_are_left_alone() -> None:
    seconds: list[float] = []
    async with open_client(long_job()) as client, anyio.create_task_group() as tasks:
        await client.generate(wait_seconds=0)

        async def check() -> None:
            seconds.append(await seconds_of(client))

        for _ in range(2):
            tasks.start_soon(check)
            await anyio.sleep(5)
    assert seconds == [WHOLE_WAIT, WHOLE_WAIT]


async def test_a_repeated_call_is_answered_once_the_paid_request_is() -> None:
    ends: list[float] = []
    async with open_client(long_job()) as client, anyio.create_task_group() as tasks:
        client.simulator.faults.append(Fault.delay("submit", 8))
        begin(tasks, client, ends)
        await anyio.sleep(5)
        again = structured(await client.generate())
        assert anyio.current_time() == pytest.approx(8, abs=0.1)
        (job,) = client.simulator.accepted
        assert (again["request_id"], again["reused"]) == (job.request_id, True)
        tasks.cancel_scope.cancel()


async def test_a_repeated_call_never_takes_longer_than_it_may() -> None:
    async with open_client(long_job()) as client, anyio.create_task_group() as tasks:
        client.simulator.faults.append(Fault.delay("submit", 20))
        begin(tasks, client, [])
        await anyio.sleep(3)
        again = structured(await client.generate(wait_seconds=5))
        assert anyio.current_time() == pytest.approx(8, abs=0.1)
        assert (again["status"], again["reused"]) == ("submitting", True)
        tasks.cancel_scope.cancel()


async def test_a_download_ends_within_a_learned_clock_too() -> None:
    async with open_client(Behaviour(run_seconds=8)) as client:
        await give_up(client, 5)
        request_id = (await repeat(client))["request_id"]
        await anyio.sleep(30)
        client.simulator.faults.append(Fault.delay("output", 20))
        began = anyio.current_time()
        late = await client.call("get_result", request_id=request_id, download=True)
        assert anyio.current_time() - began == pytest.approx(4, abs=0.1)
        assert structured(late)["next_step"].startswith("It is not complete yet (0 bytes): call ")


@pytest.mark.parametrize("download", [False, True])
async def test_a_slow_result_is_given_up_within_a_learned_clock(*, download: bool) -> None:
    async with open_client(Behaviour(run_seconds=8)) as client:
        await give_up(client, 5)
        request_id = (await repeat(client))["request_id"]
        client.simulator.faults.append(Fault.delay("result", 15))
        began = anyio.current_time()
        late = await client.call("get_result", request_id=request_id, download=download)
        assert anyio.current_time() - began == pytest.approx(4, abs=0.1)
        assert text(late) == "RunComfy has not answered yet. This request was free."


async def test_a_client_that_cancels_gets_its_job_while_the_host_of_its_image_is_silent() -> None:
    settings: dict[str, Any] = {"check_images": True, "allow_private_urls": True}
    async with (
        serve_images(image=Page(hangs=True, length="none")) as host,
        open_client(long_job(), **settings) as client,
    ):
        image = {"first_frame_image_url": host.url()}
        await give_up(client, 4, **image)
        began = anyio.current_time()
        again = structured(await client.generate(**image))
        assert anyio.current_time() - began < 3.2
        assert [job.request_id for job in client.simulator.accepted] == [again["request_id"]]


async def test_calls_at_once_for_another_clip_each_buy_one_and_teach_nothing() -> None:
    async with open_client(long_job()) as client, anyio.create_task_group() as tasks:
        await client.generate(wait_seconds=0)
        for _ in range(3):
            tasks.start_soon(partial(client.generate, force_new=True))
            await anyio.sleep(0.5)
        await anyio.sleep(60)
        assert await seconds_of(client) == WHOLE_WAIT
    assert len(client.simulator.accepted) == 4


@pytest.mark.parametrize("cancels", [False, True])
async def test_another_clip_is_paid_once_by_a_client_that_gives_up_and_repeats(
    *, cancels: bool
) -> None:
    ends: list[float] = []
    async with open_client(long_job()) as client, anyio.create_task_group() as tasks:
        first = structured(await client.generate(wait_seconds=0))["request_id"]
        client.simulator.faults.append(Fault.delay("submit", 8))
        for _ in range(2):
            if cancels:
                await give_up(client, 3, force_new=True)
            else:
                begin(tasks, client, ends, force_new=True)
                await anyio.sleep(3)
        again = structured(await client.generate(force_new=True))
        (_, another) = client.simulator.accepted
        assert (again["request_id"], again["reused"]) == (another.request_id, True)
        assert another.request_id != first
        # What has been answered is repeated no more.
        await anyio.sleep(60)
        await client.generate(force_new=True, wait_seconds=0)
        assert len(client.simulator.accepted) == 3
        tasks.cancel_scope.cancel()


async def test_a_call_that_is_answered_with_a_task_teaches_no_clock() -> None:
    polling = TaskPolling()
    async with open_client(long_job(), mode="auto", extensions=[polling]) as client:
        arguments = {"prompt": "The mist drifts.", "first_frame_image_url": "https://a.example/b"}
        await start_task(client.mcp, arguments)
        await anyio.sleep(5)
        await start_task(client.mcp, arguments)
        assert await seconds_of(client) == WHOLE_WAIT
