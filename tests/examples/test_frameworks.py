"""The examples of agents, where their frameworks are installed; part of `make examples`."""

import sys
from pathlib import Path
from subprocess import CompletedProcess

import anyio
import pytest

if sys.platform == "win32":
    pytest.skip("its uvx is a shell script", allow_module_level=True)

from tests.support.example_run import EXAMPLES, ExampleRun, example_run
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.examples, pytest.mark.repository]

ROOT = EXAMPLES.parent
REFUSING = "http://127.0.0.1:1"
"""A proxy that does not answer, so that nothing but this machine is reached."""

IDEA = "Mist drifts."
LOOP = "Again and again."
"""The idea for which the models of `frameworks/` make the same call for ever."""

NAMES = ["langgraph_agent", "openai_agents", "pydantic_ai_agent"]


async def make_clip(run: ExampleRun, name: str, *command: str) -> str:
    """Run a command in an example's environment, and return what it prints."""
    done = await end(run, name, *command)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


async def end(
    run: ExampleRun, name: str, *command: str, idea: str = IDEA
) -> CompletedProcess[bytes]:
    """Run a command in an example's environment to its end; `uvx` is ours."""
    uvx = run.folder / "bin" / "uvx"
    uvx.parent.mkdir()
    uvx.write_text(f'#!/bin/sh\nshift\nexec "{sys.executable}" -m seedance_mcp "$@"\n', "utf-8")
    uvx.chmod(0o700)
    python = str(ROOT / ".examples" / name / "bin" / "python")
    image = str(run.folder / "lake.jpg")
    run.env["PATH"] = f"{uvx.parent}:{run.env['PATH']}"
    with anyio.fail_after(TIMEOUT_SECONDS):
        return await anyio.run_process(
            [python, *command, image, idea],
            env=run.env,
            cwd=ROOT,
            check=False,
        )


@pytest.mark.parametrize("name", NAMES)
async def test_an_agent_makes_one_clip_and_says_where_it_is(name: str, tmp_path: Path) -> None:
    async with example_run(tmp_path, run_seconds=6) as run:
        printed = await make_clip(run, name, "-m", f"tests.examples.frameworks.{name}")
        (clip,) = (tmp_path / "videos").glob("*.mp4")
        assert printed == str(clip)
        assert clip.read_bytes()[4:8] == b"ftyp"
        assert run.prompts() == [IDEA]


@pytest.mark.parametrize("name", NAMES)
async def test_an_agent_runs_as_written_with_a_model_of_openais_api(
    name: str, tmp_path: Path
) -> None:
    # Beside the wheel, where this test is not run, there is no such folder.
    from clients.stand_in.server import stand_in_model

    clip = {"prompt": IDEA, "first_frame_image_url": str(tmp_path / "lake.jpg")}
    async with example_run(tmp_path) as run:
        with stand_in_model(clip) as model:
            run.env |= {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"{model.url}/v1"}
            run.env |= {"HTTPS_PROXY": REFUSING, "OPENAI_AGENTS_DISABLE_TRACING": "1"}
            printed = await make_clip(run, name, str(EXAMPLES / f"{name}.py"))
        assert printed == "The clip is saved."
        assert len(list((tmp_path / "videos").glob("*.mp4"))) == 1
        assert run.prompts() == [IDEA]


@pytest.mark.parametrize("name", NAMES)
async def test_an_agent_whose_model_repeats_a_call_ends_with_one_job(
    name: str, tmp_path: Path
) -> None:
    async with example_run(tmp_path) as run:
        module = f"tests.examples.frameworks.{name}"
        assert (await end(run, name, "-m", module, idea=LOOP)).returncode == 1
        assert run.prompts() == [LOOP]
