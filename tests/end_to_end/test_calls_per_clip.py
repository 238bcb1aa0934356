"""How many calls a clip takes for an agent that follows `next_step`, up to the file."""

import re
from pathlib import Path

import pytest
from mcp_types import CallToolResult

from seedance_mcp.simulator.behaviour import Behaviour
from tests.support.client import ToolClient, open_client, saved_file, structured, text
from tests.support.task_client import TaskPolling
from tests.support.wording import TELL_SAVED

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

NEXT_CALL = re.compile(
    r"(?<!not )\bcall (\w+) with request_id (\S+?)( and download true)?[,;:.]", re.IGNORECASE
)


async def made_by_next_steps(client: ToolClient, folder: Path, *, shown: str) -> list[str]:
    """Make a clip as an agent that follows only `next_step`, and return its calls.

    The agent never pauses between two calls.

    Args:
        client: The client.
        folder: Where its server saves clips.
        shown: What the agent sees of an answer, `text` or `structure`.
    """
    calls, result = ["generate_video"], await client.generate()
    while following := NEXT_CALL.search(_next_step(result, shown)):
        tool, request_id, download = following.groups()
        arguments = {"download": True} if download else {}
        result = await client.call(tool, request_id=request_id, **arguments)
        calls.append(tool)
        assert len(calls) < 10, calls
    saved = saved_file(structured(result)["saved_to"], folder)
    assert saved.read_bytes()[4:8] == b"ftyp"
    assert _next_step(result, shown).startswith(TELL_SAVED)
    return calls


def _next_step(result: CallToolResult, shown: str) -> str:
    if shown == "structure":
        return structured(result)["next_step"]
    return text(result).rpartition("next_step: ")[2]


@pytest.mark.parametrize("shown", ["text", "structure"])
@pytest.mark.parametrize(
    ("behaviour", "calls"),
    [
        (Behaviour(run_seconds=20), ["generate_video", "get_result"]),
        (Behaviour(queue_seconds=12, run_seconds=8), ["generate_video", "get_result"]),
        (
            Behaviour(run_seconds=120),
            ["generate_video", "check_status", "check_status", "get_result"],
        ),
        (
            Behaviour(queue_seconds=70, run_seconds=50),
            ["generate_video", "check_status", "check_status", "get_result"],
        ),
    ],
    ids=["20 s", "20 s, queued", "120 s", "120 s, queued"],
)
async def test_an_agent_that_follows_next_step_has_its_file_after_few_calls(
    behaviour: Behaviour, calls: list[str], shown: str, tmp_path: Path
) -> None:
    async with open_client(behaviour, output_dir=tmp_path) as client:
        assert await made_by_next_steps(client, tmp_path, shown=shown) == calls
        assert len(client.simulator.accepted) == 1


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [(20, ["generate_video"]), (120, ["generate_video", "check_status", "check_status"])],
)
async def test_with_auto_download_the_file_takes_no_call_of_its_own(
    seconds: float, calls: list[str], tmp_path: Path
) -> None:
    behaviour = Behaviour(run_seconds=seconds)
    async with open_client(behaviour, output_dir=tmp_path, auto_download=True) as client:
        assert await made_by_next_steps(client, tmp_path, shown="text") == calls


@pytest.mark.parametrize("seconds", [20, 120, 1200])
async def test_with_tasks_and_auto_download_one_call_makes_the_file(
    seconds: float, tmp_path: Path
) -> None:
    async with open_client(
        Behaviour(run_seconds=seconds),
        mode="auto",
        extensions=[TaskPolling()],
        output_dir=tmp_path,
        auto_download=True,
    ) as client:
        assert await made_by_next_steps(client, tmp_path, shown="text") == ["generate_video"]
        assert len(client.simulator.accepted) == 1


async def test_with_tasks_alone_the_file_takes_a_second_call(
    tmp_path: Path,
) -> None:
    knowing = [TaskPolling()]
    behaviour = Behaviour(run_seconds=120)
    async with open_client(
        behaviour, mode="auto", extensions=knowing, output_dir=tmp_path
    ) as client:
        assert await made_by_next_steps(client, tmp_path, shown="text") == [
            "generate_video",
            "get_result",
        ]
