import asyncio
import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from seedance_mcp.outputs._part_file import MAX_OUTPUT_BYTES
from seedance_mcp.outputs.download import file_exists
from tests.support.clip_host import LAST_MODIFIED, ClipHost, Reply, mp4, serve_clip
from tests.support.download_scene import JOB, NAME, PAID, Scene

pytestmark = pytest.mark.anyio

CLIP = mp4(300_000)
HALF = 150_000
ETAG = '"v1"'
TAGGED = {"ETag": ETAG}
NOTHING: Mapping[str, str] = {}
ALL = (None, None)


async def saved(
    folder: Path, *ways: Reply, content: bytes = CLIP, validators: Mapping[str, str] = NOTHING
) -> tuple[str, Scene, ClipHost]:
    """Save the clip of a host that answers in these ways; give what came of it."""
    async with serve_clip(content, **validators) as host:
        host.ways += ways
        scene = Scene(folder, host.url)
        with anyio.fail_after(20):
            return await scene.save(), scene, host


async def test_a_clip_is_saved_whole_in_a_folder_that_is_made_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "videos" / "seedance"
    name, scene, host = await saved(folder)
    assert name == f"{NAME}.mp4"
    assert (folder / name).read_bytes() == CLIP
    assert scene.files == {name: 300_000}
    assert file_exists(folder / name)
    assert [seen.range for seen in host.seen] == [ALL]


async def test_progress_is_in_bytes_and_rises_to_the_real_total(tmp_path: Path) -> None:
    _, scene, _ = await saved(tmp_path)
    assert scene.reports == sorted(set(scene.reports))
    assert scene.reports[-1] == (300_000, 300_000)
    assert {total for _, total in scene.reports} == {300_000}


@pytest.mark.parametrize("length", ["chunked", "closed"])
async def test_a_clip_of_untold_length_is_saved(tmp_path: Path, length: str) -> None:
    way = Reply(length="chunked") if length == "chunked" else Reply(length="closed")
    name, scene, _ = await saved(tmp_path, way)
    assert (tmp_path / name).read_bytes() == CLIP
    assert {total for _, total in scene.reports} == {None}


async def test_nothing_is_sent_but_the_question(tmp_path: Path) -> None:
    _, _, host = await saved(tmp_path, Reply(headers={"Set-Cookie": "a=b"}, drop_after=HALF))
    names = {"host", "accept", "accept-encoding", "connection", "user-agent"}
    assert [set(seen.headers) for seen in host.seen] == [names, names]
    assert [seen.headers["accept-encoding"] for seen in host.seen] == ["identity"] * 2


@pytest.mark.parametrize(
    ("validators", "condition"),
    [
        ({"ETag": ETAG}, ETAG),
        ({"Last_Modified": LAST_MODIFIED}, LAST_MODIFIED),
        ({"ETag": ETAG, "Last_Modified": LAST_MODIFIED}, ETAG),
        ({"ETag": 'W/"v1"', "Last_Modified": LAST_MODIFIED}, LAST_MODIFIED),
    ],
)
async def test_after_a_drop_only_what_is_missing_comes(
    tmp_path: Path, validators: dict[str, str], condition: str
) -> None:
    name, scene, host = await saved(tmp_path, Reply(drop_after=HALF), validators=validators)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [seen.range for seen in host.seen] == [ALL, (f"bytes={HALF}-", condition)]
    assert host.served == len(CLIP)
    assert scene.time.pauses == [0.375]
    assert scene.files == {name: 300_000}


@pytest.mark.parametrize("validators", [{}, {"ETag": 'W/"v1"'}])
async def test_all_comes_again_where_nothing_tells_one_content_from_another(
    tmp_path: Path, validators: dict[str, str]
) -> None:
    name, _, host = await saved(tmp_path, Reply(drop_after=HALF), validators=validators)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [seen.range for seen in host.seen] == [ALL, ALL]


@pytest.mark.parametrize(
    "again", [Reply(ranges="ignored"), Reply(ranges="shifted"), Reply(status=416)]
)
async def test_a_host_that_cannot_go_on_sends_all_again(tmp_path: Path, again: Reply) -> None:
    name, _, host = await saved(tmp_path, Reply(drop_after=HALF), again, validators=TAGGED)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [seen.range for seen in host.seen[:2]] == [ALL, (f"bytes={HALF}-", ETAG)]
    assert [seen.range for seen in host.seen[2:]] == ([] if again.ranges == "ignored" else [ALL])


