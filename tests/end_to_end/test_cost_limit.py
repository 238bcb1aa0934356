"""`SEEDANCE_MAX_COST_USD_PER_DAY`: the most that 24 hours may cost, checked before submitting."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import CallToolResult

from seedance_mcp.ledger.sqlite._migrations import APPLICATION_ID, MIGRATIONS
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import Simulator
from tests.support.client import ToolClient, open_client, structured, text
from tests.support.restarting_server import generate, open_server, run_simulator
from tests.support.wording import (
    COST_LIMIT_UNUSABLE,
    JOBS_LIMIT_REACHED,
    allowed_from,
    cost_limit_exceeded,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

DAY = 24 * 3600
NO_PRICE = (
    f"{COST_LIMIT_UNUSABLE} RunComfy's catalogue has no usable price for"
    " bytedance/seedance-1-0/lite/image-to-video; try again later, or ask the user to unset"
    " it. Nothing was charged."
)


def posts(simulator: Simulator) -> int:
    """Count the requests that could have cost money."""
    return sum(seen.route == "submit" for seen in simulator.requests)


async def bought(client: ToolClient, number: int, **arguments: Any) -> str:
    """Buy a clip with a prompt of its own without waiting for it, and return its request_id."""
    made = await client.generate(prompt=f"Clip {number}.", wait_seconds=0, **arguments)
    assert not made.is_error
    return structured(made)["request_id"]


def refused(result: CallToolResult) -> str:
    """Return the one line of an answer that must be an error."""
    assert (result.is_error, result.structured_content) == (True, None)
    return text(result)


async def test_a_job_that_would_exceed_the_limit_is_rejected_until_enough_is_a_day_old() -> None:
    # As floats, three times 0.2 is more than 0.6.
    async with open_client(Behaviour(run_seconds=10**6), max_cost_usd_per_day="0.6") as client:
        for number in range(3):
            await bought(client, number)
            await anyio.sleep(600)
        over = await client.generate(wait_seconds=0)
        assert refused(over) == cost_limit_exceeded(
            "0.6", "0.6", "0.2", allowed_from("2026-01-02 00:00:00")
        )
        twice = await client.generate(duration=10, wait_seconds=0)
        assert refused(twice) == cost_limit_exceeded(
            "0.6", "0.6", "0.4", allowed_from("2026-01-02 00:10:00")
        )
        assert posts(client.simulator) == 3
        await anyio.sleep(DAY - 1 - anyio.current_time())
        assert (await client.generate(wait_seconds=0)).is_error
        await anyio.sleep(1)
        await bought(client, 4)
        assert refused(await client.generate()) == cost_limit_exceeded(
            "0.6", "0.6", "0.2", allowed_from("2026-01-02 00:10:00")
        )
        assert posts(client.simulator) == 4


async def test_a_clip_that_alone_exceeds_the_limit_is_never_bought() -> None:
    async with open_client(max_cost_usd_per_day="0.3") as client:
        await bought(client, 1)
        over = await client.generate(duration=10)
        assert refused(over) == cost_limit_exceeded(
            "0.3", "0.2", "0.4", "this clip alone exceeds it"
        )


async def test_a_job_counts_with_its_cost_as_soon_as_that_is_known() -> None:
    async with open_client(Behaviour(run_seconds=10), max_cost_usd_per_day="1") as client:
        await bought(client, 0)
        client.simulator.behaviour.price_usd = 0.18
        dear = await bought(client, 1)
        assert (
            structured(await client.call("check_status", request_id=dear))["status"] == "completed"
        )
        assert refused(await client.generate()) == cost_limit_exceeded(
            "1", "1.1", "0.2", allowed_from("2026-01-02 00:00:00")
        )


async def test_cancelled_and_rejected_jobs_do_not_count_but_failed_and_unknown_ones_do() -> None:
    async with open_client(
        Behaviour(run_seconds=100, outcome="fail", cost="absent"), max_cost_usd_per_day="0.6"
    ) as client:
        failed = await bought(client, 0)
        await client.call("cancel_job", request_id=await bought(client, 1))
        client.simulator.faults.append(Fault.answer("submit", 422))
        assert (await client.generate()).is_error
        client.simulator.faults.append(Fault.drop("submit", after=True))
        assert (
            structured(await client.generate(prompt="Lost.", wait_seconds=0))["status"] == "unknown"
        )
        ended = await client.call("check_status", request_id=failed, wait_seconds=200)
        assert structured(ended)["status"] == "failed"
        await bought(client, 2)
        assert refused(await client.generate()) == cost_limit_exceeded(
            "0.6", "0.6", "0.2", allowed_from("2026-01-02 00:00:00")
        )


async def test_a_job_whose_cost_is_zero_at_first_counts_with_its_estimate() -> None:
    async with open_client(Behaviour(run_seconds=1), max_cost_usd_per_day="0.5") as client:
        await bought(client, 0)
        client.simulator.behaviour.price_usd = 0.0
        free = await bought(client, 1)
        await client.call("check_status", request_id=free)
        result = structured(await client.call("get_result", request_id=free))
        assert (result["status"], result["cost_usd"]) == ("completed", 0)
        assert refused(await client.generate()) == cost_limit_exceeded(
            "0.5", "0.4", "0.2", allowed_from("2026-01-02 00:00:00")
        )


@pytest.mark.parametrize(
    ("limit", "line"),
    [
        ({"max_jobs_per_hour": 2}, f"{JOBS_LIMIT_REACHED} 2 jobs were started within the hour;"),
        ({"max_cost_usd_per_day": "0.4"}, "SEEDANCE_MAX_COST_USD_PER_DAY is 0.4: the jobs"),
    ],
    ids=["jobs", "cost"],
)
async def test_every_paid_request_counts_even_if_all_are_answered_with_the_same_id(
    limit: dict[str, Any], line: str
) -> None:
    same = b'{"request_id": "the-same-id"}'
    async with open_client(Behaviour(run_seconds=10**6), **limit) as client:
        client.simulator.faults.append(Fault.answer("submit", 200, body=same, times=9))
        made = [await client.generate(prompt=f"Clip {n}.", wait_seconds=0) for n in range(4)]
        jobs = [structured(result) for result in made[:2]]
        assert [(job["request_id"], job["status"]) for job in jobs] == [
            ("the-same-id", "in_queue"),
            (None, "unknown"),
        ]
        assert [refused(result).startswith(line) for result in made[2:]] == [True, True]
        assert posts(client.simulator) == 2


@pytest.mark.parametrize(
    "form",
    [{"price_form": "string"}, {"price_form": "absent"}, {"price_unit": "token"}],
    ids=str,
)
async def test_with_a_limit_a_price_in_an_unknown_form_buys_nothing(form: dict[str, Any]) -> None:
    async with open_client(Behaviour(**form), max_cost_usd_per_day="100") as client:
        for _ in range(2):
            assert refused(await client.generate()) == NO_PRICE
        assert [seen.route for seen in client.simulator.requests] == ["catalogue"]
        assert anyio.current_time() == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(("wait_seconds", "patience"), [(0, 5), (45, 5), (2, 2)])
async def test_with_a_limit_a_call_waits_seconds_for_the_price_and_the_next_requests_it_again(
    wait_seconds: int, patience: int
) -> None:
    async with open_client(max_cost_usd_per_day="100") as client:
        client.simulator.faults.append(Fault.delay("catalogue", 10_000, times=9))
        assert refused(await client.generate(wait_seconds=wait_seconds)) == NO_PRICE
        assert anyio.current_time() == pytest.approx(patience, abs=0.1)
        await anyio.sleep(120)
        assert posts(client.simulator) == 0
        client.simulator.faults.clear()
        made = await client.generate(wait_seconds=wait_seconds)
        assert structured(made)["estimated_cost_usd"] == 0.2


async def test_calls_that_wait_for_a_price_together_request_it_once() -> None:
    async with open_client(Behaviour(workers=9), max_cost_usd_per_day="100") as client:
        client.simulator.faults.append(Fault.delay("catalogue", 3))
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(bought, client, number)
        assert (posts(client.simulator), anyio.current_time() < 3.1) == (5, True)
        assert [seen.route for seen in client.simulator.requests].count("catalogue") == 1


async def test_a_price_that_comes_in_time_buys_the_clip() -> None:
    async with open_client(max_cost_usd_per_day="0.2") as client:
        client.simulator.faults.append(Fault.delay("catalogue", 3))
        made = await client.generate(wait_seconds=0)
        assert anyio.current_time() == pytest.approx(3, abs=0.1)
        assert structured(made)["estimated_cost_usd"] == 0.2
        assert refused(await client.generate(prompt="Another.")) == cost_limit_exceeded(
            "0.2", "0.2", "0.2", allowed_from("2026-01-02 00:00:03")
        )


async def test_a_repeated_call_gets_its_job_over_the_limit_and_without_a_price(
    tmp_path: Path,
) -> None:
    async with run_simulator(run_seconds=60) as simulator:
        async with open_server(simulator, tmp_path) as client:
            with anyio.move_on_after(3):
                await generate(client)
        simulator.faults.append(Fault.answer("catalogue", 500, times=9))
        async with open_server(simulator, tmp_path, max_cost_usd_per_day="0.1") as client:
            again = await generate(client, wait_seconds=100)
        assert (structured(again)["status"], structured(again)["reused"]) == ("completed", True)
        assert posts(simulator) == 1


async def test_the_limit_holds_over_servers_restarts_and_force_new(tmp_path: Path) -> None:
    async with run_simulator(run_seconds=60, workers=9) as simulator:
        for number in range(2):
            async with _limited(simulator, tmp_path) as client:
                await generate(client, prompt=f"Clip {number}.", force_new=True)
        async with _limited(simulator, tmp_path) as client:
            assert "SEEDANCE_MAX_COST_USD_PER_DAY is 0.4: " in refused(
                await generate(client, force_new=True)
            )
        assert posts(simulator) == 2


@pytest.mark.parametrize("older", [False, True])
async def test_a_job_without_an_estimate_counts_with_the_current_price(
    *, older: bool, tmp_path: Path
) -> None:
    async with run_simulator(run_seconds=10**6) as simulator:
        simulator.faults.append(Fault.answer("catalogue", 500))
        async with open_server(simulator, tmp_path) as client:
            await generate(client, duration=10, wait_seconds=0)
        if older:
            _make_older(tmp_path / "ledger.db")
        async with _limited(simulator, tmp_path) as client:
            assert refused(await generate(client, prompt="Another.")) == cost_limit_exceeded(
                "0.4", "0.4", "0.2", allowed_from("2026-01-02 00:00:00")
            )


async def test_a_job_without_any_price_stops_buying_until_its_cost_is_known(
    tmp_path: Path,
) -> None:
    async with run_simulator(cost_lag=2) as simulator:
        simulator.faults.append(Fault.answer("catalogue", 500))
        async with open_server(simulator, tmp_path) as client:
            request_id = structured(await generate(client))["request_id"]
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger, ledger:
            ledger.execute("UPDATE jobs SET model_id = 'someone/another-model'")
        async with _limited(simulator, tmp_path) as client:
            line = refused(await generate(client, prompt="Another."))
            assert line == (
                f"{COST_LIMIT_UNUSABLE} the cost of the job of 2026-01-01 00:00:00 UTC is"
                f" unknown; call get_result with request_id {request_id} to read it, or ask"
                " the user to unset it. Nothing was charged."
            )
            for _ in range(2):
                await client.call_tool("get_result", {"request_id": request_id})
            assert not (await generate(client, prompt="Another.")).is_error


def _limited(simulator: Simulator, folder: Path) -> Any:
    """Open a server with room for two clips a day."""
    return open_server(simulator, folder, max_cost_usd_per_day="0.4")


def _make_older(ledger: Path) -> None:
    """Write a ledger of the version before estimates."""
    newer = ledger.rename(ledger.with_name("newer.db"))
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        for statement in (*MIGRATIONS[0], *MIGRATIONS[1]):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 2")
        connection.execute("ATTACH ? AS newer", (os.fsencode(newer),))
        rows = connection.execute("PRAGMA main.table_info(jobs)")
        columns: list[str] = [row[1] for row in rows]
        renamed = {"owner": "token_hash", "delivered": "acknowledged_by != '[]'"}
        values = ", ".join(renamed.get(column, column) for column in columns)
        connection.execute(f"INSERT INTO jobs SELECT {values} FROM newer.jobs")
        connection.execute("INSERT INTO secret SELECT key FROM newer.secret")
