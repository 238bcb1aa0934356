"""Clips joined to one file, through an MCP client."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.clock import Clock
from seedance_mcp.errors import JoinFailed
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.outputs.unfinished_file import try_lock
from seedance_mcp.service.reports import JoinProgress
from seedance_mcp.service.retrieval import join_jobs
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.text import one_line
from tests.support.client import ToolClient, saved_file, structured, text
from tests.support.film import FRAMES, likeness, run_film
from tests.support.http_client import open_http_client
from tests.support.joined import (
    RATE,
    SHOT_SECONDS,
    changed_at,
    damage,
    frames,
    joined_names,
    make_clips,
    names,
    open_film,
    shown_at,
)
from tests.support.old_client import connect_old_client
from tests.support.restarting_server import generate, open_server, run_simulator
from tests.support.virtual_time import virtual_now
from tests.support.wording import PAID_FOR, TOOLS

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

TELL_JOINED = "Tell the user where the joined clip was saved."
WAITING = "waiting for another join on this machine"


def not_complete_yet(progress: str) -> str:
    """Return the answer of a call that has ended before its join."""
    return (
        f"next_step: It is not complete yet ({progress}): call join_clips with the same"
        " request_ids to continue."
    )


async def join(client: ToolClient, *request_ids: str) -> Any:
    """Call join_clips."""
    return await client.call("join_clips", request_ids=request_ids)


async def test_clips_are_joined_in_order_and_the_same_ones_are_the_same_file(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "videos"
    async with open_film(tmp_path) as client:
        one, other = await make_clips(client, "The mist drifts.", "The sun rises.")
        client.progress.clear()
        result = await join(client, one, other, one)
        shown = structured(result)["saved_to"]
        path = saved_file(shown, folder)
        assert (result.is_error, structured(result)) == (
            False,
            {"seconds": 0.5, "saved_to": shown, "next_step": TELL_JOINED},
        )
        assert text(result) == f"seconds: 0.5; saved_to: {shown}\nnext_step: {TELL_JOINED}"
        assert path.name.startswith("2026-01-01-joined-3-clips-")
        assert frames(path) == 3 * FRAMES
        total = client.progress[-1]
        assert total == (3 * FRAMES, 3 * FRAMES, "joining, 12 of 12 frames")
        values = [progress for progress, _, _ in client.progress]
        assert values == sorted(set(values))
        made_at = changed_at(path)
        assert structured(await join(client, one, other, one)) == structured(result)
        assert changed_at(path) == made_at
        # Another order is another clip, and a file that was changed is left alone.
        swapped = structured(await join(client, other, one, one))["saved_to"]
        damage(path)
        anew = saved_file(structured(await join(client, one, other, one))["saved_to"], folder)
        assert anew == path.with_stem(f"{path.stem}-2")
        assert frames(anew) == 3 * FRAMES
        assert joined_names(folder) == sorted([path.name, anew.name, Path(swapped).name])


async def test_a_film_of_three_shots_lasts_as_long_as_its_frames_without_doubled_ones(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "videos"
    async with open_film(tmp_path) as client:
        shots = await make_clips(client, "one")
        for prompt in "two", "three":
            last = {"first_frame_image_url": f"seedance://jobs/{shots[-1]}/last-frame"}
            shots += await make_clips(client, prompt, **last)
        film = structured(await join(client, *shots))
        assert [job.request_id for job in client.simulator.accepted] == shots
        for before, job in zip(shots, client.simulator.accepted[1:], strict=False):
            (clip,) = folder.glob(f"*{before[:8]}.mp4")
            assert likeness(job.arguments["first_frame_image_url"], clip) > 40
        expected = (3 * FRAMES - 2) / RATE
        assert film["seconds"] == pytest.approx(expected, abs=0.001)
        times = shown_at(saved_file(film["saved_to"], folder))
        # A frame that cannot be cut is shown for one tick.
        pauses = [after - before for before, after in pairwise(times)]
        assert max(pauses) < 1.5 / RATE
        assert times[-1] + 1 / RATE == pytest.approx(expected, abs=0.001)
        # None of them follows the clip that it continues.
        backwards = structured(await join(client, *reversed(shots)))
        assert backwards["seconds"] == pytest.approx(3 * SHOT_SECONDS, abs=0.001)


@pytest.mark.parametrize("argument", ["first_frame_image_url", "last_frame_image_url"])
async def test_a_clip_that_does_not_begin_with_the_last_frame_before_it_is_joined_whole(
    argument: str, tmp_path: Path
) -> None:
    which = "first" if argument == "first_frame_image_url" else "last"
    async with open_film(tmp_path) as client:
        (one,) = await make_clips(client, "one")
        frame = {argument: f"seedance://jobs/{one}/{which}-frame"}
        (other,) = await make_clips(client, "other", **frame)
        film = structured(await join(client, one, other))
        assert film["seconds"] == pytest.approx(2 * SHOT_SECONDS, abs=0.001)


async def test_what_is_missing_is_downloaded_once_and_what_is_here_is_not_asked_for(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "videos"
    async with open_film(tmp_path) as client:
        one, other = await make_clips(client, "one", "other")
        saved = structured(await client.call("get_result", request_id=one, download=True))
        first = structured(await join(client, one, other))
        asked = client.paths()
        assert (asked.count(f"{one}.mp4"), asked.count(f"{other}.mp4")) == (1, 1)
        await join(client, other, one)
        assert client.paths() == asked
        # Both the clip and what was made of it are gone.
        for shown in saved["saved_to"], first["saved_to"]:
            saved_file(shown, folder).unlink()
        assert structured(await join(client, one, other)) == first
        assert client.paths().count(f"{one}.mp4") == 2


async def test_a_job_without_a_clip_is_named_before_anything_is_downloaded(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    async with open_film(tmp_path, run_seconds=1) as client:
        (good,) = await make_clips(client, "good")
        client.simulator.behaviour.outcome = "fail"
        (failed,) = await make_clips(client, "failed")
        client.simulator.behaviour.run_seconds = 3600
        open_, queued = [
            structured(await client.generate(prompt=each, wait_seconds=0))["request_id"]
            for each in ("open", "queued")
        ]
        await client.call("cancel_job", request_id=queued)
        for bad, why in {
            "no-such-job": "no-such-job has no clip: RunComfy has no such request for this account"
            ' (404001: "No such request: no-such-job"). Check the id, or leave it out.',
            open_: f"{open_} has not ended (in_progress): join once it is completed.",
            queued: f"{queued} has no clip, because it was cancelled: leave it out.",
            failed: f"{failed} has no clip, because it failed (RunComfy says:"
            f' "{client.simulator.behaviour.failure_text}"): leave it out.',
        }.items():
            result = await join(client, good, bad)
            assert (result.is_error, text(result)) == (True, f"{why} Nothing was charged.")
        assert names(folder) == []
        assert f"{good}.mp4" not in client.paths()


async def test_a_clip_that_cannot_be_downloaded_is_named(tmp_path: Path) -> None:
    async with open_film(tmp_path) as client:
        one, other = await make_clips(client, "one", "other")
        client.simulator.faults.append(Fault.answer("output", 404, times=9))
        result = await join(client, one, other)
        assert (result.is_error, text(result).partition(": ")[0]) == (
            True,
            f"{one} was not downloaded",
        )
        assert text(result).count(PAID_FOR) == 1
        client.simulator.faults.clear()
        assert structured(await join(client, one, other))["seconds"] == pytest.approx(
            2 * SHOT_SECONDS, abs=0.001
        )


async def test_while_runcomfy_is_down_what_is_not_here_is_named(tmp_path: Path) -> None:
    async with open_film(tmp_path) as client:
        one, other = await make_clips(client, "one", "other")
        client.simulator.faults.extend(Fault.drop(each, times=99) for each in ("result", "status"))
        async with open_server(client.simulator, tmp_path / "elsewhere") as elsewhere:
            result = await elsewhere.call_tool("join_clips", {"request_ids": [one, other]})
        assert (result.is_error, text(result).partition(": ")[0]) == (True, f"{one} was not found")
        assert text(result).endswith(" Nothing was charged.")


async def test_a_damaged_clip_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    async with open_film(tmp_path) as client:
        one, other = await make_clips(client, "one", "other")
        saved = structured(await client.call("get_result", request_id=one, download=True))
        damage(saved_file(saved["saved_to"], folder))
        result = await join(client, one, other)
        assert result.is_error
        assert text(result).startswith(Path(saved["saved_to"]).name)
        assert joined_names(folder) == []


async def test_calls_at_once_make_one_file_and_one_is_made_after_the_other(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    saved: list[str] = []
    async with open_film(tmp_path) as client:
        one, other = await make_clips(client, "one", "other")

        async def call(*request_ids: str) -> None:
            saved.append(structured(await join(client, *request_ids))["saved_to"])

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(call, one, other)
            tasks.start_soon(call, other, one)
        assert (len(saved), len(set(saved))) == (4, 2)
        assert joined_names(folder) == sorted({Path(path).name for path in saved})
        assert client.paths().count(f"{one}.mp4") == 1


async def test_a_call_answers_in_time_and_the_same_call_takes_the_join_up(tmp_path: Path) -> None:
    state, folder = tmp_path / "state", tmp_path / "videos"
    async with open_film(tmp_path) as client:
        one, other = await make_clips(client, "one", "other")
        client.progress.clear()
        began = anyio.current_time()
        with try_lock(state / "joining.lock"):
            result = await join(client, one, other)
        assert anyio.current_time() - began == pytest.approx(45, abs=1)
        assert (result.is_error, text(result)) == (False, not_complete_yet(WAITING))
        assert client.progress[-1][1:] == (None, WAITING)
        values = [progress for progress, _, _ in client.progress]
        # At least every 5 seconds.
        assert (values, len(values) >= 9) == (sorted(set(values)), True)
        assert structured(await join(client, one, other))["seconds"] == pytest.approx(
            2 * SHOT_SECONDS, abs=0.001
        )
        assert len(joined_names(folder)) == 1


@pytest.mark.parametrize("repeated", [True, False])
async def test_a_join_whose_call_was_cancelled_goes_on_for_a_minute_and_for_a_repeated_call(
    repeated: bool, tmp_path: Path
) -> None:
    state, folder = tmp_path / "state", tmp_path / "videos"
    async with open_film(tmp_path) as client:
        one, other = await make_clips(client, "one", "other")
        with try_lock(state / "joining.lock"):
            with anyio.move_on_after(10):
                await join(client, one, other)
            await anyio.sleep(50)
            if repeated:
                assert text(await join(client, one, other)) == not_complete_yet(WAITING)
            await anyio.sleep(30)
        await anyio.sleep(5)
        assert len(joined_names(folder)) == repeated


async def test_a_join_that_another_call_has_waited_for_goes_on_although_one_was_cancelled(
    tmp_path: Path,
) -> None:
    state, folder = tmp_path / "state", tmp_path / "videos"
    async with open_film(tmp_path) as client:
        one, other = await make_clips(client, "one", "other")
        with try_lock(state / "joining.lock"):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(join, client, one, other)
                with anyio.move_on_after(10):
                    await join(client, one, other)
            await anyio.sleep(60)
        await anyio.sleep(5)
        assert len(joined_names(folder)) == 1


async def test_two_servers_that_are_asked_for_the_same_join_make_one_file(tmp_path: Path) -> None:
    state, folder = tmp_path / "state", tmp_path / "videos"
    async with open_film(tmp_path) as client:
        made = await make_clips(client, "one", "other")
        saved: list[str] = []

        async def call(joiner: Any) -> None:
            result = await joiner.call_tool("join_clips", {"request_ids": made})
            saved.append(structured(result)["saved_to"])

        async with (
            open_server(client.simulator, state, output_dir=folder) as another,
            anyio.create_task_group() as tasks,
        ):
            with try_lock(state / "joining.lock"):
                for each in client.mcp, another:
                    tasks.start_soon(call, each)
                await anyio.sleep(10)
        assert (len(saved), len(set(saved)), len(joined_names(folder))) == (2, 1, 1)


async def test_a_file_that_is_made_meanwhile_under_the_name_for_a_join_is_kept(
    tmp_path: Path,
) -> None:
    state, film = tmp_path / "state", tmp_path / "film.mp4"
    async with open_film(tmp_path) as client:
        made = await make_clips(client, "one", "other")
        simulator = client.simulator
        given: dict[str, Any] = {
            "token": simulator.token,
            "base_url": simulator.url,
            "state_dir": state,
            "output_dir": tmp_path / "videos",
        }
        settings = Settings(**given)
        waiting = anyio.Event()

        async def watch(progress: JoinProgress) -> None:
            if str(progress) == WAITING:
                waiting.set()

        async def call() -> None:
            with pytest.raises(JoinFailed) as failed:
                await join_jobs(settings, Clock(now=virtual_now), made, film, watch)
            assert (
                failed.value.message == f"{one_line(str(film), 1000)} exists by now, and is kept."
            )

        async with anyio.create_task_group() as tasks:
            with try_lock(state / "joining.lock"):
                tasks.start_soon(call)
                await waiting.wait()
                film.write_bytes(b"of another program")
        assert film.read_bytes() == b"of another program"
        assert names(tmp_path) == ["film.mp4", "state", "videos"]


@pytest.mark.parametrize("seconds", [5, 65])
async def test_why_a_join_failed_is_told_to_a_call_within_a_minute_and_later_it_is_tried_again(
    seconds: int, tmp_path: Path
) -> None:
    state, folder = tmp_path / "state", tmp_path / "videos"
    async with open_film(tmp_path) as client:
        one, other = await make_clips(client, "one", "other")
        with try_lock(state / "joining.lock"):
            await join(client, one, other)
            for path in folder.iterdir():
                damage(path)
        await anyio.sleep(seconds)
        for path in folder.iterdir():
            path.unlink()
        asked = len(client.paths())
        again = await join(client, one, other)
        assert again.is_error is (seconds < 60)
        assert (len(client.paths()) == asked) is (seconds < 60)


async def test_a_joined_job_is_acknowledged(tmp_path: Path) -> None:
    async with open_film(tmp_path) as client:
        one, other = await make_clips(client, "one", "other")
        assert await make_clips(client, "one", "other") == [one, other]
        await join(client, one, other)
        assert set(await make_clips(client, "one", "other")) & {one, other} == set()


async def test_a_folder_that_is_gone_is_made_and_one_that_cannot_be_written_is_named(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    async with run_film() as (simulator, _):
        async with open_server(simulator, state, output_dir=tmp_path / "clips") as client:
            made = [
                structured(await generate(client, prompt=each, wait_seconds=60))["request_id"]
                for each in ("one", "other")
            ]
            for each in made:
                call = {"request_id": each, "download": True}
                await client.call_tool("get_result", call)
        arguments = {"request_ids": made}
        for unwritable in Path("/sys/seedance-test"), tmp_path / "file" / "videos":
            (tmp_path / "file").touch()
            async with open_server(simulator, state, output_dir=unwritable) as client:
                result = await client.call_tool("join_clips", arguments)
            line = text(result)
            assert result.is_error
            assert line.startswith("Cannot write to ")
            assert f"{unwritable.name} (" in line
            assert line.endswith(
                "): set SEEDANCE_OUTPUT_DIR to a writable folder. Nothing was charged."
            )
        async with open_server(simulator, state, output_dir=tmp_path / "a" / "b") as client:
            result = await client.call_tool("join_clips", arguments)
        saved_file(structured(result)["saved_to"], tmp_path / "a" / "b")
        # Whatever the folder is now, what was made is found.
        async with open_server(simulator, state, output_dir=tmp_path / "c") as client:
            assert structured(await client.call_tool("join_clips", arguments)) == structured(result)


async def test_a_link_comes_if_it_is_asked_for_in_revisions_that_have_links(
    tmp_path: Path,
) -> None:
    seen: list[tuple[str, str, list[str]]] = []
    folders: dict[str, Any] = {
        "state_dir": tmp_path / "state",
        "output_dir": tmp_path / "videos",
    }
    async with open_film(tmp_path) as client:
        request_ids = await make_clips(client, "one", "other")
        for attachments, version in [
            ("preview,link", "2025-06-18"),
            ("preview", "2025-11-25"),
            ("link", "2025-03-26"),
        ]:
            account: dict[str, Any] = {
                "token": client.simulator.token,
                "base_url": client.simulator.url,
                "attachments": attachments,
                **folders,
            }
            server = build_server(Settings(**account), clock=Clock(now=virtual_now))
            async with connect_old_client(server, version) as old:
                result = await old.call("join_clips", request_ids=request_ids)
            path = saved_file(result["structuredContent"]["saved_to"], folders["output_dir"])
            for block in result["content"][1:]:
                assert (block["name"], block["uri"]) == (path.name, path.as_uri())
            seen.append((attachments, version, [block["type"] for block in result["content"]]))
    assert seen == [
        ("preview,link", "2025-06-18", ["text", "resource_link"]),
        ("preview", "2025-11-25", ["text"]),
        ("link", "2025-03-26", ["text"]),
    ]


async def test_over_http_no_clips_are_joined(tmp_path: Path) -> None:
    async with run_simulator() as simulator, open_http_client(simulator, tmp_path) as client:
        listed = await client.request("tools/list", {}, 90)
        params = {"name": "join_clips", "arguments": {"request_ids": ["a", "b"]}}
        called = await client.request("tools/call", params, 91)
        misspelt = await client.request("tools/call", params | {"name": "join_clip"}, 92)
    assert listed
    assert [tool["name"] for tool in listed["result"]["tools"]] == TOOLS[:-1]
    assert called
    assert misspelt
    assert called["error"] == {"code": -32602, "message": "Unknown tool: join_clips"}
    assert misspelt["error"] == {"code": -32602, "message": "Unknown tool: join_clip"}


async def test_a_damaged_record_of_joins_costs_another_join(tmp_path: Path) -> None:
    state, folder = tmp_path / "state", tmp_path / "videos"
    async with open_film(tmp_path) as client:
        one, other = await make_clips(client, "one", "other")
        saved = [structured(await join(client, one, other))["saved_to"]]
        record = state / "joined.json"
        (key,) = json.loads(record.read_text())
        for content in "[]", "{", '{"KEY": {"path": 5}}', '{"KEY": []}':
            record.write_text(content.replace("KEY", key))
            saved.append(structured(await join(client, one, other))["saved_to"])
        assert structured(await join(client, one, other))["saved_to"] == saved[-1]
        assert joined_names(folder) == sorted(saved_file(each, folder).name for each in saved)
        assert len(set(saved)) == 5


@pytest.mark.parametrize(
    "changed",
    [
        {"seconds": float("nan")},
        {"seconds": -1},
        {"seconds": 10**400},
        {"path": "/nowhere/gone.mp4", "state": ""},
    ],
    ids=["not a number", "negative", "huge", "gone"],
)
async def test_an_implausible_record_of_a_join_is_not_believed(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    async with open_film(tmp_path) as client:
        one, other = await make_clips(client, "one", "other")
        made = structured(await join(client, one, other))
        record = tmp_path / "state" / "joined.json"
        ((key, entry),) = json.loads(record.read_text()).items()
        record.write_text(json.dumps({key: entry | changed}))
        anew = structured(await join(client, one, other))
        path = Path(made["saved_to"])
        assert anew == made | {"saved_to": str(path.with_stem(f"{path.stem}-2"))}
