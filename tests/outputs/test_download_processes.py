import shutil
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process

from tests.support.clip_host import Reply, mp4, serve_clip
from tests.support.download_scene import NAME, PAID, Scene

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc and sets limits"),
]

MIB = 2**20
CLIP = mp4(2 * MIB)


@asynccontextmanager
async def saving(
    url: str,
    folder: Path,
    *,
    count: int = 1,
    wrapper: tuple[str, ...] = (),
    befalls: tuple[str, ...] = (),
) -> AsyncGenerator[Process, None]:
    """Run a process that saves, and kill it at the end if it still runs."""
    arguments = [url, str(folder), str(count), *befalls]
    command = [*wrapper, sys.executable, "-m", "tests.support.download_process", *arguments]
    async with await anyio.open_process(
        command, stderr=None, cwd=Path(__file__).parents[2]
    ) as process:
        try:
            with anyio.fail_after(60):
                yield process
        finally:
            if process.returncode is None:
                process.kill()


async def said(process: Process, until: str | None = None) -> list[str]:
    """Read what a process says, up to a line, or all of it."""
    assert process.stdout
    text = b""
    async for piece in process.stdout:
        text += piece
        if until and f"{until}\n".encode() in text:
            break
    return text.decode().splitlines()


async def test_a_process_killed_in_the_middle_leaves_nothing_finished_and_the_next_goes_on(
    tmp_path: Path,
) -> None:
    async with serve_clip(CLIP, ETag='"v1"') as host:
        host.ways.append(Reply(hang_after=MIB))
        async with saving(host.url, tmp_path) as process:
            await said(process, until=f"report {MIB} {len(CLIP)}")
            process.kill()
            await process.wait()
        scene = Scene(tmp_path, host.url)
        assert scene.files == {f"{NAME}.part": MIB, f"{NAME}.part.json": 0}
        async with saving(host.url, tmp_path) as process:
            lines = await said(process)
        assert lines[-2] == f"saved {NAME}.mp4"
        assert scene.files == {f"{NAME}.mp4": len(CLIP)}
        assert (tmp_path / f"{NAME}.mp4").read_bytes() == CLIP
        assert [seen.range for seen in host.seen] == [
            (None, None),
            (f"bytes={MIB}-", '"v1"'),
        ]
        assert host.served == len(CLIP)


async def test_while_a_process_saves_a_clip_another_one_leaves_its_part_alone(
    tmp_path: Path,
) -> None:
    async with serve_clip(CLIP, ETag='"v1"') as host:
        host.ways.append(Reply(hang_after=MIB))
        scene = Scene(tmp_path, host.url)
        async with saving(host.url, tmp_path) as process:
            await said(process, until=f"report {MIB} {len(CLIP)}")
            assert await scene.save() == f"{NAME}.mp4"
            assert scene.files == {
                f"{NAME}.mp4": len(CLIP),
                f"{NAME}.part": MIB,
                f"{NAME}.part.json": 0,
            }
        assert await scene.save() == f"{NAME}-2.mp4"
        assert scene.files == dict.fromkeys([f"{NAME}.mp4", f"{NAME}-2.mp4"], len(CLIP))
        assert [seen.range[0] for seen in host.seen] == [None, None, f"bytes={MIB}-"]


async def test_processes_that_save_at_once_never_take_each_others_names(tmp_path: Path) -> None:
    processes, each = 3, 4
    lines: list[str] = []

    async def save() -> None:
        async with saving(host.url, tmp_path, count=each) as process:
            lines.extend(await said(process))

    async with serve_clip(mp4(100_000)) as host:
        async with anyio.create_task_group() as tasks:
            for _ in range(processes):
                tasks.start_soon(save)
        scene = Scene(tmp_path, host.url)
    saved = Counter(line.removeprefix("saved ") for line in lines if line.startswith("saved "))
    assert saved.total() == processes * each
    assert scene.files == dict.fromkeys(saved, 100_000)