@pytest.mark.parametrize(
    "another",
    [
        Reply(ranges="forced", headers={"ETag": '"v2"'}),
        Reply(ranges="forced", headers={"Content-Range": "bytes 150000-299999/300001"}),
        Reply(ranges="forced", headers={"Content-Range": "bytes 150000-299999/9" + 19 * "9"}),
        Reply(ranges="forced", headers={"Content-Range": "nonsense"}),
    ],
)
async def test_a_part_of_another_content_is_never_put_to_the_first(
    tmp_path: Path, another: Reply
) -> None:
    name, _, host = await saved(tmp_path, Reply(drop_after=HALF), another, validators=TAGGED)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [seen.range for seen in host.seen] == [ALL, (f"bytes={HALF}-", ETAG), ALL]


async def test_a_total_that_is_learned_with_a_range_is_held(tmp_path: Path) -> None:
    ways = Reply(drop_after=HALF, length="chunked"), Reply(drop_after=10)
    name, scene, host = await saved(tmp_path, *ways, validators=TAGGED)
    assert (tmp_path / name).read_bytes() == CLIP
    assert host.served == len(CLIP)
    assert scene.reports[0][1] is None
    assert scene.reports[-1] == (300_000, 300_000)


async def test_a_host_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    name, scene, _ = await saved(
        tmp_path, Reply(status=503), Reply(status=429), Reply(drop_after=0)
    )
    assert (tmp_path / name).read_bytes() == CLIP
    assert scene.time.pauses == [0.375, 0.75, 1.5]


async def test_it_goes_on_for_as_long_as_every_attempt_brings_something(tmp_path: Path) -> None:
    clip = mp4(1_000_000)
    name, scene, host = await saved(
        tmp_path, *[Reply(drop_after=100_000)] * 9, content=clip, validators=TAGGED
    )
    assert (tmp_path / name).read_bytes() == clip
    assert host.served == len(clip)
    assert scene.time.pauses == [0.375] * 9


async def test_four_attempts_in_vain_end_it_and_what_came_is_kept_for_the_next_time(
    tmp_path: Path,
) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        host.ways += [Reply(drop_after=HALF), *[Reply(drop_after=0)] * 3]
        scene = Scene(tmp_path, host.url)
        assert await scene.save() == (
            "127.0.0.1 did not send the whole clip (RemoteProtocolError); call again to resume the"
            f" download. {PAID}"
        )
        assert scene.files == {f"{NAME}.part": HALF, f"{NAME}.part.json": 0}
        assert await scene.save() == f"{NAME}.mp4"
        assert scene.files == {f"{NAME}.mp4": 300_000}
        assert host.served == len(CLIP)
    assert (tmp_path / f"{NAME}.mp4").read_bytes() == CLIP


async def leave_half(scene: Scene, host: ClipHost) -> None:
    """Leave half a clip in the folder."""
    host.ways += [Reply(drop_after=HALF), *[Reply(drop_after=0)] * 3]
    assert "did not send the whole clip" in await scene.save()
    host.seen.clear()


async def test_what_another_content_left_is_not_gone_on_from(tmp_path: Path) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        await leave_half(scene, host)
        host.content, host.validators = mp4(300_000, seed=2), {"ETag": '"v2"'}
        assert await scene.save() == f"{NAME}.mp4"
        assert [seen.range for seen in host.seen] == [(f"bytes={HALF}-", ETAG)]
        assert (tmp_path / f"{NAME}.mp4").read_bytes() == host.content


async def test_what_another_job_or_place_left_is_not_gone_on_from(tmp_path: Path) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        await leave_half(scene, host)
        assert await scene.save("/b.mp4") == f"{NAME}.mp4"
        await leave_half(scene, host)
        assert await scene.save("/a.mp4?signature=new") == f"{NAME}-2.mp4"
        assert [seen.range for seen in host.seen] == [(f"bytes={HALF}-", ETAG)]


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"a": 1}', b"\xff"])
async def test_what_has_no_readable_note_is_not_gone_on_from(tmp_path: Path, note: bytes) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        await leave_half(scene, host)
        (tmp_path / f"{NAME}.part.json").write_bytes(note)
        assert await scene.save() == f"{NAME}.mp4"
        assert [seen.range for seen in host.seen] == [ALL]
        assert scene.files == {f"{NAME}.mp4": 300_000}


ORIGIN = f"{JOB.request_id} 1 URL/a.mp4"
CORRUPT = {
    "a validator that is no text": {"origin": ORIGIN, "validator": 5},
    "a validator that is no ASCII": {"origin": ORIGIN, "validator": '"\xe9"'},
    "a validator of two lines": {"origin": ORIGIN, "validator": "a\r\nb: c"},
    "a length that is no number": {"origin": ORIGIN, "total": "z"},
    "a length that is no length": {"origin": ORIGIN, "total": -1},
    "a name that is a path": {"origin": ORIGIN, "named": "../a.mp4", "total": 300_000},
    "a name that is no name": {"origin": ORIGIN, "named": "a\0b", "total": 300_000},
}


