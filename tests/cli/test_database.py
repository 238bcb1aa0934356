"""The commands that read, on a ledger in PostgreSQL: they show what `list_jobs` lists."""

import json
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS
from tests.support.postgres import PostgresServer
from tests.support.server_process import MODERN_META, Pipes, Servers, account
from tests.support.timeouts import NEVER_SECONDS, wait_until

pytestmark = pytest.mark.anyio


async def call(pipes: Pipes, number: int, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool, and return what it says."""
    params = {"name": tool, "arguments": arguments, "_meta": MODERN_META}
    answer = await pipes.request(number, "tools/call", params)
    return answer["result"]["structuredContent"]


async def test_commands_show_what_list_jobs_lists_and_write_nothing(
    servers: Servers, tmp_path: Path, postgres_server: PostgresServer, database_url: str
) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]

    def written() -> list[Any]:
        tables = ("jobs", "events", "processes", "locks", "secret", "version")
        queries = [f"SELECT * FROM seedance.{table} ORDER BY 1" for table in tables]
        return [postgres_server.execute(query, name) for query in queries]

    async with running(Behaviour(images="never", queue_seconds=NEVER_SECONDS)) as simulator:
        env = account(simulator, tmp_path, SEEDANCE_DATABASE_URL=database_url)
        async with servers.stdio(env) as pipes:
            for number, prompt in enumerate(("Mist.", "Rain.")):
                given = ARGUMENTS | {"prompt": prompt, "wait_seconds": 0}
                await call(pipes, number, "generate_video", **given)
            simulator.faults.append(Fault.delay("submit", NEVER_SECONDS))
            await pipes.send(
                id=7,
                method="tools/call",
                params={
                    "name": "generate_video",
                    "arguments": ARGUMENTS | {"prompt": "Snow.", "wait_seconds": 0},
                    "_meta": MODERN_META,
                },
            )
            await wait_until(
                lambda: [seen.route for seen in simulator.requests].count("submit") > 2
            )
            pipes.process.kill()
            await pipes.process.wait()
        # As if half a minute had passed.
        postgres_server.execute("DELETE FROM seedance.processes", name)
        before = written()
        listed = await servers.command(["jobs", "--json"], env)
        shown = await servers.command(["jobs", "show", simulator.accepted[0].request_id[:9]], env)
        examined = await servers.command(["doctor", "--json"], env)
        assert written() == before
        async with servers.stdio(env) as pipes:
            told = await call(pipes, 0, "list_jobs")
    printed = json.loads(listed.stdout)
    assert [(job["request_id"], job["status"], job["prompt"]) for job in printed["jobs"]] == [
        (job["request_id"], job["status"], job["prompt"]) for job in told["jobs"]
    ]
    assert [job["status"] for job in printed["jobs"]] == ["unknown", "in_queue", "in_queue"]
    assert (printed["total"], printed["today"]["usd"]) == (told["total"], told["spent_24h_usd"])
    assert shown.returncode == 0
    assert b"Mist." in shown.stdout
    found = {each["check"]: each for each in json.loads(examined.stdout)["checks"]}
    assert found["ledger"]["message"] == "It is sound, with 3 jobs: 1 unknown, 2 in_queue."
    assert found["jobs"]["state"] == "warning"
    assert "Snow." in found["jobs"]["message"]


@pytest.mark.stress
async def test_a_command_says_that_the_database_is_away_without_its_password(
    servers: Servers, tmp_path: Path
) -> None:
    async with running(Behaviour()) as simulator:
        url = "postgresql://someone:hidden-secret@/x?host=/nowhere"
        env = account(simulator, tmp_path, SEEDANCE_DATABASE_URL=url)
        done = await servers.command(["jobs"], env)
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        b"",
        b"seedance-mcp: The ledger's database cannot be reached: no server listens there.\n",
    )
