"""State folders on file systems without locks: nothing is bought, or buying goes on, by kind."""

import errno
import sqlite3
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio
import pytest

from seedance_mcp.simulator.faults import Fault
from seedance_mcp.text import valid
from tests.support.client import structured, text
from tests.support.file_systems import CAN_FORBID_LOCKS, run_without_locks
from tests.support.restarting_server import generate, list_jobs, open_server, run_simulator
from tests.support.virtual_time import virtual_now

pytestmark = pytest.mark.skipif(not CAN_FORBID_LOCKS, reason="it needs Linux's seccomp")

# What NFS, SMB, FUSE and 9p say.
NO_LOCKS = [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL]
# What a lock that another process has says; a download waits for it.
HELD = [errno.EAGAIN, errno.EACCES]


@pytest.mark.parametrize("error", NO_LOCKS, ids=errno.errorcode.get)
def test_nothing_is_bought_where_sqlite_cannot_lock(error: int, tmp_path: Path) -> None:
    async def body() -> None:
        async with run_simulator() as simulator, open_server(simulator, tmp_path) as client:
            for call in partial(generate, client), partial(client.call_tool, "list_jobs"):
                told = await call()
                assert told.is_error
                assert text(told) == (
                    f"The ledger {valid(str(tmp_path / 'ledger.db'))} cannot be used:"
                    " its folder has no file locks;"
                    " set SEEDANCE_STATE_DIR to a folder on a disk of this machine."
                    " Nothing was charged."
                )
            assert simulator.accepted == []
            assert anyio.current_time() < 1

    run_without_locks(body, error, sqlite=True)


@pytest.mark.parametrize("error", [*NO_LOCKS, *HELD], ids=errno.errorcode.get)
def test_clips_are_bought_and_downloaded_where_only_our_own_locks_fail(
    error: int, tmp_path: Path
) -> None:
    async def body() -> None:
        async with (
            run_simulator() as simulator,
            open_server(
                simulator, tmp_path / "state", auto_download=True, output_dir=tmp_path / "videos"
            ) as one,
            open_server(simulator, tmp_path / "state") as other,
        ):
            made = structured(await generate(one, wait_seconds=50))
            assert made["status"] == "completed"
            names = [file.name for file in (tmp_path / "videos").glob("*.mp4")]
            assert names == ([] if error in HELD else [Path(made["saved_to"]).name])
            assert [job["request_id"] for job in await list_jobs(other)] == [made["request_id"]]
        assert len(simulator.accepted) == 1

    run_without_locks(body, error)


@pytest.mark.parametrize("process", ["one-that-had-a-lock", "one-unlocked"])
@pytest.mark.parametrize(("age", "status"), [(50, "submitting"), (61, "unknown")])
def test_without_locks_a_request_is_unknown_after_a_minute_whoever_sent_it(
    age: int, status: str, process: str, tmp_path: Path
) -> None:
    async def body() -> None:
        async with run_simulator(run_seconds=100) as simulator:
            async with open_server(simulator, tmp_path) as client:
                simulator.faults.append(Fault.drop("submit"))
                await generate(client, wait_seconds=0)
            with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger:
                begun = virtual_now() - timedelta(seconds=age)
                change = "UPDATE jobs SET status = 'submitting', created_at = ?, process = ?"
                ledger.execute(change, (begun.isoformat(timespec="microseconds"), process))
                ledger.commit()
            # The file of a process that was killed.
            (tmp_path / "processes" / process).touch()
            async with open_server(simulator, tmp_path) as client:
                (job,) = await list_jobs(client)
                assert job["status"] == status
            assert simulator.accepted == []

    run_without_locks(body, errno.ENOLCK)
