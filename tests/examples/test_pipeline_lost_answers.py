"""`examples/pipeline.py` when what it bought was not written down; part of `make examples`."""

import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("it has no SIGKILL", allow_module_level=True)

from seedance_mcp.simulator.faults import Fault
from tests.support.example_run import ExampleRun, example_run
from tests.support.timeouts import NEVER_SECONDS, wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.examples, pytest.mark.repository]


def age_journal(run: ExampleRun) -> None:
    """Have the journal say that what it has begun was begun an hour ago."""
    with closing(sqlite3.connect(run.folder / "pipeline.db")) as journal:
        journal.execute("UPDATE clips SET begun_at = begun_at - 3600")
        journal.commit()


async def test_a_job_that_may_be_lost_is_bought_again_only_when_asked(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        run.write_table(["a"])
        run.simulator.faults.append(Fault.delay("submit", NEVER_SECONDS, after=True))
        async with run.start("pipeline.py", ".", "prompts.csv", "--yes") as process:
            await run.until_accepted(1)
            os.kill(int(run.server_ids.read_text()), signal.SIGKILL)
            ended = await run.finish(process)
        assert ended.stdout.splitlines()[-2].startswith("Lines 2: It may have been bought: ")
        assert (await run.pipeline("--yes")).returncode == 1
        assert len(run.prompts()) == 1
        assert (await run.pipeline("--yes", "--again", "2")).returncode == 0
        assert (run.prompts(), len(run.clips())) == (["a", "a"], 1)


async def kill_before_the_answer(run: ExampleRun) -> None:
    """Kill a pipeline whose paid call has left, before it can write the answer."""
    run.simulator.faults.append(Fault.delay("submit", 0.05, after=True))
    async with run.start("pipeline.py", ".", "prompts.csv", "--yes") as process:
        await run.until_accepted(1)
        process.kill()
    await wait_until(lambda: not is_alive(int(run.server_ids.read_text())))


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_clip_that_was_bought_but_not_noted_is_found_later(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        run.write_table(["a"])
        await kill_before_the_answer(run)
        age_journal(run)
        assert (await run.pipeline("--yes")).returncode == 0
        assert (run.prompts(), len(run.clips())) == (["a"], 1)


async def test_a_call_that_never_left_is_made_later(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        run.write_table(["a"])
        await kill_before_the_answer(run)
        # As if the kill had come before the call: the ledger knows nothing of it.
        (tmp_path / "state" / "ledger.db").unlink()
        age_journal(run)
        assert (await run.pipeline("--yes")).returncode == 0
        assert (run.prompts(), len(run.clips())) == (["a", "a"], 1)


async def test_a_call_that_may_have_left_is_not_made_again_later(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        run.write_table(["a"])
        await kill_before_the_answer(run)
        (tmp_path / "state" / "ledger.db").unlink()
        age_journal(run)
        # A job that no row of the pipeline has; a list says too little to tell that it is another.
        assert (await run.run("resume.py", "begin", "lake.jpg", "b")).returncode == 0
        ended = await run.pipeline("--yes")
        assert ended.stdout.splitlines()[-2:] == [
            "Lines 2: It may have been bought before: see `seedance-mcp jobs`.",
            "0 of 1 clips are saved.",
        ]
        assert run.prompts() == ["a", "b"]