async def test_a_full_disk_is_said_and_what_came_is_gone_on_from(tmp_path: Path) -> None:
    async with serve_clip(CLIP, ETag='"v1"') as host:
        # A limit of 1 MiB a file, at which a write fails as it does on a full disk.
        limited = ("sh", "-c", 'ulimit -f 2048 && exec "$@"', "sh")
        async with saving(host.url, tmp_path, wrapper=limited) as process:
            lines = await said(process)
        assert lines[-2] == (
            f"{tmp_path} has no space left for the clip: free some, or set SEEDANCE_OUTPUT_DIR."
            f" {PAID}"
        )
        scene = Scene(tmp_path, host.url)
        assert scene.files == {f"{NAME}.part": MIB, f"{NAME}.part.json": 0}
        assert await scene.save() == f"{NAME}.mp4"
        assert host.seen[-1].range[0] == f"bytes={MIB}-"
        assert (tmp_path / f"{NAME}.mp4").read_bytes() == CLIP


NO_LINKS = "fail:os.link:EPERM"


@pytest.mark.parametrize(
    "befalls",
    [
        # The part has both names; it has the clip's alone; the same where there are no links.
        ("die:os.link,os.remove",),
        ("die:os.link,os.remove,open",),
        (NO_LINKS, "die:os.rename,open"),
    ],
)
async def test_a_process_killed_just_after_naming_a_clip_leaves_it_to_be_found(
    tmp_path: Path, befalls: tuple[str, ...]
) -> None:
    async with serve_clip(CLIP, ETag='"v1"') as host:
        async with saving(host.url, tmp_path, befalls=befalls) as process:
            await said(process)
            assert await process.wait() == 9
        scene = Scene(tmp_path, host.url)
        assert f"{NAME}.mp4" in scene.files
        assert await scene.save() == f"{NAME}.mp4"
        assert scene.files == {f"{NAME}.mp4": len(CLIP)}
        assert len(host.seen) == 1


async def test_a_process_killed_just_before_naming_leaves_nothing_that_looks_finished(
    tmp_path: Path,
) -> None:
    async with serve_clip(CLIP, ETag='"v1"') as host:
        async with saving(host.url, tmp_path, befalls=(NO_LINKS, "die:os.rename")) as process:
            await said(process)
            assert await process.wait() == 9
        scene = Scene(tmp_path, host.url)
        assert scene.files == {f"{NAME}.part": len(CLIP), f"{NAME}.part.json": 0}
        async with saving(host.url, tmp_path, befalls=(NO_LINKS,)) as process:
            assert (await said(process))[-2] == f"saved {NAME}.mp4"
        assert scene.files == {f"{NAME}.mp4": len(CLIP)}
        assert len(host.seen) == 1


async def test_without_links_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.mp4").write_bytes(b"mine")
    async with serve_clip(CLIP) as host, saving(host.url, tmp_path, befalls=(NO_LINKS,)) as process:
        assert (await said(process))[-2] == f"saved {NAME}-2.mp4"
    assert (tmp_path / f"{NAME}.mp4").read_bytes() == b"mine"


async def test_a_folder_without_locks_can_be_saved_to(tmp_path: Path) -> None:
    befalls = ("fail:fcntl.flock:ENOLCK",)
    async with serve_clip(CLIP) as host, saving(host.url, tmp_path, befalls=befalls) as process:
        assert (await said(process))[-2] == f"saved {NAME}.mp4"
    assert (tmp_path / f"{NAME}.mp4").read_bytes() == CLIP


async def test_no_proxy_comes_between_where_the_service_is_on_this_machine(tmp_path: Path) -> None:
    names = "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"
    proxies = ("env", *(f"{name}=http://127.0.0.1:9" for name in names))
    async with serve_clip(CLIP) as host, saving(host.url, tmp_path, wrapper=proxies) as process:
        assert (await said(process))[-2] == f"saved {NAME}.mp4"


@pytest.fixture
def vast(tmp_path: Path) -> Generator[Path, None, None]:
    """Give a folder that is emptied at once, since pytest keeps others for a while."""
    yield tmp_path
    shutil.rmtree(tmp_path)


async def test_fifty_clips_of_10_mb_at_once_need_little_memory(vast: Path) -> None:
    clip = mp4(10_000_000)
    async with serve_clip(clip) as host, saving(host.url, vast, count=50) as process:
        *saved, grown = await said(process)
        assert sorted(saved) == sorted(
            [f"saved {NAME}.mp4", *(f"saved {NAME}-v{n}.mp4" for n in range(2, 51))]
        )
        assert int(grown.removeprefix("grown ")) < 150_000_000
        assert set(Scene(vast, host.url).files.values()) == {len(clip)}
