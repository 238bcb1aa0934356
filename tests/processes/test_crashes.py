"""Real servers, killed with SIGKILL at every point between a call and its answer.

Each round is a call, a kill, a restart on the same ledger, and an agent that repeats the identical
call if it got no answer. Afterwards the simulator's record and the ledger must agree.
"""

import sys
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("it forks, and makes pipes small", allow_module_level=True)

from seedance_mcp.simulator.faults import Fault
from tests.support.crash_scene import (
    POINTS,
    Death,
    Point,
    Scene,
    open_scene,
    request_id_of,
    while_the_ledger_is_created,
)
from tests.support.fork_server import ForkServer
from tests.support.served_ledger import NewLedger, ServedLedger
from tests.support.timeouts import NEVER_SECONDS, wait_until
from tests.support.wording import MAYBE_CHARGED, REUSED

pytestmark = pytest.mark.anyio

UNKNOWN: dict[str, Any] = {
    "request_id": None,
    "model_id": "bytedance/seedance-1-0/lite/image-to-video",
    "status": "unknown",
    "queue_position": None,
    "video_url": None,
    "error": None,
    "reused": True,
    "warnings": [REUSED],
    "next_step": (MAYBE_CHARGED),
}
"""The answer to a repeated call whose job may have been bought, without the elapsed time."""


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.__name__)
async def test_no_job_is_lost_or_bought_twice_by_a_kill(
    point: Point, ledger_rounds: int, fork_server: ForkServer, ledger: ServedLedger
) -> None:
    async with open_scene(fork_server, ledger) as scene:
        await scene.server.call("list_jobs")
        deaths = await _rounds(scene, point, ledger_rounds)
        expected = POINTS[point]
        assert expected is None or deaths == [expected] * ledger_rounds


async def test_a_kill_while_the_ledger_is_created_leaves_one_that_works(
    ledger_rounds: int, fork_server: ForkServer, new_ledger: NewLedger
) -> None:
    for number in range(ledger_rounds):
        with new_ledger(str(number)) as ledger:
            async with open_scene(fork_server, ledger) as scene:
                await _rounds(scene, while_the_ledger_is_created, 1)


async def _rounds(scene: Scene, point: Point, number: int) -> list[Death]:
    """Kill the server in so many rounds; then the ledger and RunComfy must agree on every call."""
    deaths: list[Death] = []
    bought: dict[str, str | None] = {}
    for count in range(number):
        scene.prompt = f"Mist, take {count}."
        await point(scene)
        deaths.append(await scene.kill())
        answered = request_id_of(scene.server.received(scene.call))
        scene.restart()
        bought[scene.prompt] = answered or await _repeated(scene)
    await _audit(scene, bought)
    return deaths


async def _repeated(scene: Scene) -> str | None:
    """Repeat a call as an agent does, and return the request_id, None if it is unknown."""
    for _ in range(5):
        result = await scene.server.call("generate_video", **scene.arguments())
        if request_id := request_id_of(result):
            return request_id
        if result.get("structuredContent", {}).get("status") == "unknown":
            return None
    raise AssertionError("five answers, and none has a request_id")


async def _audit(scene: Scene, bought: dict[str, str | None]) -> None:
    """Compare what the agent knows, what a restarted server lists and what was paid for."""
    scene.restart()
    listing = (await scene.server.call("list_jobs", limit=100))["structuredContent"]
    jobs = listing["jobs"]
    assert {job["prompt"]: job["request_id"] for job in jobs} == bought
    assert listing["total"] == len(jobs) == len(bought)
    assert {job["status"] for job in jobs if not job["request_id"]} <= {"unknown"}
    assert {job["status"] for job in jobs if job["request_id"]} <= {"in_queue", "completed"}
    paid = [(job.arguments["prompt"], job.request_id) for job in scene.simulator.accepted]
    assert len(dict(paid)) == len(paid)
    assert {prompt: paid_for for prompt, paid_for in paid if bought[prompt]} == {
        prompt: request_id for prompt, request_id in bought.items() if request_id
    }
    assert scene.ledger.find_damage() == []


async def test_a_job_that_a_dead_process_was_submitting_is_unknown_and_not_sent_again(
    fork_server: ForkServer, ledger: ServedLedger
) -> None:
    async with open_scene(fork_server, ledger) as scene:
        await scene.server.call("list_jobs")
        scene.prompt = "Mist."
        scene.simulator.faults.append(Fault.delay("submit", NEVER_SECONDS, after=True))
        scene.begin()
        await wait_until(scene.is_accepted)
        await scene.kill()
        scene.restart()
        result = await scene.server.call("generate_video", **scene.arguments())
        answer = result["structuredContent"]
        elapsed = answer.pop("elapsed_seconds")
        # Costs are left out until the catalogue has answered.
        costs = {name: answer.pop(name, None) for name in ("estimated_cost_usd", "spent_24h_usd")}
        assert set(costs.values()) <= {None, 0.2}
        shown = "".join(f"; {name}: {usd}" for name, usd in costs.items() if usd)
        (content,) = result["content"]
        assert result["isError"] is True
        assert answer == UNKNOWN
        assert content["text"] == (
            f"model_id: {UNKNOWN['model_id']}; status: unknown; elapsed_seconds: {elapsed};"
            f" reused: true{shown}\nwarnings: {REUSED}\nnext_step: {UNKNOWN['next_step']}"
        )
        assert scene.posts() == 1
        forced = await scene.server.call("generate_video", **scene.arguments(force_new=True))
        bought = [job.request_id for job in scene.simulator.accepted]
        assert len(bought) == 2
        assert (request_id_of(forced), forced["structuredContent"]["reused"]) == (bought[1], False)


async def test_a_completed_clip_that_was_never_answered_is_not_bought_again(
    fork_server: ForkServer, ledger: ServedLedger
) -> None:
    async with open_scene(fork_server, ledger) as scene:
        await scene.server.call("list_jobs")
        scene.prompt = "Mist."
        await scene.server.fill_stdout()
        scene.begin(wait_seconds=60)
        await wait_until(lambda: scene.row() == "completed")
        assert await scene.kill() == Death("completed", posted=True, accepted=True, answered=False)
        scene.restart()
        again = await scene.server.call("generate_video", **scene.arguments())
        bought = [job.request_id for job in scene.simulator.accepted]
        assert (bought, again["structuredContent"]["reused"]) == ([request_id_of(again)], True)
