"""A clip that goes on where another ended: which image is sent, and what is refused unpaid."""

import json
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from seedance_mcp.simulator.faults import Fault, RouteName
from seedance_mcp.simulator.server import Simulator
from tests.support.client import IMAGE_URL, open_mcp_client, saved_file, structured, text
from tests.support.film import SIZE, run_film, sent_image
from tests.support.http_client import open_http_client
from tests.support.restarting_server import generate, open_server
from tests.support.task_client import TaskPolling

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

DOWN: tuple[RouteName, ...] = ("result", "status")
FRAME_TEXT = "seedance://jobs/REQUEST_ID/last-frame or .../first-frame"


def frame(request_id: str, which: str = "last") -> str:
    return f"seedance://jobs/{request_id}/{which}-frame"


async def make(client: Client, image: str = IMAGE_URL, **more: Any) -> str:
    """Make a clip, and return its request_id."""
    made = structured(await generate(client, first_frame_image_url=image, **more))
    assert made["status"] == "completed"
    return made["request_id"]


async def refused(client: Client, image: str, **more: Any) -> str:
    """Return why a call with an image is refused."""
    answer = await generate(client, first_frame_image_url=image, **more)
    assert answer.is_error
    return text(answer)


def paid(simulator: Simulator) -> int:
    """Return how many paid requests were sent."""
    return sum(request.route == "submit" for request in simulator.requests)


def files_in(folder: Path, *suffixes: str) -> list[str]:
    """Return the names of all files below a folder that end in one of the suffixes."""
    return sorted(path.name for path in folder.rglob("*") if path.suffix in suffixes)


