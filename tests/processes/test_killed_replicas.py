"""Two servers over HTTP behind a proxy: they and the database end midway while clients buy.

A client repeats a call that has no answer, as agents do. Afterwards the ledger, RunComfy and what
the clients were told must agree: nothing is lost, nothing is paid twice.
"""

import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import anyio
import pytest
from anyio import to_thread

if sys.platform != "linux":
    pytest.skip("it forks", allow_module_level=True)

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import IMAGE_URL
from tests.support.crash_scene import request_id_of
from tests.support.postgres import PostgresServer
from tests.support.replicas import ReplicaClient, Replicas, open_replica_client, open_replicas
from tests.support.served_ledger import ServedLedger, postgres_ledgers
from tests.support.server_process import Servers, account
from tests.support.timeouts import wait_until

pytestmark = pytest.mark.anyio

AGENTS = 4
KEY = "a-key-that-all-replicas-share-0123456789"


@dataclass(kw_only=True)
class Chaos:
    """Agents that buy until the killing is over, and what they were told.

    Attributes:
        told: By prompt, the request_id that an agent was told; None if it is unknown.
        refused: What calls were answered that bought nothing.
        over: Whether the killing is over, so that no agent begins another clip.
    """

    replicas: Replicas
    ledger: ServedLedger
    simulator: Simulator
    random: Random
    told: dict[str, str | None] = field(default_factory=dict[str, str | None])
    refused: list[str] = field(default_factory=list[str])
    over: bool = False

    async def buy_until_over(self, name: str) -> None:
        """Buy one clip after another, each call twice, and wait for every other one."""
        async with open_replica_client(self.replicas) as client:
            number = 0
            while not self.over:
                number += 1
                prompt = f"Mist, take {number} of {name}."
                request_id = await self._buy(client, prompt)
                again = await self._buy(client, prompt)
                # The id may be lost with the only server that had it while the database was away.
                assert len({request_id, again, None}) <= 2, "the repeated call got another job"
                self.told[prompt] = again = request_id or again
                if again and number % 2:
                    await self._wait_for(client, again)

    async def _buy(self, client: ReplicaClient, prompt: str) -> str | None:
        """Call until an answer says which job it is, or that its outcome is unknown."""
        wait = self.random.choice([0, 0, 1])
        given = {"prompt": prompt, "first_frame_image_url": IMAGE_URL, "wait_seconds": wait}
        while True:
            result = await client.call("generate_video", **given)
            if request_id := request_id_of(result):
                return request_id
            if result and not result.get("structuredContent"):
                self.refused.append(result["content"][0]["text"])
            elif result and result["structuredContent"]["status"] == "unknown":
                return None

    async def _wait_for(self, client: ReplicaClient, request_id: str) -> None:
        status = ""
        while status != "completed":
            result = await client.call("check_status", request_id=request_id, wait_seconds=5)
            structure: dict[str, Any] = (result or {}).get("structuredContent") or {}
            status = structure.get("status", "")

    async def until_more_posts(self, most: int) -> None:
        """Wait for some more paid requests; of the next one, the answer may take a while."""
        pause, after = self.random.uniform(0, 0.03), self.random.random() < 0.5
        self.simulator.faults.append(Fault.delay("submit", pause, after=after))
        goal = self.posts() + self.random.randint(1, most)
        await wait_until(lambda: self.posts() >= goal)
        await anyio.sleep(self.random.uniform(0, 0.02))

    def posts(self) -> int:
        """Return how many paid requests have come."""
        return sum(request.route == "submit" for request in self.simulator.requests)

    async def kill_in_turn(self, times: int) -> None:
        """Kill one server and then the other, and start it again."""
        for number in range(times):
            name = ("first", "second")[number % 2]
            await self.until_more_posts(4)
            pid = await self.replicas.kill(name)
            self.ledger.end_lease(pid)
            await self.replicas.start(name)

    async def restart_in_turn(self, server: PostgresServer, times: int) -> None:
        """Stop the database and start it when a call has heard of it; then kill a server too."""
        for number in range(times):
            await self.until_more_posts(4)
            before = len(self.refused)
            await to_thread.run_sync(server.stop, ("INT", "QUIT")[number % 2])
            await wait_until(partial(self.has_refused_more_than, before))
            pid = await self.replicas.kill("first")
            await self.replicas.start("first")
            await to_thread.run_sync(server.start)
            self.ledger.end_lease(pid)
            await self.kill_in_turn(2)

    def has_refused_more_than(self, number: int) -> bool:
        """Return whether more calls than that bought nothing."""
        return len(self.refused) > number


