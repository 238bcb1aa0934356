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
from tests.support.download_scene import NAME, Scene
from tests.support.timeouts import TIMEOUT_SECONDS
from tests.support.wording import PAID_FOR

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and sets limits"),
]

MIB = 2**20
CLIP = mp4(2 * MIB)


@asynccontextmanager
async def downloader(
    url: str,
    folder: Path,
    *,
    count: int = 1,
    wrapper: tuple[str, ...] = (),
    faults: tuple[str, ...] = (),
) -> AsyncGenerator[Process, None]:
    """Run a process that downloads, and kill it at the end if it still runs."""
    arguments = [url, str(folder), str(count), *faults]
    command = [*wrapper, sys.executable, "-m", "tests.support.download_process", *arguments]
    async with await anyio.open_process(
        command, stderr=None, cwd=Path(__file__).parents[2]
    ) as process:
        try:
            with anyio.fail_after(TIMEOUT_SECONDS):
                yield process
        finally:
            if process.returncode is None:
                process.kill()


async def output_of(process: Process, until: str | None = None) -> list[str]:
    """Return the lines that a process prints, up to one or all."""
    assert process.stdout
    text = b""
    async for piece in process.stdout:
        text += piece
        if until and f"{until}\n".encode() in text:
            break
    return text.decode().splitlines()


async def test_a_killed_process_leaves_no_final_file_and_the_next_resumes(
    tmp_path: Path,
) -> None:
    async with serve_clip(CLIP, ETag='"v1"') as host:
        host.replies.append(Reply(stall_after=MIB))
        async with downloader(host.url, tmp_path) as process:
            await output_of(process, until=f"report {MIB} {len(CLIP)}")
            process.kill()
            await process.wait()
        scene = Scene(tmp_path, host.url)
        assert scene.files == {f"{NAME}.part": MIB, f"{NAME}.part.json": 0}
        async with downloader(host.url, tmp_path) as process:
            lines = await output_of(process)
        assert lines[-2] == f"downloaded {NAME}.mp4"
        assert scene.files == {f"{NAME}.mp4": len(CLIP)}
        assert (tmp_path / f"{NAME}.mp4").read_bytes() == CLIP
        assert [request.range for request in host.requests] == [
            (None, None),
            (f"bytes={MIB}-", '"v1"'),
        ]
        assert host.served == len(CLIP)


async def test_a_part_that_a_live_process_has_is_left_alone(
    tmp_path: Path,
) -> None:
    async with serve_clip(CLIP, ETag='"v1"') as host:
        host.replies.append(Reply(stall_after=MIB))
        scene = Scene(tmp_path, host.url)
        async with downloader(host.url, tmp_path) as process:
            await output_of(process, until=f"report {MIB} {len(CLIP)}")
            assert await scene.download() == f"{NAME}.mp4"
            assert scene.files == {
                f"{NAME}.mp4": len(CLIP),
                f"{NAME}.part": MIB,
                f"{NAME}.part.json": 0,
            }
        assert await scene.download() == f"{NAME}-2.mp4"
        assert scene.files == dict.fromkeys([f"{NAME}.mp4", f"{NAME}-2.mp4"], len(CLIP))
        assert [request.range[0] for request in host.requests] == [None, None, f"bytes={MIB}-"]


async def test_concurrent_processes_never_overwrite_each_others_files(tmp_path: Path) -> None:
    processes, each = 3, 4
    lines: list[str] = []

    async def save() -> None:
        async with downloader(host.url, tmp_path, count=each) as process:
            lines.extend(await output_of(process))

    async with serve_clip(mp4(100_000)) as host:
        async with anyio.create_task_group() as tasks:
            for _ in range(processes):
                tasks.start_soon(save)
        scene = Scene(tmp_path, host.url)
    saved = Counter(
        line.removeprefix("downloaded ") for line in lines if line.startswith("downloaded ")
    )
    assert saved.total() == processes * each
    assert scene.files == dict.fromkeys(saved, 100_000)


