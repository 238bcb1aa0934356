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
from tests.support.download_scene import JOB, NAME, Scene
from tests.support.file_systems import CAN_FORBID_LOCKS, run_without_locks
from tests.support.timeouts import TIMEOUT_SECONDS
from tests.support.wording import INCOMPLETE, PAID_FOR

pytestmark = pytest.mark.anyio

CLIP = mp4(300_000)
HALF = 150_000
ETAG = '"v1"'
TAGGED = {"ETag": ETAG}
NOTHING: Mapping[str, str] = {}
ALL = (None, None)


async def download(
    folder: Path, *replies: Reply, content: bytes = CLIP, validators: Mapping[str, str] = NOTHING
) -> tuple[str, Scene, ClipHost]:
    """Download from a host with these replies; return the file's name or the error's line, too."""
    async with serve_clip(content, **validators) as host:
        host.replies += replies
        scene = Scene(folder, host.url)
        with anyio.fail_after(TIMEOUT_SECONDS):
            return await scene.download(), scene, host


async def test_a_clip_is_downloaded_to_a_folder_that_is_created_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "videos" / "seedance"
    name, scene, host = await download(folder)
    assert name == f"{NAME}.mp4"
    assert (folder / name).read_bytes() == CLIP
    assert scene.files == {name: 300_000}
    assert file_exists(folder / name)
    assert [request.range for request in host.requests] == [ALL]


async def test_progress_is_in_bytes_and_rises_to_the_real_total(tmp_path: Path) -> None:
    _, scene, _ = await download(tmp_path)
    assert scene.progress == sorted(set(scene.progress))
    assert scene.progress[-1] == (300_000, 300_000)
    assert {total for _, total in scene.progress} == {300_000}


@pytest.mark.parametrize("length", ["chunked", "closed"])
async def test_a_clip_of_unknown_length_is_downloaded(tmp_path: Path, length: str) -> None:
    reply = Reply(length="chunked") if length == "chunked" else Reply(length="closed")
    name, scene, _ = await download(tmp_path, reply)
    assert (tmp_path / name).read_bytes() == CLIP
    assert {total for _, total in scene.progress} == {None}


async def test_requests_carry_no_cookies_and_no_other_headers(tmp_path: Path) -> None:
    _, _, host = await download(tmp_path, Reply(headers={"Set-Cookie": "a=b"}, drop_after=HALF))
    names = {"host", "accept", "accept-encoding", "connection", "user-agent"}
    assert [set(request.headers) for request in host.requests] == [names, names]
    assert [request.headers["accept-encoding"] for request in host.requests] == ["identity"] * 2


@pytest.mark.parametrize(
    ("validators", "condition"),
    [
        ({"ETag": ETAG}, ETAG),
        ({"Last_Modified": LAST_MODIFIED}, LAST_MODIFIED),
        ({"ETag": ETAG, "Last_Modified": LAST_MODIFIED}, ETAG),
        ({"ETag": 'W/"v1"', "Last_Modified": LAST_MODIFIED}, LAST_MODIFIED),
    ],
)
async def test_after_a_drop_only_the_missing_bytes_are_requested(
    tmp_path: Path, validators: dict[str, str], condition: str
) -> None:
    name, scene, host = await download(tmp_path, Reply(drop_after=HALF), validators=validators)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [request.range for request in host.requests] == [ALL, (f"bytes={HALF}-", condition)]
    assert host.served == len(CLIP)
    assert scene.time.pauses == [0.375]
    assert scene.files == {name: 300_000}


@pytest.mark.parametrize("validators", [{}, {"ETag": 'W/"v1"'}])
async def test_without_a_validator_a_drop_restarts_the_download(
    tmp_path: Path, validators: dict[str, str]
) -> None:
    name, _, host = await download(tmp_path, Reply(drop_after=HALF), validators=validators)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [request.range for request in host.requests] == [ALL, ALL]


@pytest.mark.parametrize("status", [400, 403, 405, 412, 501])
async def test_a_host_that_refuses_ranges_is_asked_for_the_whole_clip(
    tmp_path: Path, status: int
) -> None:
    refused = Reply(status=status)
    name, scene, host = await download(tmp_path, Reply(drop_after=HALF), refused, validators=TAGGED)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [request.range for request in host.requests] == [ALL, (f"bytes={HALF}-", ETAG), ALL]
    assert scene.time.pauses == [0.375]


