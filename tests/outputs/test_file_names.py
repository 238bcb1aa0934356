import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.jobs.status import Output
from seedance_mcp.outputs._file_names import file_name
from tests.support.clip_host import mp4, serve_clip
from tests.support.download_scene import JOB, NAME, Scene


def name_after_date(
    prompt: Any, *, request_id: str | None = JOB.request_id, number: int = 1
) -> str:
    """Return the name between the date and the extension."""
    job = replace(JOB, arguments={"prompt": prompt}, request_id=request_id)
    output = Output(kind="video", number=number, url="")
    return file_name(job, output).removeprefix("2026-11-23-")


PROMPTS = {
    "Mist drifts over the lake": "mist-drifts-over-the-lake-7c1f3a2b",
    "../../etc/passwd": "etc-passwd-7c1f3a2b",
    "..\\..\\C:\\Windows": "c-windows-7c1f3a2b",
    "a\0b\nc\r\td": "a-b-c-d-7c1f3a2b",
    "🐍🔥": "7c1f3a2b",
    "湖面上的薄雾": "7c1f3a2b",
    "Café crème, naïve ﬁlm ①": "cafe-creme-naive-film-1-7c1f3a2b",
    "CON": "con-7c1f3a2b",
    "aux.mp4": "aux-mp4-7c1f3a2b",
    "trailing dots... ": "trailing-dots-7c1f3a2b",
    "-rf --no-preserve-root": "rf-no-preserve-root-7c1f3a2b",
    "$(reboot) `reboot` ;|&<>*?\"'%PATH%": "reboot-reboot-path-7c1f3a2b",
    "\u202egpj.mp4": "gpj-mp4-7c1f3a2b",
    "\ud800 lone": "lone-7c1f3a2b",
    "": "7c1f3a2b",
    "a" * 1900: "a" * 48 + "-7c1f3a2b",
    "word " * 380: "word-" * 9 + "7c1f3a2b",
    "a" * 48 + " b": "a" * 48 + "-7c1f3a2b",
    "a" * 47 + " bc": "a" * 47 + "-7c1f3a2b",
    "İstanbul ẞ K": "istanbul-k-7c1f3a2b",
}


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_name_comes_from_the_prompt_and_is_never_a_path(prompt: str) -> None:
    assert name_after_date(prompt) == PROMPTS[prompt]


@pytest.mark.parametrize("prompt", [None, 5, ["a"], {"a": 1}])
def test_a_job_without_a_prompt_has_a_name(prompt: Any) -> None:
    assert name_after_date(prompt) == "7c1f3a2b"
    output = Output(kind="video", number=1, url="")
    assert file_name(replace(JOB, arguments={}), output) == "2026-11-23-7c1f3a2b"


@pytest.mark.parametrize(
    ("request_id", "end"),
    [("../../x", "x"), ("REQ_1.2", "req12"), ("///", ""), (None, "job1"), ("a" * 500, "a" * 8)],
)
def test_any_request_id_makes_a_plain_name(request_id: str | None, end: str) -> None:
    assert name_after_date("lake", request_id=request_id) == "-".join(filter(None, ["lake", end]))


def test_the_second_clip_of_a_job_is_numbered() -> None:
    assert name_after_date("lake", number=2) == "lake-7c1f3a2b-v2"


@pytest.mark.anyio
@pytest.mark.parametrize("prompt", PROMPTS)
async def test_a_file_with_that_name_can_be_written(tmp_path: Path, prompt: str) -> None:
    async with serve_clip(mp4(100)) as host:
        scene = Scene(tmp_path, host.url)
        job = replace(JOB, arguments={"prompt": prompt})
        name = await scene.download("/../../evil.exe?name=../evil", job=job)
    assert re.fullmatch(r"[0-9]{4}(-[a-z0-9]+)+\.mp4", name)
    assert len(name) < 100
    assert scene.files == {name: 100}


@pytest.mark.anyio
async def test_each_clip_of_a_job_has_a_file_of_its_own(tmp_path: Path) -> None:
    async with serve_clip(mp4(100)) as host:
        scene = Scene(tmp_path, host.url)
        names = [await scene.download(f"/{number}.mp4", number=number) for number in (1, 2)]
    assert names == [f"{NAME}.mp4", f"{NAME}-v2.mp4"]
