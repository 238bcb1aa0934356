"""A ledger of an older version, as a server of this one takes it over."""

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.file_locks import LockFile
from tests.support.client import ARGUMENTS, structured, text
from tests.support.older_ledger import older_ledger
from tests.support.restarting_server import generate, list_jobs, open_server, run_simulator
from tests.support.virtual_time import virtual_now

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

FULL = {"resolution": "480p", "duration": 5}


def insert(connection: sqlite3.Connection, number: int, **changes: Any) -> None:
    """Insert a job that was begun a minute ago by the first of two tokens."""
    at = (virtual_now() - timedelta(minutes=1)).isoformat(timespec="microseconds")
    row: dict[str, Any] = {
        "id": f"job-{number}",
        "request_id": f"r-{number}",
        "owner": "hash of token 1",
        "model_id": "bytedance/seedance-1-0/lite/image-to-video",
        "arguments": json.dumps(ARGUMENTS | FULL | {"prompt": f"Clip {number}."}),
        "fingerprint": "made with the hash of the token",
        "status": "in_progress",
        "created_at": at,
        "changed_at": at,
        "videos": "[]",
        "images": "[]",
        "delivered": 0,
        "process": "0" * 32,
    } | changes
    query = ["INSERT INTO jobs (", ", ".join(row), ") VALUES (:", ", :".join(row), ")"]
    connection.execute("".join(query), row)


async def test_the_jobs_of_every_token_become_those_of_the_configured_origin(
    tmp_path: Path,
) -> None:
    with older_ledger(tmp_path) as ledger:
        insert(ledger, 1)
        insert(ledger, 2, owner="hash of token 2", delivered=1)
        insert(ledger, 3, status="completed", videos='["https://a.example/3.mp4"]')
    async with run_simulator() as simulator:
        async with open_server(simulator, tmp_path, max_jobs_per_hour=4) as client:
            jobs = await list_jobs(client)
            assert {(job["request_id"], job["status"]) for job in jobs} == {
                ("r-1", "in_progress"),
                ("r-2", "in_progress"),
                ("r-3", "completed"),
            }
            for number, status in ((1, "in_progress"), (3, "completed")):
                again = structured(await generate(client, prompt=f"Clip {number}.", wait_seconds=0))
                given = again["request_id"], again["status"], again["reused"]
                assert given == (f"r-{number}", status, True)
            # What was delivered is acknowledged.
            second = structured(await generate(client, prompt="Clip 2.", wait_seconds=0))
            assert (second["request_id"], second["reused"]) == (
                simulator.accepted[0].request_id,
                False,
            )
            fifth = await generate(client, prompt="Clip 5.", wait_seconds=0)
            assert "4 jobs were started within the hour" in text(fifth)
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger:
            totals = ledger.execute("SELECT owner, status, jobs FROM totals ORDER BY 2").fetchall()
            began = ledger.execute("SELECT id, token_hash FROM jobs ORDER BY 1 LIMIT 3").fetchall()
        assert [row for row in totals if row[2]] == [
            (simulator.url, "completed", 1),
            (simulator.url, "in_progress", 2),
            (simulator.url, "in_queue", 1),
        ]
        assert dict(began).items() >= {
            ("job-1", "hash of token 1"),
            ("job-2", "hash of token 2"),
        }


@pytest.mark.parametrize("adopted_first", [False, True])
async def test_of_two_rows_with_one_id_the_one_that_knows_more_stays(
    *, adopted_first: bool, tmp_path: Path
) -> None:
    adopted = {"owner": "hash of token 2", "model_id": None, "arguments": "{}"}
    rows: list[dict[str, Any]] = [{}, adopted]
    with older_ledger(tmp_path) as ledger:
        for number, row in enumerate(reversed(rows) if adopted_first else rows):
            insert(ledger, number, **{"request_id": "r", "status": "completed"} | row)
    async with run_simulator() as simulator, open_server(simulator, tmp_path) as client:
        listing = structured(await client.call_tool("list_jobs", {}))
        (job,) = listing["jobs"]
        assert (listing["total"], job["request_id"]) == (1, "r")
        assert job["prompt"] == f"Clip {int(adopted_first)}."


async def test_a_ledger_is_left_alone_while_a_server_of_an_older_version_runs(
    tmp_path: Path,
) -> None:
    with older_ledger(tmp_path) as ledger:
        insert(ledger, 1)
    before = (tmp_path / "ledger.db").read_bytes()
    (tmp_path / "processes").mkdir()
    older = LockFile.try_lock(tmp_path / "processes" / ("a" * 32))
    assert older
    async with run_simulator() as simulator, open_server(simulator, tmp_path) as client:
        with closing(older):
            refused = await generate(client, wait_seconds=0)
            assert refused.is_error
            assert text(refused) == (
                "The ledger is of an older version of seedance-mcp, and a server of that version"
                " still runs: close every window that uses it, then try again. Nothing was charged."
            )
            assert (tmp_path / "ledger.db").read_bytes() == before
        assert [job["request_id"] for job in await list_jobs(client)] == ["r-1"]
        assert simulator.accepted == []


async def test_a_damaged_row_keeps_no_older_ledger_from_being_taken_over(tmp_path: Path) -> None:
    with older_ledger(tmp_path) as ledger:
        insert(ledger, 1)
        insert(ledger, 2, arguments="{")
    async with run_simulator() as simulator, open_server(simulator, tmp_path) as client:
        told = structured(await client.call_tool("list_jobs", {}))
    assert [job["request_id"] for job in told["jobs"]] == ["r-1"]
    assert "left out here: 1 row (r-2)." in told["next_step"]