@pytest.mark.parametrize("what", [*CORRUPT, "depth"])
async def test_a_corrupt_note_is_as_none(tmp_path: Path, what: str) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        await leave_half(scene, host)
        note = json.dumps(CORRUPT[what]) if what in CORRUPT else "[" * 100_000
        (tmp_path / f"{NAME}.part.json").write_text(note.replace("URL", host.url))
        assert await scene.save() == f"{NAME}.mp4"
        assert [seen.range for seen in host.seen] == [ALL]
        assert (tmp_path / f"{NAME}.mp4").read_bytes() == CLIP


@pytest.mark.parametrize(
    ("validators", "condition"),
    [
        ({"ETag": '"\xe9"'}, ALL),
        ({"ETag": '"\xe9"', "Last_Modified": LAST_MODIFIED}, (f"bytes={HALF}-", LAST_MODIFIED)),
        ({"Last_Modified": "gestern fr\xfch"}, ALL),
        ({"ETag": "a\tb"}, ALL),
    ],
)
async def test_only_what_a_header_can_hold_is_sent_back(
    tmp_path: Path, validators: dict[str, str], condition: tuple[str | None, str | None]
) -> None:
    name, _, host = await saved(tmp_path, Reply(drop_after=HALF), validators=validators)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [seen.range for seen in host.seen] == [ALL, condition]


async def test_a_clip_whose_place_could_not_be_written_down_is_found_again(tmp_path: Path) -> None:
    async with serve_clip(CLIP) as host:
        scene = Scene(tmp_path, host.url, recorded=False)
        for _ in range(3):
            assert await scene.save() == f"{NAME}.mp4"
        assert scene.files == {f"{NAME}.mp4": 300_000, f"{NAME}.part.json": 0}
        scene.recorded = True
        assert await scene.save() == f"{NAME}.mp4"
        assert scene.files == {f"{NAME}.mp4": 300_000}
        assert len(host.seen) == 1


async def test_a_clip_that_lacks_only_its_name_is_not_fetched_again(tmp_path: Path) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        await leave_half(scene, host)
        (tmp_path / f"{NAME}.part").write_bytes(CLIP)
        assert await scene.save() == f"{NAME}.mp4"
        assert host.seen == []


async def test_a_file_that_a_part_is_another_name_of_is_left_alone(tmp_path: Path) -> None:
    # As a crash between the two steps of naming leaves it, or somebody's symbolic link.
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        for other in "linked", "symbolic":
            await leave_half(scene, host)
            (tmp_path / f"{NAME}.part").rename(tmp_path / other)
        os.link(tmp_path / "linked", tmp_path / f"{NAME}.part")
        assert await scene.save() == f"{NAME}.mp4"
        await leave_half(scene, host)
        (tmp_path / f"{NAME}.part").unlink()
        (tmp_path / f"{NAME}.part").symlink_to(tmp_path / "symbolic")
        assert await scene.save() == f"{NAME}-2.mp4"
        clips = {f"{NAME}.mp4": 300_000, f"{NAME}-2.mp4": 300_000}
        assert scene.files == clips | {"linked": HALF, "symbolic": HALF}


async def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.mp4").write_bytes(b"mine")
    (tmp_path / f"{NAME}-2.mp4").symlink_to("nowhere")
    (tmp_path / f"{NAME}-3.mp4").mkdir()
    name, _, _ = await saved(tmp_path)
    assert name == f"{NAME}-4.mp4"
    assert (tmp_path / f"{NAME}.mp4").read_bytes() == b"mine"
    assert (tmp_path / name).read_bytes() == CLIP


async def test_the_same_clip_saved_many_times_at_once_gives_as_many_whole_files(
    tmp_path: Path,
) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        names = await asyncio.gather(*(scene.save() for _ in range(8)))
    assert sorted(names) == sorted([f"{NAME}.mp4", *(f"{NAME}-{n}.mp4" for n in range(2, 9))])
    assert scene.files == dict.fromkeys(names, 300_000)
    assert {(tmp_path / name).read_bytes() for name in names} == {CLIP}


async def test_a_call_that_is_cancelled_leaves_what_came(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "")
    async with serve_clip(CLIP, ETag=ETAG) as host, anyio.create_task_group() as tasks:
        host.ways.append(Reply(hang_after=HALF))
        scene.base_url = host.url
        tasks.start_soon(scene.save)
        with anyio.fail_after(10):
            while scene.reports[-1:] != [(HALF, 300_000)]:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert scene.files == {f"{NAME}.part": HALF, f"{NAME}.part.json": 0}