def damage(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


remove = Path.unlink


def downloads(simulator: Simulator) -> int:
    return sum(request.route == "output" for request in simulator.requests)


@pytest.mark.parametrize("saves", [False, True], ids=["to a temporary folder", "saved"])
async def test_a_film_of_three_shots_goes_on_where_each_shot_ended(
    saves: bool, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    async with (
        run_film() as (simulator, film),
        open_server(
            simulator, tmp_path / "state", auto_download=saves, output_dir=videos
        ) as client,
    ):
        shots = [await make(client)]
        for _ in range(2):
            shots.append(await make(client, frame(shots[-1])))
        assert ([job.request_id for job in simulator.accepted], paid(simulator)) == (shots, 3)
        for before, job in zip(shots, simulator.accepted[1:], strict=False):
            assert film.psnr(job.arguments["first_frame_image_url"], before) > 40
        stem = "2026-01-01-the-mist-drifts-over-the-lake"
        saved = [f"{stem}-{shot[:8]}.mp4" for shot in shots]
        frames = [f"{stem}-{shot[:8]}-last-frame.png" for shot in shots[:2]]
        assert files_in(tmp_path, ".png", ".mp4") == (sorted(saved + frames) if saves else [])
        assert downloads(simulator) == (3 if saves else 2)


async def test_a_clip_that_was_saved_is_not_downloaded_again_and_its_frame_is_kept_once(
    tmp_path: Path,
) -> None:
    async with (
        run_film() as (simulator, film),
        open_server(simulator, tmp_path / "state", output_dir=tmp_path / "videos") as client,
    ):
        first = await make(client)
        result = await client.call_tool("get_result", {"request_id": first, "download": True})
        clip = saved_file(structured(result)["saved_to"], tmp_path / "videos")
        simulator.forget(first)
        image = clip.with_name(f"{clip.stem}-last-frame.png")
        image.write_bytes(b"of another program")
        for number in range(3):
            await make(client, frame(first), prompt=f"Shot {number}.")
        await make(client, frame(first, "first"))
        assert downloads(simulator) == 1
        kept = clip.with_name(f"{clip.stem}-last-frame-2.png")
        names = {clip, image, kept, clip.with_name(f"{clip.stem}-first-frame.png")}
        assert ({*clip.parent.iterdir()}, image.read_bytes()) == (names, b"of another program")
        *last, opening = [job.arguments["first_frame_image_url"] for job in simulator.accepted[1:]]
        assert len({*last}) == 1
        assert (film.psnr(last[0], first) > 40, film.psnr(opening, first) > 40) == (True, False)


async def test_both_frames_of_one_clip_make_a_loop_and_it_alone_is_downloaded_once(
    tmp_path: Path,
) -> None:
    async with (
        run_film(outputs=("videos", "images")) as (simulator, _),
        open_server(simulator, tmp_path) as client,
    ):
        first = await make(client)
        loop = await generate(
            client,
            first_frame_image_url=frame(first),
            last_frame_image_url=f"  {frame(first, 'first')}\n",
        )
        assert structured(loop)["warnings"] == [
            (
                "first_frame_image_url and last_frame_image_url are sent as data; RunComfy"
                " documents only https URLs."
            )
        ]
        sent = simulator.accepted[1].arguments
        images = [sent_image(sent[f"{which}_frame_image_url"]) for which in ("first", "last")]
        assert ([image.size for image in images], downloads(simulator)) == ([SIZE, SIZE], 1)
        assert images[0] != images[1]


async def test_a_clip_that_was_saved_and_is_gone_is_saved_again(tmp_path: Path) -> None:
    async with (
        run_film() as (simulator, _),
        open_server(simulator, tmp_path / "state", output_dir=tmp_path / "videos") as client,
    ):
        first = await make(client)
        result = await client.call_tool("get_result", {"request_id": first, "download": True})
        clip = saved_file(structured(result)["saved_to"], tmp_path / "videos")
        remove(clip)
        await make(client, frame(first))
        assert (paid(simulator), downloads(simulator)) == (2, 2)
        assert clip.name in files_in(clip.parent, ".mp4")


async def test_of_a_job_that_was_saved_with_an_image_the_clip_is_continued(tmp_path: Path) -> None:
    async with (
        run_film(outputs=("videos", "images")) as (simulator, film),
        open_server(simulator, tmp_path) as client,
    ):
        first = await make(client)
        await client.call_tool("get_result", {"request_id": first, "download": True})
        await make(client, frame(first))
        assert film.psnr(simulator.accepted[1].arguments["first_frame_image_url"], first) > 40


async def test_two_calls_at_once_download_a_clip_once(tmp_path: Path) -> None:
    async with run_film() as (simulator, _), open_server(simulator, tmp_path) as client:
        first = await make(client)
        simulator.faults.append(Fault.delay("output", 3))
        async with anyio.create_task_group() as tasks:
            for number in range(2):

                async def continued(prompt: str = f"Shot {number}.") -> None:
                    await make(client, frame(first), prompt=prompt)

                tasks.start_soon(continued)
        assert (paid(simulator), downloads(simulator)) == (3, 1)


async def test_two_servers_that_continue_one_saved_clip_at_once_keep_its_frame_once(
    tmp_path: Path,
) -> None:
    shared: dict[str, Any] = {"output_dir": tmp_path / "videos", "auto_download": True}
    async with (
        run_film() as (simulator, _),
        open_server(simulator, tmp_path / "state", **shared) as one,
        open_server(simulator, tmp_path / "state", **shared) as other,
    ):
        first = await make(one)
        async with anyio.create_task_group() as tasks:
            for client, prompt in (one, "Rain."), (other, "Snow."):

                async def continued(client: Client = client, prompt: str = prompt) -> None:
                    await make(client, frame(first), prompt=prompt)

                tasks.start_soon(continued)
        name = f"2026-01-01-the-mist-drifts-over-the-lake-{first[:8]}-last-frame.png"
        assert (paid(simulator), files_in(tmp_path, ".png", ".part")) == (3, [name])


async def test_no_malformed_uri_is_taken_and_each_is_answered_with_the_form(
    tmp_path: Path,
) -> None:
    malformed = [
        "seedance://jobs/../x/last-frame",
        "seedance://jobs/x/../y/last-frame",
        "seedance://jobs//last-frame",
        "seedance://jobs/x",
        "seedance://jobs",
        "seedance://model/x/last-frame",
        "seedance://example.com/jobs/x/last-frame",
        "seedance://jobs:80/x/last-frame",
        "seedance://me@jobs/x/last-frame",
        "seedance://jobs/x/last-frame?at=3",
        "seedance://jobs/x/last-frame#end",
        "seedance://jobs/x/last-frame/",
        "seedance://jobs/x/middle-frame",
        "seedance://jobs/x/Last-frame",
        "SEEDANCE://jobs/x/last-frame",
        "seedance:jobs/x/last-frame",
        "seedance://jobs/%78/last-frame",
        "seedance://jobs/é/last-frame",
        "seedance://jobs/x\n/last-frame",
        f"seedance://jobs/{'x' * 129}/last-frame",
        f"seedance://jobs/{'x' * 2**20}/last-frame",
    ]
    async with (
        run_film() as (simulator, _),
        open_server(simulator, tmp_path, local_files=True) as client,
    ):
        for uri in malformed:
            why = await refused(client, uri)
            assert why.startswith(f"first_frame_image_url must be {FRAME_TEXT}, with the request")
            assert (why.endswith("Nothing was charged."), len(why) < 300) == (True, True)
        assert {request.route for request in simulator.requests} <= {"catalogue"}


async def test_what_has_no_clip_is_refused_by_what_to_do_and_before_any_money(
    tmp_path: Path,
) -> None:
    async with (
        run_film(run_seconds=60, queue_seconds=0) as (simulator, _),
        open_server(simulator, tmp_path) as client,
    ):
        whys = {"unknown": await refused(client, frame("no-such-job"))}
        running = structured(await generate(client, wait_seconds=0, prompt="Runs."))["request_id"]
        queued = structured(await generate(client, wait_seconds=0, prompt="Waits."))["request_id"]
        await anyio.sleep(1)
        whys |= {
            "in_progress": await refused(client, frame(running)),
            "in_queue": await refused(client, frame(queued)),
        }
        await client.call_tool("cancel_job", {"request_id": queued})
        whys["cancelled"] = await refused(client, frame(queued))
        simulator.behaviour.outcome = "fail"
        failed = structured(await generate(client, wait_seconds=600, prompt="Fails."))["request_id"]
        whys["failed"] = await refused(client, frame(failed))
        assert paid(simulator) == 3
        simulator.behaviour.outcome, simulator.behaviour.outputs = "succeed", ("image",)
        still = structured(await generate(client, wait_seconds=600, prompt="A still."))
        whys["without a video"] = await refused(client, frame(still["request_id"]))
        assert paid(simulator) == 4
    prefix = "first_frame_image_url, the last frame of"
    ended = "until it is completed, then repeat this call. Nothing was charged."
    assert whys == {
        "unknown": (
            f"{prefix} no-such-job: RunComfy does not know this job for your token; list_jobs shows"
            " your jobs. Nothing was charged."
        ),
        "in_progress": (
            f"{prefix} {running}: its job has not ended (in_progress); call check_status with"
            f" request_id {running} {ended}"
        ),
        "in_queue": (
            f"{prefix} {queued}: its job has not ended (in_queue); call check_status with"
            f" request_id {queued} {ended}"
        ),
        "cancelled": (
            f"{prefix} {queued}: its job was cancelled, so there is no clip; use another image."
            " Nothing was charged."
        ),
        "failed": (
            f'{prefix} {failed}: its job failed (RunComfy says: "The model could not make this'
            ' clip."), so there is no clip; use another image. Nothing was charged.'
        ),
        "without a video": (
            f"{prefix} {still['request_id']}: RunComfy lists no video for it; call get_result with"
            f" request_id {still['request_id']} again later. Nothing was charged."
        ),
    }


async def test_a_job_of_another_account_and_one_of_another_origin_are_unknown(
    tmp_path: Path,
) -> None:
    async with (
        run_film() as (simulator, _),
        run_film(request_error=403) as (other, _),
        open_server(simulator, tmp_path) as client,
        open_server(other, tmp_path) as elsewhere,
    ):
        first = await make(client)
        why = await refused(elsewhere, frame(first))
        assert "RunComfy does not know this job for your token" in why
        assert (paid(simulator), paid(other)) == (1, 0)


async def test_a_clip_of_another_machine_is_continued(tmp_path: Path) -> None:
    async with (
        run_film() as (simulator, film),
        open_server(simulator, tmp_path / "one") as client,
        open_server(simulator, tmp_path / "other", check_images=True) as other,
    ):
        first = await make(client)
        await make(other, frame(first))
        assert film.psnr(simulator.accepted[1].arguments["first_frame_image_url"], first) > 40


async def test_a_job_whose_outcome_is_unknown_is_refused(tmp_path: Path) -> None:
    body = json.dumps({"request_id": "odd-1"}).encode()
    async with run_film() as (simulator, _), open_server(simulator, tmp_path) as client:
        simulator.faults.append(Fault.answer("submit", 500, body=body))
        assert structured(await generate(client, wait_seconds=1))["status"] == "unknown"
        assert await refused(client, frame("odd-1"), prompt="Goes on.") == (
            "first_frame_image_url, the last frame of odd-1: whether its job ran is unknown; call"
            " check_status with request_id odd-1. Nothing was charged."
        )
        assert paid(simulator) == 1


@pytest.mark.parametrize("status", [403, 404])
async def test_a_clip_that_cannot_be_downloaded_any_more_is_refused(
    status: int, tmp_path: Path
) -> None:
    async with run_film() as (simulator, _), open_server(simulator, tmp_path) as client:
        first = await make(client)
        simulator.forget(first)
        simulator.faults.append(Fault.answer("output", status, times=9))
        why = await refused(client, frame(first))
        assert why.startswith(
            f"first_frame_image_url, the last frame of {first}: the link to its clip was refused,"
            " and RunComfy has no other one ("
        )
        assert why.endswith(
            "). Save a frame of the clip as an image, if you have it, and pass that. Nothing was"
            " charged."
        )
        # Nothing of it is remembered: a link that works again is used.
        simulator.faults.clear()
        await make(client, frame(first))
        assert paid(simulator) == 2


async def test_while_runcomfy_is_down_a_clip_is_continued_if_its_link_is_known(
    tmp_path: Path,
) -> None:
    async with (
        run_film() as (simulator, _),
        open_server(simulator, tmp_path / "one") as client,
        open_server(simulator, tmp_path / "other") as other,
    ):
        first = await make(client)
        simulator.faults.extend(Fault.drop(each, times=99) for each in DOWN)
        why = await refused(other, frame(first))
        assert why.startswith(
            f"first_frame_image_url, the last frame of {first}: RunComfy did not say where the clip"
            " is ("
        )
        assert why.endswith("); repeat the call later. Nothing was charged.")
        answer = structured(await generate(client, first_frame_image_url=frame(first)))
        assert (answer["status"], paid(simulator), downloads(simulator)) == ("in_queue", 2, 1)


async def test_a_runcomfy_that_hangs_is_waited_for_no_longer_than_the_call(tmp_path: Path) -> None:
    async with (
        run_film() as (simulator, _),
        open_server(simulator, tmp_path / "one") as client,
        open_server(simulator, tmp_path / "other") as other,
    ):
        first = await make(client)
        simulator.faults.extend(Fault.delay(each, 60, times=9) for each in DOWN)
        began = anyio.current_time()
        why = await refused(other, frame(first), wait_seconds=6)
        assert "RunComfy did not say where the clip is" in why
        assert anyio.current_time() - began <= 6


async def test_without_room_for_temporary_files_the_call_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run_film() as (simulator, _), open_server(simulator, tmp_path) as client:
        first = await make(client)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
        assert await refused(client, frame(first)) == (
            f"first_frame_image_url, the last frame of {first}: its files cannot be written or read"
            " (No such file or directory); check the disk with the temporary and the output folder,"
            " then repeat the call. Nothing was charged."
        )
        assert paid(simulator) == 1


async def test_what_is_no_mp4_or_no_clip_is_refused(tmp_path: Path) -> None:
    async with run_film() as (simulator, _), open_server(simulator, tmp_path) as client:
        first = await make(client)
        simulator.faults.append(Fault.answer("output", 200, body=b"<html>Sign in</html>" * 9))
        why = await refused(client, frame(first))
        prefix = f"first_frame_image_url, the last frame of {first}: "
        assert why.startswith(f"{prefix}its clip was not downloaded: ")
        assert "MP4" in why
        simulator.faults.append(Fault.answer("output", 200, body=b"\0\0\0\x18ftypmp42" * 99))
        why = await refused(client, frame(first))
        assert why.startswith(f"{prefix}2026-01-01-the-mist-drifts-over-the-lake-{first[:8]}")
        assert why.endswith("; repeat the call, or use another image. Nothing was charged.")
        assert paid(simulator) == 1
        await make(client, frame(first))
        assert paid(simulator) == 2


async def test_a_saved_clip_that_was_damaged_is_refused_until_it_is_deleted(
    tmp_path: Path,
) -> None:
    async with (
        run_film() as (simulator, _),
        open_server(
            simulator, tmp_path / "state", auto_download=True, output_dir=tmp_path / "videos"
        ) as client,
    ):
        made = structured(await generate(client))
        first = made["request_id"]
        clip = saved_file(made["saved_to"], tmp_path / "videos")
        damage(clip)
        why = await refused(client, frame(first), dry_run=True)
        assert why == await refused(client, frame(first))
        assert why.startswith(f"first_frame_image_url, the last frame of {first}: {clip.name} ")
        assert "Delete the file and download the clip again" in why
        remove(clip)
        await make(client, frame(first))
        # That clip twice, and the one that continues it.
        assert (paid(simulator), downloads(simulator)) == (2, 3)


async def test_without_pyav_the_call_says_what_to_install_and_a_repeated_one_still_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        run_film(render="eager") as (simulator, _),
        open_server(simulator, tmp_path) as client,
    ):
        first = await make(client)
        second = await make(client, frame(first))
        # As where it is not installed.
        monkeypatch.setitem(sys.modules, "av", None)
        again = structured(await generate(client, first_frame_image_url=frame(first)))
        assert (again["request_id"], again["reused"]) == (second, True)
        assert await refused(client, frame(second)) == (
            "Continuing a clip needs PyAV, which is not installed: pip install"
            " 'seedance-mcp[video]' (with uvx: --from 'seedance-mcp[video]' seedance-mcp), then"
            " restart the server. Nothing was charged."
        )
        # Nothing is downloaded for nothing.
        assert (paid(simulator), downloads(simulator)) == (2, 1)


async def test_a_frame_that_the_model_will_not_take_is_refused_by_its_rule(tmp_path: Path) -> None:
    async with (
        run_film(size=(200, 100)) as (simulator, _),
        open_server(simulator, tmp_path, check_images=False) as client,
    ):
        first = await make(client)
        assert await refused(client, frame(first)) == (
            f"first_frame_image_url, the last frame of {first}: The uploaded image width and height"
            " must not be less than 300 pixels. It is 200 x 100 pixels. Nothing was charged."
        )
        assert paid(simulator) == 1


async def test_a_video_and_an_audio_argument_take_no_frame(tmp_path: Path) -> None:
    async with (
        run_film() as (simulator, _),
        open_server(simulator, tmp_path, model="2.0-pro") as client,
    ):
        for name, kind in ("videos", "video"), ("audios", "audio"):
            answer = await client.call_tool(
                "generate_video", {"prompt": "Rain.", name: [frame("x")]}
            )
            assert text(answer) == (
                f"{name}[0] must be the public https URL of its {kind}: the frame of a clip is an"
                " image. Nothing was charged."
            )
        assert {request.route for request in simulator.requests} <= {"catalogue"}


async def test_an_item_of_a_list_takes_a_frame(tmp_path: Path) -> None:
    async with (
        run_film() as (simulator, film),
        open_server(simulator, tmp_path, model="lite,2.0-pro") as client,
    ):
        first = await make(client)
        arguments = {"prompt": "Rain.", "images": [IMAGE_URL, frame(first)]}
        made = await client.call_tool("generate_video_2_0_pro", arguments)
        assert structured(made)["status"] == "completed"
        given, sent = simulator.accepted[1].arguments["images"]
        assert (given, film.psnr(sent, first) > 40) == (IMAGE_URL, True)


@pytest.mark.parametrize("refuse", [False, True])
async def test_a_job_that_is_continued_is_acknowledged_also_where_the_call_is_refused(
    refuse: bool, tmp_path: Path
) -> None:
    size = (200, 100) if refuse else SIZE
    async with run_film(size=size) as (simulator, _), open_server(simulator, tmp_path) as client:
        first = await make(client)
        assert structured(await generate(client))["reused"] is True
        answer = await generate(client, first_frame_image_url=frame(first))
        assert answer.is_error is refuse
        anew = structured(await generate(client))
        assert (anew["reused"], anew["request_id"] == first) == (False, False)


async def test_each_of_two_jobs_that_are_continued_is_acknowledged(tmp_path: Path) -> None:
    async with run_film() as (simulator, _), open_server(simulator, tmp_path) as client:
        made = [await make(client, prompt=prompt) for prompt in ("One.", "Other.")]
        begin, end = map(frame, made)
        await make(client, begin, last_frame_image_url=end, prompt="From one to the other.")
        anew = [await make(client, prompt=prompt) for prompt in ("One.", "Other.")]
        assert (set(made) & set(anew), paid(simulator)) == (set(), 5)


async def test_the_same_call_is_the_same_job_whatever_becomes_of_the_clip(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    async with run_film() as (simulator, _):
        async with open_server(
            simulator, tmp_path / "state", auto_download=True, output_dir=videos
        ) as client:
            first = await make(client)
            second = await make(client, frame(first))

            async def again(image: str = frame(first), **more: Any) -> tuple[bool, bool]:
                made = structured(await generate(client, first_frame_image_url=image, **more))
                return made["request_id"] == second, made["reused"]

            assert await again() == (True, True)
            assert await again(f' "{frame(first)}"\n') == (True, True)
            # What counts is the job that is continued, not the bytes.
            (image,) = videos.glob("*-last-frame.png")
            image.write_bytes(b"changed")
            assert await again() == (True, True)
            shutil.rmtree(videos)
            simulator.forget(first)
            simulator.faults.append(Fault.answer("output", 404, times=9))
            assert await again() == (True, True)
        async with open_server(simulator, tmp_path / "state", output_dir=videos) as client:
            assert await again() == (True, True)
            simulator.faults.clear()
            assert await again(frame(first, "first")) == (False, False)
        assert paid(simulator) == 3


async def test_the_ledger_has_the_job_that_is_continued_and_not_its_image(
    tmp_path: Path,
) -> None:
    async with run_film() as (simulator, _), open_server(simulator, tmp_path) as client:
        first = await make(client)
        await make(client, frame(first))
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger:
        rows = ledger.execute("SELECT * FROM jobs ORDER BY created_at").fetchall()
        files = ledger.execute("SELECT files FROM jobs ORDER BY created_at").fetchall()
    assert "base64,i" not in str(rows)
    assert [json.loads(each) for (each,) in files] == [
        {},
        {"first_frame_image_url": ["", frame(first)]},
    ]


async def test_a_call_that_is_cancelled_while_a_clip_is_downloaded_buys_nothing(
    tmp_path: Path,
) -> None:
    async with run_film() as (simulator, _), open_server(simulator, tmp_path) as client:
        first = await make(client)
        simulator.faults.append(Fault.delay("output", 20))
        with anyio.move_on_after(5):
            await generate(client, first_frame_image_url=frame(first))
        await anyio.sleep(60)
        assert paid(simulator) == 1
        # The download went on.
        await make(client, frame(first), prompt="Rain.")
        assert (paid(simulator), downloads(simulator)) == (2, 1)


async def test_a_slow_download_ends_in_an_answer_and_a_repeated_call_goes_on_with_it(
    tmp_path: Path,
) -> None:
    async with run_film() as (simulator, _), open_server(simulator, tmp_path) as client:
        first = await make(client)
        simulator.faults.append(Fault.delay("output", 29))
        began = anyio.current_time()
        why = await refused(client, frame(first), wait_seconds=20)
        assert why == (
            f"first_frame_image_url, the last frame of {first}: its clip is still being downloaded"
            " (0 bytes); repeat the call. Nothing was charged."
        )
        assert 17 < anyio.current_time() - began <= 20
        await make(client, frame(first))
        assert (paid(simulator), downloads(simulator)) == (2, 1)


async def test_over_http_where_local_files_are_off_a_clip_is_continued(tmp_path: Path) -> None:
    async with (
        run_film() as (simulator, film),
        open_http_client(simulator, tmp_path) as client,
    ):
        shots: list[str] = []
        for image in (IMAGE_URL, None):
            arguments = {"prompt": "Rain.", "first_frame_image_url": image or frame(shots[0])}
            made = await client.call("generate_video", **arguments)
            shots.append(made["structuredContent"]["request_id"])
        assert [job.request_id for job in simulator.accepted] == shots
        assert film.psnr(simulator.accepted[1].arguments["first_frame_image_url"], shots[0]) > 40
        assert (paid(simulator), files_in(tmp_path, ".png", ".mp4")) == (2, [])


async def test_a_task_continues_a_clip_and_the_same_call_is_the_same_task(tmp_path: Path) -> None:
    polling = TaskPolling()
    async with (
        run_film(run_seconds=30) as (simulator, film),
        open_mcp_client(
            tmp_path,
            mode="auto",
            extensions=[polling],
            token=simulator.token,
            base_url=simulator.url,
        ) as client,
    ):
        first = await make(client)
        second = await make(client, frame(first))
        assert [created.task_id for created in polling.created] == [first, second]
        assert film.psnr(simulator.accepted[1].arguments["first_frame_image_url"], first) > 40
        answer = await generate(client, first_frame_image_url=frame("no-such-job"))
        assert (answer.is_error, paid(simulator)) == (True, 2)


async def test_a_result_says_how_to_continue_its_clip(tmp_path: Path) -> None:
    async with run_film() as (simulator, _), open_server(simulator, tmp_path) as client:
        first = await make(client)
        # What is to be done about a download comes first.
        simulator.faults.append(Fault.delay("output", 50, times=9))
        call = {"request_id": first, "download": True}
        waiting = structured(await client.call_tool("get_result", call))
        assert waiting["next_step"].endswith("and download true to continue.")
        result = structured(await client.call_tool("get_result", {"request_id": first}))
        assert result["next_step"].endswith(f"To continue it, pass {frame(first)} as an image.")
    async with (
        run_film() as (simulator, _),
        open_server(simulator, tmp_path, model="2.5-text-480p") as client,
    ):
        made = structured(await client.call_tool("generate_video", {"prompt": "Rain."}))
        request = {"request_id": made["request_id"]}
        result = structured(await client.call_tool("get_result", request))
        assert (len(result["videos"]), "seedance://" in result["next_step"]) == (1, False)
