"""One damaged row of the ledger: it ends neither the server nor a call, and list_jobs names it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator.faults import Fault
from tests.support.client import structured, text
from tests.support.restarting_server import generate, list_jobs, open_server, run_simulator

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

DAMAGES: list[tuple[str, Any]] = [
    ("arguments", "{"),
    ("arguments", "[]"),
    ("arguments", b"\xff\x00"),
    ("created_at", "zzz"),
    ("created_at", 5),
    ("videos", '{"a": 1}'),
    ("images", "[1]"),
    ("saved_to", ""),
    ("cost_usd", "much"),
    ("queue_position", "first"),
    ("model_id", b"\xff"),
    ("acknowledged_by", "{"),
]


def damage(folder: Path, column: str, value: Any, *, where: str = "true") -> None:
    """Write something into a column that no server writes."""
    with closing(sqlite3.connect(folder / "ledger.db")) as ledger:
        ledger.execute(f"UPDATE jobs SET {column} = ? WHERE {where}", (value,))  # noqa: S608 - a test's
        ledger.commit()


@pytest.mark.parametrize(("column", "value"), DAMAGES)
async def test_a_row_damaged_before_the_answer_costs_neither_the_id_nor_another_call(
    column: str, value: Any, tmp_path: Path
) -> None:
    told: list[dict[str, Any]] = []
    async with (
        run_simulator(run_seconds=30) as simulator,
        open_server(simulator, tmp_path) as client,
    ):
        simulator.faults.append(Fault.delay("submit", 3))

        async def call(prompt: str, wait_seconds: int) -> None:
            made = await generate(client, prompt=prompt, wait_seconds=wait_seconds)
            told.append(structured(made))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, "One.", 5)
            await anyio.sleep(1)
            tasks.start_soon(call, "Two.", 50)
            damage(tmp_path, column, value, where="arguments LIKE '%One.%'")
        bought = {job.arguments["prompt"]: job.request_id for job in simulator.accepted}
        assert [one["request_id"] for one in told] == [bought["One."], bought["Two."]]
        assert told[1]["status"] == "completed"
        # What this process knows of the job has replaced the damaged row.
        listed = {job["prompt"]: job["request_id"] for job in await list_jobs(client)}
        assert listed == bought


@pytest.mark.parametrize(("column", "value"), DAMAGES)
async def test_a_damaged_row_is_named_by_list_jobs_and_can_still_be_asked_for(
    column: str, value: Any, tmp_path: Path
) -> None:
    async with run_simulator(run_seconds=5) as simulator:
        async with open_server(simulator, tmp_path) as client:
            damaged = structured(await generate(client, prompt="One."))["request_id"]
            other = structured(await generate(client, prompt="Two."))["request_id"]
        damage(tmp_path, column, value, where=f"request_id = '{damaged}'")
        async with open_server(simulator, tmp_path, max_cost_usd_per_day=9) as client:
            listing = await client.call_tool("list_jobs", {})
            told = structured(listing)
            assert [job["request_id"] for job in told["jobs"]] == [other]
            assert told["next_step"].startswith(
                f"Damaged in the ledger and left out here: 1 row ({damaged}). "
            )
            assert told["next_step"] in text(listing)
            # Another wish is bought, and the clip is found by its id.
            assert structured(await generate(client, prompt="Three."))["status"] == "completed"
            found = await client.call_tool("get_result", {"request_id": damaged})
            assert (found.is_error, structured(found)["status"]) == (False, "completed")
            listing = structured(await client.call_tool("list_jobs", {}))
            assert [job["request_id"] for job in listing["jobs"]].count(damaged) == 1
            assert "Damaged" not in listing["next_step"]


async def test_a_damaged_request_of_a_dead_process_leaves_the_folder_usable(tmp_path: Path) -> None:
    async with run_simulator(run_seconds=5) as simulator:
        async with open_server(simulator, tmp_path) as client:
            simulator.faults.append(Fault.drop("submit"))
            await generate(client, prompt="One.", wait_seconds=0)
        damage(tmp_path, "status", "submitting")
        damage(tmp_path, "arguments", "{")
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger:
            (row,) = ledger.execute("SELECT id FROM jobs").fetchone()
        async with open_server(simulator, tmp_path) as client:
            assert structured(await generate(client, prompt="Two."))["status"] == "completed"
            told = structured(await client.call_tool("list_jobs", {}))
            assert [job["prompt"] for job in told["jobs"]] == ["Two."]
            assert told["next_step"].startswith(
                f"Damaged in the ledger and left out here: 1 row ({row}). "
            )
