"""The command `seedance-mcp ledger move`: from SQLite to PostgreSQL, all of it or nothing."""

import json
import sqlite3
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.client import ARGUMENTS
from tests.support.postgres import PostgresServer
from tests.support.server_process import MODERN_META, Pipes, Servers, account
from tests.support.small_clip import render_small_clip
from tests.support.timeouts import wait_until

pytestmark = pytest.mark.anyio

AFTER = (
    "{path} stays as it is. From now on, every server needs\n"
    "SEEDANCE_DATABASE_URL: one without it would go on with the old ledger, and pay again.\n"
)


@asynccontextmanager
async def simulated(folder: Path) -> AsyncGenerator[tuple[Simulator, dict[str, str]], None]:
    """Yield a simulator, and the environment of a server without a database."""
    behaviour = Behaviour(images="never", workers=3)
    async with running(behaviour, render=render_small_clip) as simulator:
        yield simulator, account(simulator, folder)


async def call(pipes: Pipes, number: int, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool, and return what it says."""
    params = {"name": tool, "arguments": arguments, "_meta": MODERN_META}
    answer = await pipes.request(number, "tools/call", params)
    return answer["result"]["structuredContent"]


async def buy(
    servers: Servers, env: dict[str, str], *prompts: str, wait: int = 0
) -> list[dict[str, Any]]:
    """Buy a clip for each prompt, as one client does, and return what its calls were answered."""
    async with servers.stdio(env) as pipes:
        jobs: list[dict[str, Any]] = []
        for number, prompt in enumerate(prompts):
            given = ARGUMENTS | {"prompt": prompt, "wait_seconds": wait}
            jobs.append(await call(pipes, number, "generate_video", **given))
        await pipes.stdin.aclose()
        await pipes.process.wait()
    return jobs


async def run(servers: Servers, env: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """Run the command, and return its exit code and what it printed to stdout and to stderr."""
    done = await servers.command(arguments, env)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def refused(message: str) -> tuple[int, str, str]:
    """Return what a refused command ends with."""
    return 1, "", f"seedance-mcp: {message}\n"


async def read(servers: Servers, env: dict[str, str], *ids: str) -> list[Any]:
    """Return what the command says of all jobs, and of those with an id."""
    asked = [
        ("jobs", "--limit", "100", "--json"),
        *(("jobs", "show", each, "--json") for each in ids),
    ]
    answers = [await run(servers, env, *arguments) for arguments in asked]
    assert [(code, stderr) for code, _, stderr in answers] == [(0, "")] * len(answers)
    return [json.loads(stdout) for _, stdout, _ in answers]


@pytest.mark.stress
async def test_a_moved_ledger_has_the_same_jobs_and_owes_the_same_calls(
    servers: Servers, tmp_path: Path, database_url: str
) -> None:
    async with simulated(tmp_path) as (simulator, env):
        bought = await buy(servers, env, "Mist.", "Rain.", wait=60)
        ids = [job["request_id"] for job in bought]
        moved = env | {"SEEDANCE_DATABASE_URL": database_url}
        before = await read(servers, env, *ids)
        events = sum(len(shown["events"]) for shown in before[1:])
        path = tmp_path / "state" / "ledger.db"
        old = path.read_bytes()

        assert await run(servers, moved, "ledger", "move") == (
            0,
            "Moved 2 jobs (2 completed),\n"
            f"{events} events and 0.40 USD of known costs;\n"
            "every row and the key of the hashes were read back and are the same.\n"
            + AFTER.format(path=path),
            "",
        )
        assert path.read_bytes() == old
        assert await read(servers, moved, *ids) == before
        again = await buy(servers, moved, "Mist.", "Snow.")
        assert [(job["request_id"], job["reused"]) for job in again] == [
            (ids[0], True),
            (simulator.accepted[2].request_id, False),
        ]
        assert await run(servers, moved, "ledger", "move") == (
            0,
            f"All 2 jobs of {path} are in the database already.\n" + AFTER.format(path=path),
            "",
        )
        assert len((await read(servers, moved))[0]["jobs"]) == 3


async def test_a_ledger_is_not_moved_while_a_server_uses_it(
    servers: Servers, tmp_path: Path, database_url: str
) -> None:
    async with simulated(tmp_path) as (_, env):
        moved = env | {"SEEDANCE_DATABASE_URL": database_url}
        async with servers.stdio(env) as pipes:
            await call(pipes, 0, "list_jobs")
            assert await run(servers, moved, "ledger", "move") == refused(
                f"A server still uses the ledger {tmp_path}/state/ledger.db: close every window"
                " that uses it, then try again."
            )
            pipes.process.kill()
            await pipes.process.wait()
        assert (await run(servers, moved, "ledger", "move"))[0] == 0


@pytest.mark.stress
async def test_a_ledger_is_not_moved_into_one_that_has_other_jobs(
    servers: Servers, tmp_path: Path, database_url: str
) -> None:
    async with simulated(tmp_path) as (simulator, env):
        await buy(servers, env, "Mist.")
        moved = env | {"SEEDANCE_DATABASE_URL": database_url}
        elsewhere = moved | {"SEEDANCE_STATE_DIR": str(tmp_path / "elsewhere")}
        await buy(servers, elsewhere, "Rain.")
        assert await run(servers, moved, "ledger", "move") == refused(
            "The database already has a ledger with other jobs, which cannot be merged: name an"
            " empty database in SEEDANCE_DATABASE_URL."
        )
        (listed,) = await read(servers, moved)
        assert [job["prompt"] for job in listed["jobs"]] == ["Rain."]
        assert len(simulator.accepted) == 2


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {},
            "SEEDANCE_DATABASE_URL must be set to the database to which the ledger moves.",
        ),
        (
            {"SEEDANCE_DATABASE_URL": "postgresql://u:secret@/db?host=/nowhere"},
            "There is no ledger to move: {path} does not exist.",
        ),
    ],
)
async def test_a_move_without_a_ledger_or_a_database_says_what_is_missing(
    servers: Servers, tmp_path: Path, variables: dict[str, str], message: str
) -> None:
    async with simulated(tmp_path) as (_, env):
        path = tmp_path / "state" / "ledger.db"
        expected = refused(message.format(path=path))
        assert await run(servers, env | variables, "ledger", "move") == expected


@pytest.mark.stress
async def test_a_move_to_a_database_that_is_away_says_so_without_its_password(
    servers: Servers, tmp_path: Path
) -> None:
    async with simulated(tmp_path) as (_, env):
        await buy(servers, env, "Mist.")
        away = {"SEEDANCE_DATABASE_URL": "postgresql://u:secret@/db?host=/nowhere"}
        assert await run(servers, env | away, "ledger", "move") == refused(
            "The ledger's database cannot be reached: no server listens there."
        )


@pytest.mark.stress
async def test_a_damaged_row_is_named_and_all_others_are_moved(
    servers: Servers, tmp_path: Path, database_url: str
) -> None:
    async with simulated(tmp_path) as (_, env):
        bought = await buy(servers, env, "Mist.", "Rain.")
        path = tmp_path / "state" / "ledger.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            damaged = bought[0]["request_id"]
            connection.execute("UPDATE jobs SET files = '{' WHERE request_id = ?", (damaged,))
        moved = env | {"SEEDANCE_DATABASE_URL": database_url}
        shown = (await read(servers, env, bought[1]["request_id"]))[1]
        code, stdout, _ = await run(servers, moved, "ledger", "move")
        assert (code, stdout) == (
            0,
            "Moved 1 job (1 in_queue),\n"
            f"{len(shown['events'])} events and 0.00 USD of known costs;\n"
            "every row and the key of the hashes were read back and are the same.\n"
            f"Damaged, so not moved: {damaged}.\n"
            "Look for these jobs in your RunComfy account: they may be paid for.\n"
            + AFTER.format(path=path),
        )
        (listed,) = await read(servers, moved)
        assert [job["request_id"] for job in listed["jobs"]] == [bought[1]["request_id"]]


@pytest.mark.skipif(sys.platform == "win32", reason="it is killed")
async def test_a_move_that_is_killed_leaves_nothing_and_can_be_repeated(
    servers: Servers, tmp_path: Path, postgres_server: PostgresServer, database_url: str
) -> None:
    from psycopg import connect

    from seedance_mcp.ledger.postgres._migrations import migrate

    async with simulated(tmp_path) as (_, env):
        await buy(servers, env, "Mist.", "Rain.")
        moved = env | {"SEEDANCE_DATABASE_URL": database_url}
        with connect(database_url) as other:
            migrate(other)
            other.commit()
            # It waits for this when it has written the jobs.
            other.execute("LOCK TABLE seedance.events IN EXCLUSIVE MODE")
            async with servers.start(["ledger", "move"], moved, stderr=PIPE) as process:
                await wait_until(
                    lambda: bool(
                        postgres_server.execute(
                            "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                        )
                    )
                )
                process.kill()
                await process.wait()
        (listed,) = await read(servers, moved)
        assert listed["jobs"] == []
        assert (await run(servers, moved, "ledger", "move"))[1].startswith("Moved 2 jobs")