async def test_a_part_is_kept_where_its_link_is_refused_with_and_without_a_range(
    tmp_path: Path,
) -> None:
    refused = Reply(status=403)
    result, scene, host = await download(
        tmp_path, Reply(drop_after=HALF), refused, refused, validators=TAGGED
    )
    assert result.startswith("127.0.0.1 refused the download (403)")
    assert [request.range for request in host.requests] == [ALL, (f"bytes={HALF}-", ETAG), ALL]
    assert HALF in scene.files.values()


@pytest.mark.parametrize(
    "again", [Reply(ranges="ignored"), Reply(ranges="shifted"), Reply(status=416)]
)
async def test_a_host_that_cannot_resume_sends_the_whole_clip_again(
    tmp_path: Path, again: Reply
) -> None:
    name, _, host = await download(tmp_path, Reply(drop_after=HALF), again, validators=TAGGED)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [request.range for request in host.requests[:2]] == [ALL, (f"bytes={HALF}-", ETAG)]
    assert [request.range for request in host.requests[2:]] == (
        [] if again.ranges == "ignored" else [ALL]
    )


@pytest.mark.parametrize(
    "another",
    [
        Reply(ranges="forced", headers={"ETag": '"v2"'}),
        Reply(ranges="forced", headers={"Content-Range": "bytes 150000-299999/300001"}),
        Reply(ranges="forced", headers={"Content-Range": "bytes 150000-299999/9" + 19 * "9"}),
        Reply(ranges="forced", headers={"Content-Range": "nonsense"}),
    ],
)
async def test_a_part_of_another_content_is_never_appended(tmp_path: Path, another: Reply) -> None:
    name, _, host = await download(tmp_path, Reply(drop_after=HALF), another, validators=TAGGED)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [request.range for request in host.requests] == [ALL, (f"bytes={HALF}-", ETAG), ALL]


async def test_a_total_learned_from_a_range_is_kept(tmp_path: Path) -> None:
    replies = Reply(drop_after=HALF, length="chunked"), Reply(drop_after=10)
    name, scene, host = await download(tmp_path, *replies, validators=TAGGED)
    assert (tmp_path / name).read_bytes() == CLIP
    assert host.served == len(CLIP)
    assert scene.progress[0][1] is None
    assert scene.progress[-1] == (300_000, 300_000)


async def test_a_busy_host_is_retried_with_back_off(tmp_path: Path) -> None:
    name, scene, _ = await download(
        tmp_path, Reply(status=503), Reply(status=429), Reply(drop_after=0)
    )
    assert (tmp_path / name).read_bytes() == CLIP
    assert scene.time.pauses == [0.375, 0.75, 1.5]


async def test_attempts_continue_as_long_as_each_makes_progress(tmp_path: Path) -> None:
    clip = mp4(1_000_000)
    name, scene, host = await download(
        tmp_path, *[Reply(drop_after=100_000)] * 9, content=clip, validators=TAGGED
    )
    assert (tmp_path / name).read_bytes() == clip
    assert host.served == len(clip)
    assert scene.time.pauses == [0.375] * 9


async def test_after_four_failed_attempts_the_part_is_kept_for_the_next_call(
    tmp_path: Path,
) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        host.replies += [Reply(drop_after=HALF), *[Reply(drop_after=0)] * 3]
        scene = Scene(tmp_path, host.url)
        assert await scene.download() == (
            f"127.0.0.1 {INCOMPLETE} (RemoteProtocolError); call again to resume the download."
            f" {PAID_FOR}"
        )
        assert scene.files == {f"{NAME}.part": HALF, f"{NAME}.part.json": 0}
        assert await scene.download() == f"{NAME}.mp4"
        assert scene.files == {f"{NAME}.mp4": 300_000}
        assert host.served == len(CLIP)
    assert (tmp_path / f"{NAME}.mp4").read_bytes() == CLIP


