"""Eight servers on one ledger, as eight chat windows start them, all buying at once."""

import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("it forks", allow_module_level=True)

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import IMAGE_URL
from tests.support.fork_server import ForkServer
from tests.support.forked_server import ForkedServer
from tests.support.served_ledger import NewLedger, ServedLedger
from tests.support.server_process import account
from tests.support.wording import JOBS_LIMIT_REACHED, allowed_from, cost_limit_exceeded

pytestmark = pytest.mark.anyio

PROCESSES = 8
LIMIT = 5


@dataclass(kw_only=True)
class Crowd:
    """Servers that share a ledger, which has no jobs when a round begins.

    Attributes:
        before: How many jobs and requests the simulator had seen by then.
    """

    simulator: Simulator
    servers: Sequence[ForkedServer]
    ledger: ServedLedger
    before: tuple[int, int] = (0, 0)

    def begin_again(self) -> None:
        """Empty the ledger under the running servers."""
        self.ledger.begin_again()
        self.before = len(self.simulator.accepted), len(self.simulator.requests)

    async def generate_at_once(self, prompts: Sequence[str]) -> list[dict[str, Any]]:
        """Call generate_video on every server before any of them has answered."""
        calls = [
            server.send_call(
                "generate_video", prompt=prompt, first_frame_image_url=IMAGE_URL, wait_seconds=0
            )
            for server, prompt in zip(self.servers, prompts, strict=True)
        ]
        return [await server.answer(call) for server, call in zip(self.servers, calls, strict=True)]

    def accepted(self) -> dict[str, str]:
        """Return the request_ids that RunComfy accepted in this round, by prompt."""
        jobs = self.simulator.accepted[self.before[0] :]
        accepted = {job.arguments["prompt"]: job.request_id for job in jobs}
        assert len(accepted) == len(jobs)
        return accepted

    def posts(self) -> int:
        """Return how many paid requests RunComfy received in this round."""
        return [seen.route for seen in self.simulator.requests[self.before[1] :]].count("submit")

    def rows(self) -> dict[str, tuple[str | None, str]]:
        """Return request_id and time of creation of each row in the ledger, by prompt."""
        rows = self.ledger.jobs()
        assert self.ledger.find_damage() == []
        assert len({prompt for prompt, _, _ in rows}) == len(rows)
        return {prompt: (request_id, created_at) for prompt, request_id, created_at in rows}


@asynccontextmanager
async def _crowd(
    fork_server: ForkServer,
    ledger: ServedLedger,
    *,
    number: int,
    limit: Mapping[str, str],
) -> AsyncGenerator[Crowd, None]:
    """Start servers on a new ledger."""
    async with running(Behaviour(images="never", balance_usd=1000.0)) as simulator:
        env = account(simulator, ledger.folder, **ledger.variables, **limit)
        with ExitStack() as stack:
            servers = [stack.enter_context(fork_server.forked(env)) for _ in range(number)]
            yield Crowd(simulator=simulator, servers=servers, ledger=ledger)


async def _rounds(
    fork_server: ForkServer,
    new_ledger: NewLedger,
    *,
    count: int,
    awake: bool,
    number: int = PROCESSES,
    **limit: str,
) -> AsyncGenerator[Crowd, None]:
    """Yield a crowd for each round: one that is `awake` throughout, or a new one that starts."""
    for start in range(1 if awake else count):
        with new_ledger(str(start)) as ledger:
            async with _crowd(fork_server, ledger, number=number, limit=limit) as crowd:
                if awake:
                    for server in crowd.servers:
                        await server.answer(server.send("prompts/list"))
                yield crowd
                for _ in range(count - 1 if awake else 0):
                    crowd.begin_again()
                    yield crowd


@pytest.mark.parametrize("awake", [False, True])
async def test_eight_processes_that_buy_at_once_on_a_new_ledger_lose_no_row(
    *, awake: bool, ledger_rounds: int, fork_server: ForkServer, new_ledger: NewLedger
) -> None:
    prompts = [f"Mist, window {number}." for number in range(PROCESSES)]
    async for crowd in _rounds(fork_server, new_ledger, count=ledger_rounds, awake=awake):
        answers = await crowd.generate_at_once(prompts)
        assert [answer["content"] for answer in answers if answer["isError"]] == []
        named = [answer["structuredContent"]["request_id"] for answer in answers]
        bought = dict(zip(prompts, named, strict=True))
        assert crowd.accepted() == bought
        assert {prompt: row for prompt, (row, _) in crowd.rows().items()} == bought


