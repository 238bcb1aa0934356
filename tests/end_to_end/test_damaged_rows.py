"""One damaged row of the ledger: it ends neither the server nor a call, and list_jobs names it."""

import sqlite3
from contextlib import closing
from math import inf
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from seedance_mcp.ledger.sqlite._processes import LiveProcesses
from seedance_mcp.simulator.faults import Fault
from tests.support.client import structured, text
from tests.support.restarting_server import generate, list_jobs, open_server, run_simulator
from tests.support.virtual_time import virtual_now

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

DAMAGES: list[tuple[str, Any]] = [
    ("arguments", "{"),
    ("arguments", "[]"),
    ("arguments", b"\xff\x00"),
    ("created_at", "zzz"),
    ("created_at", 5),
    ("created_at", ""),
    ("videos", '{"a": 1}'),
    ("images", "[1]"),
    ("saved_to", ""),
    ("cost_usd", "much"),
    ("cost_usd", inf),
    ("cost_usd", -inf),
    ("queue_position", "first"),
    ("model_id", b"\xff"),
    ("acknowledged_by", "{"),
]


def damage(folder: Path, column: str, value: Any, *, where: str = "true") -> None:
    """Write something into a column that no server writes."""
    with closing(sqlite3.connect(folder / "ledger.db")) as ledger:
        ledger.execute(f"UPDATE jobs SET {column} = ? WHERE {where}", (value,))
        ledger.commit()


DATES = [
    "",
    "0",
    b"",
    "1777636800",
    "{:%Y-%m-%d}",
    "{:%Y-%m-%d %H:%M:%S}",
    "{:%Y%m%dT%H%M%S}Z",
    "{:%Y-%m-%dT%H:%M:%S}",
    "{:%Y-%m-%dT00:%M:%S.%f}+00:00x",
    "{:%Y-%m-%dT%H:%M:%S.%f}+12:00",
    "{:%Y-%m-%dT%H:%M:%S.%f}-12:00",
    " {:%Y-%m-%dT%H:%M:%S.%f}+00:00",
    "{:%Y-00-%dT%H:%M:%S.%f}+00:00",
    "{:%Y-19-%dT%H:%M:%S.%f}+00:00",
    "2O{:%y-%m-%dT%H:%M:%S.%f}+00:00",
]
"""Forms of the time in which no server writes one."""


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
        async with open_server(simulator, tmp_path, max_cost_usd_per_day=9) as client:
            damaged = structured(await generate(client, prompt="One."))["request_id"]
            with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger:
                (row,) = ledger.execute("SELECT id FROM jobs").fetchone()
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
            # The damaged row stays, and counts for the limits.
            assert f"1 row ({row})" in listing["next_step"]


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