async def leave_half(scene: Scene, host: ClipHost) -> None:
    """Leave half of a clip in the folder."""
    host.replies += [Reply(drop_after=HALF), *[Reply(drop_after=0)] * 3]
    assert INCOMPLETE in await scene.download()
    host.requests.clear()


async def test_a_part_of_changed_content_is_not_resumed(tmp_path: Path) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        await leave_half(scene, host)
        host.content, host.validators = mp4(300_000, seed=2), {"ETag": '"v2"'}
        assert await scene.download() == f"{NAME}.mp4"
        assert [request.range for request in host.requests] == [(f"bytes={HALF}-", ETAG)]
        assert (tmp_path / f"{NAME}.mp4").read_bytes() == host.content


async def test_a_part_of_another_job_or_url_is_not_resumed(tmp_path: Path) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        await leave_half(scene, host)
        assert await scene.download("/b.mp4") == f"{NAME}.mp4"
        await leave_half(scene, host)
        assert await scene.download("/a.mp4?signature=new") == f"{NAME}-2.mp4"
        assert [request.range for request in host.requests] == [(f"bytes={HALF}-", ETAG)]


@pytest.mark.parametrize("metadata", [b"", b"{", b"[]", b'{"a": 1}', b"\xff"])
async def test_a_part_with_unreadable_metadata_is_not_resumed(
    tmp_path: Path, metadata: bytes
) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        await leave_half(scene, host)
        (tmp_path / f"{NAME}.part.json").write_bytes(metadata)
        assert await scene.download() == f"{NAME}.mp4"
        assert [request.range for request in host.requests] == [ALL]
        assert scene.files == {f"{NAME}.mp4": 300_000}


ORIGIN = f"{JOB.request_id} 1 URL/a.mp4"
CORRUPT = {
    "a validator that is not text": {"origin": ORIGIN, "validator": 5},
    "a validator that is not ASCII": {"origin": ORIGIN, "validator": '"\xe9"'},
    "a validator of two lines": {"origin": ORIGIN, "validator": "a\r\nb: c"},
    "a length that is not a number": {"origin": ORIGIN, "total": "z"},
    "a negative length": {"origin": ORIGIN, "total": -1},
    "a name that is a path": {"origin": ORIGIN, "named": "../a.mp4", "total": 300_000},
    "a name with a null byte": {"origin": ORIGIN, "named": "a\0b", "total": 300_000},
}


@pytest.mark.parametrize("what", [*CORRUPT, "depth"])
async def test_corrupt_metadata_is_ignored(tmp_path: Path, what: str) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        await leave_half(scene, host)
        metadata = json.dumps(CORRUPT[what]) if what in CORRUPT else "[" * 100_000
        (tmp_path / f"{NAME}.part.json").write_text(metadata.replace("URL", host.url))
        assert await scene.download() == f"{NAME}.mp4"
        assert [request.range for request in host.requests] == [ALL]
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
async def test_only_validators_that_fit_in_a_header_are_sent_back(
    tmp_path: Path, validators: dict[str, str], condition: tuple[str | None, str | None]
) -> None:
    name, _, host = await download(tmp_path, Reply(drop_after=HALF), validators=validators)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [request.range for request in host.requests] == [ALL, condition]


async def test_a_clip_whose_path_was_not_recorded_is_found_without_a_request(
    tmp_path: Path,
) -> None:
    async with serve_clip(CLIP) as host:
        scene = Scene(tmp_path, host.url, records=False)
        for _ in range(3):
            assert await scene.download() == f"{NAME}.mp4"
        assert scene.files == {f"{NAME}.mp4": 300_000, f"{NAME}.part.json": 0}
        scene.records = True
        assert await scene.download() == f"{NAME}.mp4"
        assert scene.files == {f"{NAME}.mp4": 300_000}
        assert len(host.requests) == 1


async def test_a_complete_part_is_renamed_without_a_request(tmp_path: Path) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        await leave_half(scene, host)
        (tmp_path / f"{NAME}.part").write_bytes(CLIP)
        assert await scene.download() == f"{NAME}.mp4"
        assert host.requests == []


