"""`examples/pipeline.py`, killed and started again; part of `make examples`."""

import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("it has no SIGKILL", allow_module_level=True)

from tests.support.example_run import example_run

pytestmark = [pytest.mark.anyio, pytest.mark.examples, pytest.mark.repository]


async def test_a_pipeline_that_is_killed_goes_on_and_pays_for_each_row_once(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        run.write_table(["a", "b", "b"])
        async with run.start("pipeline.py", ".", "prompts.csv", "--yes") as process:
            await run.until_accepted(2)
            process.kill()
        ended = await run.pipeline("--yes")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.endswith("3 of 3 clips are saved.\n")
        assert sorted(run.prompts()) == ["a", "b", "b"]
        assert len(run.clips()) == 3
