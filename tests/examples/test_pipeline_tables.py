"""The CSV of `examples/pipeline.py`: what it may look like, and what is refused before any call."""

import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("its servers are started by a shell", allow_module_level=True)

from tests.support.example_run import example_run

pytestmark = [pytest.mark.anyio, pytest.mark.examples, pytest.mark.repository]


async def test_a_table_is_read_as_spreadsheets_write_it(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        for data in (
            b"\xef\xbb\xbfimage,prompt\r\nlake.jpg,a\r\n",
            b"image;prompt;\nlake.jpg;a;\n;;\n",
            b'image\tprompt\n"lake.jpg"\ta\n',
            b'image, prompt, duration\nlake.jpg, "a", \n',
        ):
            (tmp_path / "prompts.csv").write_bytes(data)
            ended = await run.pipeline("--yes")
            assert ended.stdout.endswith("1 of 1 clips are saved.\n"), data
        assert run.prompts() == ["a"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"image,prompt\nlake.jpg,Mist drifts, slowly.\n", "line 2 has more cells"),
        (b'image,prompt\nlake.jpg,"a\nlake.jpg,b\n', "unexpected end of data"),
        (b"image,prompt,prompt\nlake.jpg,a,b\n", "it may not have the column prompt"),
        (b"image,first_frame_image_url,prompt\nlake.jpg,b.jpg,a\n", "the column first_frame"),
        (b"image,prompt,dry_run\nlake.jpg,a,false\n", "the column dry_run"),
        ("image,prompt\nlake.jpg,caf\xe9\n".encode("latin-1"), "it is not UTF-8"),
        (None, "No such file"),
    ],
)
async def test_a_table_that_may_mean_something_else_is_refused_in_one_line(
    data: bytes | None, words: str, tmp_path: Path
) -> None:
    async with example_run(tmp_path) as run:
        if data is not None:
            (tmp_path / "prompts.csv").write_bytes(data)
        ended = await run.pipeline("--yes")
        (line,) = ended.stderr.splitlines()
        assert line.startswith("prompts.csv: ")
        assert words in line
        assert (ended.returncode, ended.stdout, run.simulator.requests) == (1, "", [])


async def test_an_image_that_cannot_be_read_is_the_problem_of_its_row(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        table = tmp_path / "prompts.csv"
        table.write_text(f"image,prompt\n{'x' * 300}.jpg,a\nlake.jpg,b\n", "utf-8")
        ended = await run.pipeline("--yes")
        assert (ended.returncode, ended.stderr) == (1, "")
        assert "\nLines 2: first_frame_image_url" in ended.stdout
        assert run.prompts() == ["b"]


async def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with example_run(tmp_path) as run:
        run.write_table(["a"])
        ended = await run.pipeline("--server", "no-such-command serve")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == "There is no command no-such-command. See --server.\n"
