"""`examples/pipeline.py` under everything that may happen to a batch; part of `make examples`."""

import os
import signal
import sys
from pathlib import Path
from random import Random, SystemRandom

import anyio
import pytest
from anyio.abc import Process

if sys.platform == "win32":
    pytest.skip("it has no SIGKILL", allow_module_level=True)

from seedance_mcp.simulator.faults import Fault
from tests.support.example_run import ExampleRun, example_run
from tests.support.timeouts import NEVER_SECONDS, wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.examples, pytest.mark.repository]

# Each prompt once, but one twice and one three times.
TWENTY = [
    *(f"shot {number}" for number in range(15)),
    "twice",
    "thrice",
    "twice",
    "thrice",
    "thrice",
]


async def until_requests(run: ExampleRun, process: Process, more: int) -> None:
    """Wait for some more requests to RunComfy, or for the end of the process."""
    wanted = len(run.simulator.requests) + more
    await wait_until(
        lambda: len(run.simulator.requests) >= wanted or process.returncode is not None
    )


async def test_twenty_clips_interrupted_and_killed_are_twenty_paid_jobs_and_twenty_files(
    tmp_path: Path,
) -> None:
    async with example_run(tmp_path) as run:
        run.write_table(TWENTY)
        async with run.start("pipeline.py", ".", "prompts.csv", "--yes") as process:
            await run.until_accepted(3)
            process.send_signal(signal.SIGINT)
            interrupted = await run.finish(process)
        assert interrupted.returncode == 130
        assert "Interrupted. The same command goes on.\n" in interrupted.stdout
        assert interrupted.stderr == ""
        for accepted in (6, 11, 16):
            async with run.start("pipeline.py", ".", "prompts.csv", "--yes") as process:
                await run.until_accepted(accepted)
                process.kill()
        ended = await run.pipeline("--yes")
        assert (ended.returncode, ended.stderr) == (0, "")
        again = await run.pipeline("--yes")
        assert (again.returncode, again.stdout) == (0, "\n20 of 20 clips are saved.\n")
        assert sorted(run.prompts()) == sorted(TWENTY)
        assert len(run.clips()) == 20


