"""A client whose own clock equals `wait_seconds`: its cancellation crosses the answer."""

from itertools import count

import anyio
import pytest
from anyio.lowlevel import checkpoint

from seedance_mcp.simulator.behaviour import Behaviour
from tests.support.client import ToolClient, open_client, structured

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

WAIT_SECONDS = 5
ANSWER_TURNS = 40
"""How many turns of the loop an answer takes, at most, from the server's deadline to the client."""


async def call_once(client: ToolClient, prompt: str, turns: int) -> str | None:
    """Call generate_video, and give up some turns of the loop after the deadline.

    Returns:
        The request_id in the answer, None if the client gave up before it came.
    """
    answers: list[str] = []
    async with anyio.create_task_group() as tasks:

        async def call() -> None:
            result = await client.generate(prompt=prompt, wait_seconds=WAIT_SECONDS)
            answers.append(structured(result)["request_id"])
            tasks.cancel_scope.cancel()

        tasks.start_soon(call)
        await anyio.sleep(WAIT_SECONDS - (turns < 0))
        for _ in range(turns):
            await checkpoint()
        tasks.cancel_scope.cancel()
    return next(iter(answers), None)


async def test_a_client_that_gives_up_as_it_is_answered_never_pays_twice_for_a_wish(
    rounds: int,
) -> None:
    wishes, calls = 20 * rounds, 0
    answered: dict[str, str] = {}
    behaviour = Behaviour(run_seconds=8, workers=wishes, balance_usd=1000.0)
    async with open_client(behaviour, max_jobs_per_hour=1000) as client:

        async def wish(number: int) -> None:
            nonlocal calls
            prompt = f"Wish {number}."
            for repeat in count():
                calls += 1
                turns = (number - 1 + 17 * repeat) % (ANSWER_TURNS + 1) - 1
                if request_id := await call_once(client, prompt, turns):
                    answered[prompt] = request_id
                    return

        for first in range(0, wishes, 20):
            async with anyio.create_task_group() as tasks:
                for number in range(first, first + 20):
                    tasks.start_soon(wish, number)
        paid = [(job.arguments["prompt"], job.request_id) for job in client.simulator.accepted]
    assert sorted(paid) == sorted(answered.items())
    assert len(answered) == wishes < calls