async def _damage_under_way(
    folder: Path, one: Client, other: Client, how: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Damage the ledger while one window sends a request and the other waits for its answer."""
    told = dict[str, dict[str, Any]]()

    async def call(name: str, client: Client) -> None:
        result = await generate(client, wait_seconds=0)
        told[name] = structured(result) or {"error": text(result)}

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, "one", one)
        await anyio.sleep(1)
        tasks.start_soon(call, "other", other)
        await anyio.sleep(1)
        if how == "moved":
            (folder / "ledger.db").rename(folder / "old.db")
        else:
            damage(folder, "arguments", "{")
    return told["one"], told["other"]


@pytest.mark.parametrize("how", ["damaged", "moved"])
async def test_a_lost_row_does_not_pass_for_a_refusal_in_the_window_that_waits(
    how: str, tmp_path: Path
) -> None:
    async with (
        run_simulator(run_seconds=30) as simulator,
        open_server(simulator, tmp_path) as one,
        open_server(simulator, tmp_path) as other,
    ):
        simulator.faults.append(Fault.delay("submit", 5, after=True))
        told, waited = await _damage_under_way(tmp_path, one, other, how)
        (bought,) = simulator.accepted
        assert (told["request_id"], told["reused"]) == (bought.request_id, False)
        assert (waited["request_id"], waited["reused"]) == (bought.request_id, True)


async def test_a_row_that_stays_lost_has_an_unknown_outcome(tmp_path: Path) -> None:
    async with (
        run_simulator() as simulator,
        open_server(simulator, tmp_path) as one,
        open_server(simulator, tmp_path) as other,
    ):
        simulator.faults.append(Fault.delay("submit", 5, after=True))
        with anyio.move_on_after(0.5):
            await generate(one, prompt="Another.", wait_seconds=0)
        with (
            closing(LiveProcesses(tmp_path / "processes", 7)) as hung,
            closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger,
        ):
            simulator.faults.clear()
            await anyio.sleep(10)
            ledger.execute(
                "UPDATE jobs SET status = 'submitting', request_id = NULL, process = ?",
                (hung.process,),
            )
            ledger.commit()
            told: list[dict[str, Any]] = []

            async def call() -> None:
                result = await generate(other, prompt="Another.", wait_seconds=0)
                told.append(structured(result) or {"error": text(result)})

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await anyio.sleep(1)
                ledger.execute("DELETE FROM jobs")
                ledger.commit()
        assert told[0].get("status") == "unknown", told
        assert told[0]["next_step"].startswith("RunComfy may have accepted this request")
        assert len(simulator.accepted) == 1


@pytest.mark.parametrize(("column", "value"), DAMAGES)
async def test_an_identical_call_buys_nothing_while_its_row_is_damaged(
    column: str, value: Any, tmp_path: Path
) -> None:
    async with run_simulator() as simulator:
        async with open_server(simulator, tmp_path) as client:
            made = structured(await generate(client, wait_seconds=0))["request_id"]
        damage(tmp_path, column, value)
        async with open_server(simulator, tmp_path) as client:
            for _ in range(2):
                refused = await generate(client, wait_seconds=0)
                assert text(refused) == (
                    f"The same request is in a damaged row of the ledger ({made}), which list_jobs"
                    " names: its clip may be paid for. force_new buys another."
                    " Nothing was charged."
                )
                assert refused.is_error
            another = structured(await generate(client, wait_seconds=0, force_new=True))
            assert [job.request_id for job in simulator.accepted] == [made, another["request_id"]]


@pytest.mark.parametrize(("column", "value"), DAMAGES)
@pytest.mark.parametrize("asked", [False, True])
async def test_a_damaged_row_counts_for_both_limits(
    column: str, value: Any, *, asked: bool, tmp_path: Path
) -> None:
    async with run_simulator(run_seconds=5) as simulator:
        async with open_server(simulator, tmp_path, max_cost_usd_per_day=9) as client:
            made = structured(await generate(client))["request_id"]
        damage(tmp_path, column, value)
        async with open_server(simulator, tmp_path, max_cost_usd_per_day=0.3) as client:
            if asked:
                await client.call_tool("check_status", {"request_id": made})
            refused = await generate(client, prompt="Two.")
            assert text(refused).startswith("SEEDANCE_MAX_COST_USD_PER_DAY"), text(refused)
        async with open_server(simulator, tmp_path, max_jobs_per_hour=1) as client:
            refused = await generate(client, prompt="Two.")
            assert text(refused).startswith("SEEDANCE_MAX_JOBS_PER_HOUR"), text(refused)
        assert len(simulator.accepted) == 1


@pytest.mark.parametrize("form", DATES)
async def test_a_job_with_a_date_of_another_form_counts_from_its_last_change(
    form: Any, tmp_path: Path
) -> None:
    async with run_simulator(run_seconds=5) as simulator:
        async with open_server(simulator, tmp_path) as client:
            await generate(client)
        date = form.format(virtual_now()) if isinstance(form, str) else form
        damage(tmp_path, "created_at", date)
        async with open_server(simulator, tmp_path, max_cost_usd_per_day=0.3) as client:
            refused = await generate(client, prompt="Two.")
            assert text(refused).startswith("SEEDANCE_MAX_COST_USD_PER_DAY"), text(refused)
        async with open_server(simulator, tmp_path, max_jobs_per_hour=1) as client:
            refused = await generate(client, prompt="Two.")
            assert text(refused).startswith("SEEDANCE_MAX_JOBS_PER_HOUR"), text(refused)
            await anyio.sleep(3700)
            assert not (await generate(client, prompt="Two.")).is_error
        assert len(simulator.accepted) == 2


@pytest.mark.parametrize("value", [None, "", "a b", "a/../b", "r\n", "x" * 129, b"a b"])
async def test_an_open_job_whose_id_is_damaged_is_named_and_breaks_no_list(
    value: Any, tmp_path: Path
) -> None:
    async with run_simulator(run_seconds=600) as simulator:
        async with open_server(simulator, tmp_path) as client:
            damaged = structured(await generate(client, prompt="One."))["request_id"]
            other = structured(await generate(client, prompt="Two."))["request_id"]
            with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger:
                query = "SELECT id FROM jobs WHERE request_id = ?"
                (row,) = ledger.execute(query, (damaged,)).fetchone()
            damage(tmp_path, "request_id", value, where=f"id = '{row}'")
            told = structured(await client.call_tool("list_jobs", {}))
            assert [job["request_id"] for job in told["jobs"]] == [other]
            assert told["next_step"].startswith(
                f"Damaged in the ledger and left out here: 1 row ({row}). "
            )
            refused = await generate(client, prompt="One.", wait_seconds=0)
            assert f"in a damaged row of the ledger ({row})" in text(refused)
        assert len(simulator.accepted) == 2


async def test_a_list_of_nothing_but_damaged_rows_does_not_advise_to_buy(tmp_path: Path) -> None:
    async with run_simulator() as simulator, open_server(simulator, tmp_path) as client:
        made = structured(await generate(client, wait_seconds=0))["request_id"]
        damage(tmp_path, "images", "x")
        told = structured(await client.call_tool("list_jobs", {}))
        assert (told["jobs"], told["next_step"]) == (
            [],
            (
                f"Damaged in the ledger and left out here: 1 row ({made}). No other jobs match;"
                " ask the user to look for the clips in their RunComfy account before another is"
                " bought."
            ),
        )