async def test_ctrl_c_waits_for_the_answer_to_a_paid_request(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        run.write_table(["a"])
        # Longer than the server would wait for it, once its client is gone.
        run.simulator.faults.append(Fault.delay("submit", 2, after=True))
        async with run.start("pipeline.py", ".", "prompts.csv", "--yes") as process:
            await run.until_accepted(1)
            process.send_signal(signal.SIGINT)
            assert (await run.finish(process)).returncode == 130
        assert (await run.pipeline("--yes")).returncode == 0
        assert (run.prompts(), len(run.clips())) == (["a"], 1)


@pytest.mark.stress
@pytest.mark.parametrize("_", range(4))
async def test_twenty_clips_killed_at_random_moments_are_twenty_paid_jobs_and_files(
    _: int, tmp_path: Path
) -> None:
    seed = SystemRandom().randrange(10**9)
    random = Random(seed)
    async with example_run(tmp_path) as run:
        run.write_table(TWENTY)
        for _ in range(8):
            how = random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
            async with run.start("pipeline.py", ".", "prompts.csv", "--yes") as process:
                await until_requests(run, process, random.randint(1, 25))
                await anyio.sleep(random.uniform(0, 0.02))
                if process.returncode is None:
                    process.send_signal(how)
                await run.finish(process)
        ended = await run.pipeline("--yes")
        assert (ended.returncode, ended.stderr) == (0, ""), (seed, ended.stdout)
        assert sorted(run.prompts()) == sorted(TWENTY), seed
        assert len(run.clips()) == 20, seed


async def test_without_yes_a_pipeline_says_the_price_and_buys_nothing(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        run.write_table(["a", "b"])
        ended = await run.pipeline()
        assert ended.stdout.splitlines() == [
            "Clips to buy: 2, estimated at 0.40 USD.",
            "Nothing was bought. The same command with --yes buys them.",
            "",
            "0 of 2 clips are saved.",
        ]
        assert (ended.returncode, run.prompts()) == (1, [])


async def test_a_second_pipeline_on_the_folder_ends_with_one_line(tmp_path: Path) -> None:
    async with example_run(tmp_path, run_seconds=NEVER_SECONDS) as run:
        run.write_table(["a"])
        async with run.start("pipeline.py", ".", "prompts.csv", "--yes"):
            await run.until_accepted(1)
            second = await run.pipeline("--yes")
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr.endswith("Another pipeline works on this folder.\n")
        assert len(run.prompts()) == 1


async def test_rows_and_images_may_be_moved_and_added_between_runs(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        run.write_table(["a", "b", "b", "c"])
        assert (await run.pipeline("--yes")).returncode == 0
        # The same rows by the bytes of their image.
        run.write_table(["d", "b", "c", "a", "b", "b"], image="moved.jpg")
        (tmp_path / "lake.jpg").rename(tmp_path / "moved.jpg")
        ended = await run.pipeline("--yes")
        assert ended.returncode == 0
        assert "Clips to buy: 2, estimated at 0.40 USD.\n" in ended.stdout
        assert sorted(run.prompts()) == ["a", "b", "b", "b", "c", "d"]
        assert len(run.clips()) == 6


async def test_a_job_that_failed_is_bought_again_only_when_asked(tmp_path: Path) -> None:
    async with example_run(tmp_path, outcome="fail", failure_text="Too dark.") as run:
        run.write_table(["a"])
        for _ in range(2):
            ended = await run.pipeline("--yes")
            assert ended.returncode == 1
            assert ended.stdout.endswith('"Too dark."\n0 of 1 clips are saved.\n')
        run.simulator.behaviour.outcome = "succeed"
        # The same command, once more, does not buy it once more.
        for _ in range(2):
            assert (await run.pipeline("--yes", "--again", "2")).returncode == 0
        assert (run.prompts(), len(run.clips())) == (["a", "a"], 1)


async def test_a_folder_may_be_moved_with_its_clips(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        run.write_table(["a", "b"])
        (tmp_path / "one").mkdir()
        (tmp_path / "lake.jpg").rename(tmp_path / "one" / "lake.jpg")
        assert (await run.run("pipeline.py", "one", "prompts.csv", "--yes")).returncode == 0
        (tmp_path / "one").rename(tmp_path / "two")
        ended = await run.run("pipeline.py", "two", "prompts.csv", "--yes")
        assert (ended.returncode, ended.stdout) == (0, "\n2 of 2 clips are saved.\n")
        assert len(list((tmp_path / "two" / "clips").glob("*.mp4"))) == 2
        assert len(run.prompts()) == 2


async def test_a_row_that_is_refused_costs_nothing_and_the_others_are_made(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        table = tmp_path / "prompts.csv"
        table.write_text(
            "image,prompt,duration\nno.jpg,a,5\nlake.jpg,b,7\nlake.jpg,c,10\n", "utf-8"
        )
        ended = await run.pipeline("--yes")
        missing, wrong, summary = ended.stdout.splitlines()[-3:]
        assert missing.startswith("Lines 2: first_frame_image_url")
        assert wrong.startswith("Lines 3: duration")
        assert (summary, ended.returncode) == ("1 of 3 clips are saved.", 1)
        assert run.prompts() == ["c"]


async def test_at_a_limit_a_pipeline_stops_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        run.write_table(["a", "b", "c", "d"])
        run.env["SEEDANCE_MAX_JOBS_PER_HOUR"] = "2"
        ended = await run.pipeline("--yes")
        assert ended.returncode == 1
        assert "SEEDANCE_MAX_JOBS_PER_HOUR is reached: 2 jobs" in ended.stdout
        assert ended.stdout.endswith("\n2 of 4 clips are saved.\n")
        del run.env["SEEDANCE_MAX_JOBS_PER_HOUR"]
        assert (await run.pipeline("--yes")).returncode == 0
        assert sorted(run.prompts()) == ["a", "b", "c", "d"]


async def test_a_server_that_dies_is_started_again(tmp_path: Path) -> None:
    async with example_run(tmp_path, run_seconds=2) as run:
        run.write_table(["a", "b", "c"])
        async with run.start("pipeline.py", ".", "prompts.csv", "--yes") as process:
            # Only then are all ids on disk, before which one might be lost.
            await wait_until(lambda: len(polled(run)) == 3)
            os.kill(int(run.server_ids.read_text()), signal.SIGKILL)
            ended = await run.finish(process)
        assert (ended.returncode, len(run.clips())) == (0, 3)
        assert len(run.server_ids.read_text().splitlines()) == 2
        assert sorted(run.prompts()) == ["a", "b", "c"]


def polled(run: ExampleRun) -> set[str]:
    """Return the paths of the jobs whose status was asked for."""
    return {seen.path for seen in run.simulator.requests if seen.route == "status"}