NO_MP4 = f"The download was not an MP4 and was discarded. {PAID}"
LESS = (
    "127.0.0.1 did not send the whole clip (it sent less than announced); call again to resume the"
    f" download. {PAID}"
)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"<!doctype html><title>Sign in</title>", NO_MP4),
        (b'{"error": "no such clip"}', NO_MP4),
        (b"\0\0\0\x18fty", NO_MP4),
        (b"", LESS),
    ],
)
async def test_what_is_no_clip_is_not_kept(tmp_path: Path, content: bytes, line: str) -> None:
    said, scene, _ = await saved(tmp_path, content=content)
    assert said == line
    assert scene.files == {}


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_refusal_says_what_to_do(tmp_path: Path, status: int) -> None:
    said, scene, host = await saved(tmp_path, Reply(status=status))
    assert said == (
        f"127.0.0.1 refused the download ({status}): the link may have expired; call get_result"
        f" for a new one. {PAID}"
    )
    assert len(host.seen) == 1
    assert scene.files == {}


@pytest.mark.parametrize("status", [204, 304, 400, 418, 501])
async def test_an_answer_that_is_none_is_said_as_it_is(tmp_path: Path, status: int) -> None:
    said, _, host = await saved(tmp_path, Reply(status=status))
    assert said == f"127.0.0.1 answered {status} instead of sending the clip. {PAID}"
    assert len(host.seen) == 1


async def test_nobody_there_is_found_out_four_times(tmp_path: Path) -> None:
    async with serve_clip(CLIP) as host:
        pass
    scene = Scene(tmp_path, host.url)
    assert await scene.save() == (
        "127.0.0.1 did not send the whole clip (ConnectError); call again to resume the"
        f" download. {PAID}"
    )
    assert scene.time.pauses == [0.375, 0.75, 1.5]


TOO_LARGE = f"The clip is larger than 2 GiB, the limit for downloads. {PAID}"


async def test_a_clip_that_promises_to_be_too_long_is_not_begun(tmp_path: Path) -> None:
    way = Reply(headers={"Content-Length": str(MAX_OUTPUT_BYTES + 1)}, length="closed")
    said, scene, _ = await saved(tmp_path, way)
    assert said == TOO_LARGE
    assert scene.files == {}
    assert scene.reports == []


async def test_a_clip_that_turns_out_to_be_too_long_is_not_kept(tmp_path: Path) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        host.ways += [Reply(drop_after=HALF, length="chunked"), *[Reply(status=503)] * 3]
        await scene.save()
        # As if most of it had come: a hole in a file.
        os.truncate(tmp_path / f"{NAME}.part", MAX_OUTPUT_BYTES - 1000)
        rest = {"Content-Range": f"bytes {MAX_OUTPUT_BYTES - 1000}-{MAX_OUTPUT_BYTES}/*"}
        host.ways.append(Reply(status=206, headers=rest, body=bytes(1001), length="chunked"))
        assert await scene.save() == TOO_LARGE
        assert scene.files == {}


async def test_more_than_was_promised_is_not_believed(tmp_path: Path) -> None:
    promise = {"Content-Range": f"bytes {HALF}-299999/300000"}
    longer = Reply(status=206, headers=promise, body=CLIP[HALF:] + b"more", length="chunked")
    name, _, host = await saved(tmp_path, Reply(drop_after=HALF), longer, validators=TAGGED)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [seen.range for seen in host.seen] == [ALL, (f"bytes={HALF}-", ETAG), ALL]


async def test_a_range_that_ends_early_is_followed_by_another(tmp_path: Path) -> None:
    promise = {"Content-Range": f"bytes {HALF}-199999/300000"}
    shorter = Reply(status=206, headers=promise, body=CLIP[HALF:200_000])
    name, _, host = await saved(tmp_path, Reply(drop_after=HALF), shorter, validators=TAGGED)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [seen.range[0] for seen in host.seen] == [None, f"bytes={HALF}-", "bytes=200000-"]


async def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "videos"
    said, _, host = await saved(folder)
    why = os.strerror(errno.ENOTDIR)
    assert said == (
        f"Cannot write to {folder} ({why}): set SEEDANCE_OUTPUT_DIR to a writable folder. {PAID}"
    )
    assert host.seen == []


def test_what_is_gone_or_empty_or_no_file_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "full").write_bytes(b"x")
    names = ["nothing", "empty", "full", "full/below", "x" * 300, "a\0b", ""]
    assert [name for name in names if file_exists(tmp_path / name)] == ["full"]