@pytest.mark.parametrize("link", ["symbolic", "dangling", "hard"])
async def test_a_file_that_the_metadata_links_to_is_not_changed(link: str, tmp_path: Path) -> None:
    mine, folder = tmp_path / "mine", tmp_path / "videos"
    folder.mkdir()
    metadata = folder / f"{NAME}.part.json"
    if link != "dangling":
        mine.write_bytes(b"mine")
    os.link(mine, metadata) if link == "hard" else metadata.symlink_to(mine)
    name, scene, _ = await download(folder, Reply(drop_after=HALF), validators=TAGGED)
    assert (name, (folder / name).read_bytes()) == (f"{NAME}.mp4", CLIP)
    assert (mine.exists() and mine.read_bytes()) == (link != "dangling" and b"mine")
    metadata.unlink()
    assert scene.files == {name: len(CLIP)}


@pytest.mark.skipif(not CAN_FORBID_LOCKS, reason="it needs Linux's seccomp")
@pytest.mark.parametrize("error", [errno.EAGAIN, errno.EACCES, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_folder_whose_locks_do_not_work_ends_a_download_or_is_written_to(
    error: int, tmp_path: Path
) -> None:
    async def body() -> None:
        name, _, _ = await download(tmp_path)
        if error in {errno.EAGAIN, errno.EACCES}:
            assert name == (
                f"{tmp_path} has 20 files of other downloads of this clip that are locked or"
                f" links: set SEEDANCE_OUTPUT_DIR to another folder. {PAID_FOR}"
            )
        else:
            assert (tmp_path / name).read_bytes() == CLIP

    run_without_locks(body, error)


async def test_a_file_that_the_part_links_to_is_not_changed(tmp_path: Path) -> None:
    # A crash between link and unlink leaves a hard link; a user may make a symbolic one.
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        for other in "linked", "symbolic":
            await leave_half(scene, host)
            (tmp_path / f"{NAME}.part").rename(tmp_path / other)
        os.link(tmp_path / "linked", tmp_path / f"{NAME}.part")
        assert await scene.download() == f"{NAME}.mp4"
        await leave_half(scene, host)
        (tmp_path / f"{NAME}.part").unlink()
        (tmp_path / f"{NAME}.part").symlink_to(tmp_path / "symbolic")
        assert await scene.download() == f"{NAME}-2.mp4"
        clips = {f"{NAME}.mp4": 300_000, f"{NAME}-2.mp4": 300_000}
        assert scene.files == clips | {"linked": HALF, "symbolic": HALF}


async def test_existing_files_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.mp4").write_bytes(b"mine")
    (tmp_path / f"{NAME}-2.mp4").symlink_to("nowhere")
    (tmp_path / f"{NAME}-3.mp4").mkdir()
    name, _, _ = await download(tmp_path)
    assert name == f"{NAME}-4.mp4"
    assert (tmp_path / f"{NAME}.mp4").read_bytes() == b"mine"
    assert (tmp_path / name).read_bytes() == CLIP


async def test_concurrent_downloads_of_one_clip_make_one_whole_file_each(
    tmp_path: Path,
) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        names = await asyncio.gather(*(scene.download() for _ in range(8)))
    assert sorted(names) == sorted([f"{NAME}.mp4", *(f"{NAME}-{n}.mp4" for n in range(2, 9))])
    assert scene.files == dict.fromkeys(names, 300_000)
    assert {(tmp_path / name).read_bytes() for name in names} == {CLIP}


async def test_a_cancelled_download_keeps_its_part(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "")
    async with serve_clip(CLIP, ETag=ETAG) as host, anyio.create_task_group() as tasks:
        host.replies.append(Reply(stall_after=HALF))
        scene.base_url = host.url
        tasks.start_soon(scene.download)
        with anyio.fail_after(TIMEOUT_SECONDS):
            while scene.progress[-1:] != [(HALF, 300_000)]:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert scene.files == {f"{NAME}.part": HALF, f"{NAME}.part.json": 0}


NO_MP4 = f"The download was not an MP4 and was discarded. {PAID_FOR}"
LESS = (
    f"127.0.0.1 {INCOMPLETE} (it sent less than announced); call again to resume the download."
    f" {PAID_FOR}"
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
async def test_a_download_that_is_not_a_clip_is_discarded(
    tmp_path: Path, content: bytes, line: str
) -> None:
    result, scene, _ = await download(tmp_path, content=content)
    assert result == line
    assert scene.files == {}


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_refused_link_says_what_to_do(tmp_path: Path, status: int) -> None:
    result, scene, host = await download(tmp_path, Reply(status=status))
    assert result == (
        f"127.0.0.1 refused the download ({status}): the link may have expired; call get_result"
        f" for a new one. {PAID_FOR}"
    )
    assert len(host.requests) == 1
    assert scene.files == {}


@pytest.mark.parametrize("status", [204, 304, 400, 418, 501])
async def test_an_unexpected_status_is_reported(tmp_path: Path, status: int) -> None:
    result, _, host = await download(tmp_path, Reply(status=status))
    assert result == f"127.0.0.1 answered {status} instead of sending the clip. {PAID_FOR}"
    assert len(host.requests) == 1


async def test_an_unreachable_host_is_tried_four_times(tmp_path: Path) -> None:
    async with serve_clip(CLIP) as host:
        pass
    scene = Scene(tmp_path, host.url)
    assert await scene.download() == (
        f"127.0.0.1 {INCOMPLETE} (ConnectError); call again to resume the download. {PAID_FOR}"
    )
    assert scene.time.pauses == [0.375, 0.75, 1.5]


TOO_LARGE = f"The clip is larger than 2 GiB, the limit for downloads. {PAID_FOR}"


async def test_a_clip_that_announces_too_many_bytes_is_not_started(tmp_path: Path) -> None:
    reply = Reply(headers={"Content-Length": str(MAX_OUTPUT_BYTES + 1)}, length="closed")
    result, scene, _ = await download(tmp_path, reply)
    assert result == TOO_LARGE
    assert scene.files == {}
    assert scene.progress == []


async def test_a_clip_that_turns_out_too_large_is_discarded(tmp_path: Path) -> None:
    async with serve_clip(CLIP, ETag=ETAG) as host:
        scene = Scene(tmp_path, host.url)
        host.replies += [Reply(drop_after=HALF, length="chunked"), *[Reply(status=503)] * 3]
        await scene.download()
        # As if most of it had come: a sparse file.
        os.truncate(tmp_path / f"{NAME}.part", MAX_OUTPUT_BYTES - 1000)
        rest = {"Content-Range": f"bytes {MAX_OUTPUT_BYTES - 1000}-{MAX_OUTPUT_BYTES}/*"}
        host.replies.append(Reply(status=206, headers=rest, body=bytes(1001), length="chunked"))
        assert await scene.download() == TOO_LARGE
        assert scene.files == {}


async def test_a_body_longer_than_announced_is_discarded(tmp_path: Path) -> None:
    promise = {"Content-Range": f"bytes {HALF}-299999/300000"}
    longer = Reply(status=206, headers=promise, body=CLIP[HALF:] + b"more", length="chunked")
    name, _, host = await download(tmp_path, Reply(drop_after=HALF), longer, validators=TAGGED)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [request.range for request in host.requests] == [ALL, (f"bytes={HALF}-", ETAG), ALL]


async def test_a_range_that_ends_early_is_followed_by_the_next_range(tmp_path: Path) -> None:
    promise = {"Content-Range": f"bytes {HALF}-199999/300000"}
    shorter = Reply(status=206, headers=promise, body=CLIP[HALF:200_000])
    name, _, host = await download(tmp_path, Reply(drop_after=HALF), shorter, validators=TAGGED)
    assert (tmp_path / name).read_bytes() == CLIP
    assert [request.range[0] for request in host.requests] == [
        None,
        f"bytes={HALF}-",
        "bytes=200000-",
    ]


async def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "videos"
    result, _, host = await download(folder)
    why = os.strerror(errno.ENOTDIR)
    assert result == (
        f"Cannot write to {folder} ({why}): set SEEDANCE_OUTPUT_DIR to a writable folder."
        f" {PAID_FOR}"
    )
    assert host.requests == []


def test_only_a_file_with_content_counts_as_existing(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "full").write_bytes(b"x")
    names = ["nothing", "empty", "full", "full/below", "x" * 300, "a\0b", ""]
    assert [name for name in names if file_exists(tmp_path / name)] == ["full"]