@asynccontextmanager
async def open_chaos(servers: Servers, ledger: ServedLedger) -> AsyncGenerator[Chaos, None]:
    """Run a simulator, and two servers behind a proxy."""
    seed = SystemRandom().getrandbits(32)
    sys.stdout.write(f"seed {seed}\n")  # pytest shows it where the test fails
    async with running(Behaviour(workers=50, images="never", balance_usd=1e6)) as simulator:
        shared = {
            "SEEDANCE_STATE_KEY": KEY,
            "SEEDANCE_MAX_JOBS_PER_HOUR": "100000",
            **ledger.variables,
        }
        env = account(simulator, ledger.folder, **shared)
        async with open_replicas(servers, {"first": env, "second": env}) as replicas:
            yield Chaos(replicas=replicas, ledger=ledger, simulator=simulator, random=Random(seed))


async def run(chaos: Chaos, trouble: Callable[[], Awaitable[None]]) -> None:
    """Let agents buy while there is trouble, and until all that they began is answered."""
    async with anyio.create_task_group() as tasks:
        for number in range(AGENTS):
            tasks.start_soon(chaos.buy_until_over, f"agent {number}")
        await trouble()
        chaos.over = True


async def audit(chaos: Chaos, records: list[dict[str, Any]]) -> None:
    """Compare what agents were told, what the ledger has and what was paid for."""
    paid = {job.arguments["prompt"]: job.request_id for job in chaos.simulator.accepted}
    assert len(paid) == len(chaos.simulator.accepted), "paid twice"
    listed = {job["prompt"]: job["request_id"] for job in records if job["prompt"]}
    # An agent asked for the id, and the server that alone had it too was killed meanwhile.
    adopted = [job["request_id"] for job in records if not job["prompt"]]
    assert len(listed) + len(adopted) == len(records)
    assert listed.keys() == chaos.told.keys()
    assert {job["status"] for job in records if not job["request_id"]} <= {"unknown"}
    nameless = {prompt for prompt, request_id in listed.items() if request_id is None}
    assert {prompt: listed[prompt] for prompt in listed.keys() - nameless} == {
        prompt: paid[prompt] for prompt in listed.keys() - nameless
    }
    assert paid.keys() <= listed.keys()
    assert set(adopted) <= {paid.get(prompt) for prompt in nameless}
    for prompt, request_id in chaos.told.items():
        assert request_id in {paid.get(prompt), None}


async def jobs(servers: Servers, env: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the jobs that the command lists."""
    done = await servers.command(["jobs", "--limit", "10000", "--json"], env)
    assert done.returncode == 0, done.stderr
    records: list[dict[str, Any]] = json.loads(done.stdout)["jobs"]
    return records


@pytest.mark.stress
async def test_servers_that_are_killed_again_and_again_lose_no_job_and_pay_for_none_twice(
    ledger_rounds: int, servers: Servers, ledger: ServedLedger
) -> None:
    async with open_chaos(servers, ledger) as chaos:
        await run(chaos, partial(chaos.kill_in_turn, 2 * ledger_rounds))
        await audit(chaos, await jobs(servers, chaos.replicas.envs["first"]))
        assert chaos.replicas.stderr == b""


@pytest.mark.stress
async def test_a_database_that_is_stopped_and_killed_midway_loses_no_job_and_none_is_paid_twice(
    rounds: int, servers: Servers, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with postgres_ledgers(postgres_server, tmp_path, "ledger") as ledger:
        async with open_chaos(servers, ledger) as chaos:
            await run(chaos, partial(chaos.restart_in_turn, postgres_server, 1 + rounds // 6))
            await audit(chaos, await jobs(servers, chaos.replicas.envs["first"]))
            assert {line.partition(":")[0] for line in chaos.refused} == {
                "The ledger's database cannot be reached"
            }
            assert b"Traceback" not in chaos.replicas.stderr
