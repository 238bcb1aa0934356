"""`examples/resume.py`: begun in one process, collected in another; part of `make examples`."""

import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("its servers are started by a shell", allow_module_level=True)

from tests.support.example_run import example_run

pytestmark = [pytest.mark.anyio, pytest.mark.examples, pytest.mark.repository]


async def test_a_clip_begun_in_one_process_is_collected_in_another(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        begun = await run.run("resume.py", "begin", "lake.jpg", "a")
        (job,) = run.simulator.accepted
        assert (begun.stdout, begun.stderr) == (f"{job.request_id}\n", "")
        # The newest job, as if the id had been lost.
        collected = await run.run("resume.py", "collect")
        (clip,) = (tmp_path / "videos").iterdir()
        assert (collected.stdout, collected.stderr) == (f"{clip}\n", "")
        assert clip.read_bytes()[4:8] == b"ftyp"
        assert len(run.simulator.accepted) == 1


async def test_a_clip_is_collected_by_its_id_though_others_came_later(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        first = (await run.run("resume.py", "begin", "lake.jpg", "a")).stdout.strip()
        await run.run("resume.py", "begin", "lake.jpg", "b")
        collected = await run.run("resume.py", "collect", first)
        (clip,) = (tmp_path / "videos").iterdir()
        assert (collected.stdout, run.prompts()) == (f"{clip}\n", ["a", "b"])
        assert f"a-{first[:8]}" in clip.name


async def test_a_failed_job_is_reported_in_its_words(tmp_path: Path) -> None:
    async with example_run(tmp_path, outcome="fail", failure_text="Too dark.") as run:
        await run.run("resume.py", "begin", "lake.jpg", "a")
        collected = await run.run("resume.py", "collect")
        assert (collected.returncode, collected.stdout) == (1, "")
        assert collected.stderr == 'RunComfy says: "Too dark."\n'


async def test_without_a_job_there_is_nothing_to_collect(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        collected = await run.run("resume.py", "collect")
        assert (collected.returncode, collected.stderr) == (1, "There are no jobs.\n")