@pytest.mark.stress
async def test_a_full_disk_is_reported_and_the_part_is_resumed_later(tmp_path: Path) -> None:
    async with serve_clip(CLIP, ETag='"v1"') as host:
        # A limit of 1 MiB per file; a write beyond it fails as on a full disk.
        limited = ("sh", "-c", 'ulimit -f 2048 && exec "$@"', "sh")
        async with downloader(host.url, tmp_path, wrapper=limited) as process:
            lines = await output_of(process)
        assert lines[-2] == (
            f"{tmp_path} has no space left for the clip: free some, or set SEEDANCE_OUTPUT_DIR."
            f" {PAID_FOR}"
        )
        scene = Scene(tmp_path, host.url)
        assert scene.files == {f"{NAME}.part": MIB, f"{NAME}.part.json": 0}
        assert await scene.download() == f"{NAME}.mp4"
        assert host.requests[-1].range[0] == f"bytes={MIB}-"
        assert (tmp_path / f"{NAME}.mp4").read_bytes() == CLIP


NO_LINKS = "fail:os.link:EPERM"


@pytest.mark.parametrize(
    "faults",
    [
        # The file has both names; its final name alone; the same without hard links.
        ("die:os.link,os.remove",),
        ("die:os.link,os.remove,open",),
        (NO_LINKS, "die:os.rename,open"),
    ],
)
async def test_a_clip_of_a_process_killed_just_after_renaming_is_found(
    tmp_path: Path, faults: tuple[str, ...]
) -> None:
    async with serve_clip(CLIP, ETag='"v1"') as host:
        async with downloader(host.url, tmp_path, faults=faults) as process:
            await output_of(process)
            assert await process.wait() == 9
        scene = Scene(tmp_path, host.url)
        assert f"{NAME}.mp4" in scene.files
        assert await scene.download() == f"{NAME}.mp4"
        assert scene.files == {f"{NAME}.mp4": len(CLIP)}
        assert len(host.requests) == 1


@pytest.mark.stress
async def test_a_process_killed_just_before_renaming_leaves_no_final_file(
    tmp_path: Path,
) -> None:
    async with serve_clip(CLIP, ETag='"v1"') as host:
        async with downloader(host.url, tmp_path, faults=(NO_LINKS, "die:os.rename")) as process:
            await output_of(process)
            assert await process.wait() == 9
        scene = Scene(tmp_path, host.url)
        assert scene.files == {f"{NAME}.part": len(CLIP), f"{NAME}.part.json": 0}
        async with downloader(host.url, tmp_path, faults=(NO_LINKS,)) as process:
            assert (await output_of(process))[-2] == f"downloaded {NAME}.mp4"
        assert scene.files == {f"{NAME}.mp4": len(CLIP)}
        assert len(host.requests) == 1


@pytest.mark.stress
async def test_without_hard_links_existing_files_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.mp4").write_bytes(b"mine")
    async with (
        serve_clip(CLIP) as host,
        downloader(host.url, tmp_path, faults=(NO_LINKS,)) as process,
    ):
        assert (await output_of(process))[-2] == f"downloaded {NAME}-2.mp4"
    assert (tmp_path / f"{NAME}.mp4").read_bytes() == b"mine"


async def test_a_folder_without_locks_can_be_downloaded_to(tmp_path: Path) -> None:
    faults = ("fail:fcntl.flock:ENOLCK",)
    async with serve_clip(CLIP) as host, downloader(host.url, tmp_path, faults=faults) as process:
        assert (await output_of(process))[-2] == f"downloaded {NAME}.mp4"
    assert (tmp_path / f"{NAME}.mp4").read_bytes() == CLIP


@pytest.mark.stress
async def test_no_proxy_is_used_for_a_base_url_on_this_machine(tmp_path: Path) -> None:
    names = "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"
    proxies = ("env", *(f"{name}=http://127.0.0.1:9" for name in names))
    async with serve_clip(CLIP) as host, downloader(host.url, tmp_path, wrapper=proxies) as process:
        assert (await output_of(process))[-2] == f"downloaded {NAME}.mp4"


@pytest.fixture
def large_folder(tmp_path: Path) -> Generator[Path, None, None]:
    """Yield a folder that is removed at once, since pytest keeps others for a while."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.stress
async def test_fifty_concurrent_downloads_of_10_mb_need_little_memory(large_folder: Path) -> None:
    clip = mp4(10_000_000)
    async with serve_clip(clip) as host, downloader(host.url, large_folder, count=50) as process:
        *saved, grown = await output_of(process)
        assert sorted(saved) == sorted(
            [f"downloaded {NAME}.mp4", *(f"downloaded {NAME}-v{n}.mp4" for n in range(2, 51))]
        )
        assert int(grown.removeprefix("grown ")) < 150_000_000
        assert set(Scene(large_folder, host.url).files.values()) == {len(clip)}