@pytest.mark.parametrize("awake", [False, True])
async def test_eight_processes_that_buy_at_once_never_pass_the_hourly_limit(
    *, awake: bool, ledger_rounds: int, fork_server: ForkServer, new_ledger: NewLedger
) -> None:
    prompts = [f"Mist, window {number}." for number in range(PROCESSES)]
    async for crowd in _rounds(
        fork_server,
        new_ledger,
        count=ledger_rounds,
        awake=awake,
        SEEDANCE_MAX_JOBS_PER_HOUR=str(LIMIT),
    ):
        assert await _limited(crowd, prompts) == _hourly_line(crowd)


@pytest.mark.parametrize("awake", [False, True])
async def test_eight_processes_that_buy_at_once_never_pass_the_daily_limit_on_money(
    *, awake: bool, ledger_rounds: int, fork_server: ForkServer, new_ledger: NewLedger
) -> None:
    prompts = [f"Mist, window {number}." for number in range(PROCESSES)]
    async for crowd in _rounds(
        fork_server,
        new_ledger,
        count=ledger_rounds,
        awake=awake,
        SEEDANCE_MAX_COST_USD_PER_DAY="1.1",
    ):
        assert await _limited(crowd, prompts) == _daily_line(crowd)


@pytest.mark.parametrize("number", [2, PROCESSES])
async def test_identical_calls_that_race_in_several_processes_buy_one_clip(
    number: int, ledger_rounds: int, fork_server: ForkServer, new_ledger: NewLedger
) -> None:
    async for crowd in _rounds(
        fork_server, new_ledger, count=ledger_rounds, awake=True, number=number
    ):
        answers = await crowd.generate_at_once(["Mist."] * number)
        facts = [answer["structuredContent"] for answer in answers]
        accepted = crowd.accepted()
        assert {fact["request_id"] for fact in facts} == {accepted["Mist."]}
        assert sorted(fact["reused"] for fact in facts) == [False] + [True] * (number - 1)
        assert list(crowd.rows()) == ["Mist."]


async def _limited(crowd: Crowd, prompts: Sequence[str]) -> str:
    """Buy as many clips as the limit allows, and return the line that refuses all other calls."""
    answers = dict(zip(prompts, await crowd.generate_at_once(prompts), strict=True))
    refused = {prompt: answer for prompt, answer in answers.items() if answer["isError"]}
    bought = {
        prompt: answer["structuredContent"]["request_id"]
        for prompt, answer in answers.items()
        if prompt not in refused
    }
    assert len(bought) == LIMIT
    assert crowd.accepted() == bought
    assert {prompt: row for prompt, (row, _) in crowd.rows().items()} == bought
    assert crowd.posts() == LIMIT
    lines = [_lines(answer) for answer in refused.values()]
    assert lines == [lines[0]] * (PROCESSES - LIMIT)
    (line,) = lines[0]
    return line


def _oldest(crowd: Crowd) -> datetime:
    """Return when the first of the jobs was created."""
    return min(datetime.fromisoformat(created_at) for _, created_at in crowd.rows().values())


def _hourly_line(crowd: Crowd) -> str:
    allowed = _oldest(crowd) + timedelta(hours=1)
    return (
        f"{JOBS_LIMIT_REACHED} {LIMIT} jobs were started within the hour; the next is allowed"
        f" at {allowed:%H:%M:%S} UTC, in about 60 min. Nothing was charged."
    )


def _daily_line(crowd: Crowd) -> str:
    allowed = _oldest(crowd) + timedelta(days=1, microseconds=999_999)
    return cost_limit_exceeded("1.1", "1", "0.2", allowed_from(f"{allowed:%Y-%m-%d %H:%M:%S}"))


def _lines(result: dict[str, Any]) -> list[str]:
    return [part["text"] for part in result["content"]]
