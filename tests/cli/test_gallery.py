"""The command `seedance-mcp gallery`: a real process, asked over real HTTP."""

import base64
import hashlib
import json
import os
import re
import signal
import socket
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import Process, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from seedance_mcp.clock import Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Outputs, Status
from seedance_mcp.ledger._rows import Rows
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.ledger.store import Store
from tests.support.sample_clips import Sample, write_sample
from tests.support.server_process import COMMAND, Servers, environment, read_all
from tests.support.timeouts import PROMPT_SECONDS, TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.anyio

ORIGIN = "http://127.0.0.1:9"
TOKEN = "the-token-that-no-answer-has"
JPEG = b"\xff\xd8\xff" + b"j" * 100
CLIP = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40
VIDEO = "https://playgrounds-storage-public.runcomfy.net/1.mp4"


def variables(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment whose RunComfy does not answer."""
    return environment(folder, RUNCOMFY_API_BASE_URL=ORIGIN, RUNCOMFY_API_TOKEN=TOKEN, **more)


def made(number: int = 1, **changes: Any) -> Job:
    """Return a completed job, newer than those with lower numbers."""
    job = Job(
        id=f"own-{number}",
        request_id=f"r-{number}",
        model_id="bytedance/seedance-1-0/lite/image-to-video",
        arguments={"prompt": f"clip {number}", "duration": 5},
        owner=ORIGIN,
        created_at=datetime(2026, 5, 1, tzinfo=UTC) + timedelta(seconds=number),
        status=Status.COMPLETED,
        outputs=Outputs(videos=(VIDEO,)),
        cost_usd=0.2,
    )
    return replace(job, **changes)


async def fill(store: Store, jobs: Sequence[Job]) -> None:
    """Write jobs into a ledger."""

    def write(rows: Rows) -> None:
        for job in jobs:
            rows.write(job, at=job.created_at)

    await store.run(write, writes=True)


async def write(folder: Path, *jobs: Job, posters: Sequence[Job] = ()) -> None:
    """Write jobs into the ledger of a folder, some of them with posters."""
    store = SqliteStore(folder / "state", Clock(), origin=ORIGIN, history=timedelta(days=9999))
    with closing(store):
        await fill(store, jobs)
        for job in posters:
            assert await store.keep_poster(job, JPEG)


@dataclass(frozen=True)
class Gallery:
    """A gallery that is served, and a client of its server."""

    url: str
    process: Process
    stdout: BufferedByteReceiveStream
    http: httpx.AsyncClient

    @property
    def key(self) -> str:
        """The key in the URL."""
        return self.url.split("/")[3]

    @property
    def root(self) -> str:
        """The URL without the key."""
        return self.url.removesuffix(f"{self.key}/")

    async def get(self, path: str = "", **headers: str) -> httpx.Response:
        """Ask for what the page would ask for."""
        return await self.http.get(self.url + path, headers=headers)

    async def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """End the process by a signal, and return its exit code."""
        self.process.send_signal(number)
        with anyio.fail_after(PROMPT_SECONDS):
            return await self.process.wait()


@asynccontextmanager
async def open_gallery(
    servers: Servers, env: dict[str, str], *arguments: str
) -> AsyncGenerator[Gallery, None]:
    """Start the command, and yield its gallery once it serves."""
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            servers.start(["gallery", *arguments], env, stderr=PIPE) as process,
            httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_SECONDS) as http,
        ):
            assert process.stdout
            out = BufferedByteReceiveStream(process.stdout)
            url = (await out.receive_until(b"\n", 1000)).decode()
            assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/[A-Za-z0-9_-]{43}/", url)
            yield Gallery(url, process, out, http)


HOSTILE = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>\0\u202e'


async def test_the_page_the_jobs_and_the_posters_are_behind_the_key(
    servers: Servers, tmp_path: Path
) -> None:
    clip = tmp_path / "1.mp4"
    clip.write_bytes(CLIP)
    saved = made(1, saved_to=(str(clip),))
    gone = made(2, saved_to=(str(tmp_path / "gone.mp4"),))
    hostile = made(3, arguments={"prompt": HOSTILE}, status=Status.FAILED, error=HOSTILE)
    await write(tmp_path, saved, gone, hostile, posters=[gone])
    async with open_gallery(servers, variables(tmp_path), "--no-browser") as gallery:
        said = await gallery.stdout.receive_until(b"\n", 1000)
        page, again = await gallery.get(), await gallery.get()
        data = await gallery.get("data?page=1&status=&words=")
        failed = (await gallery.get("data?status=failed")).json()
        poster, none = await gallery.get("poster/r-2"), await gallery.get("poster/r-3")
        assert await gallery.end() == 130
        assert gallery.process.stderr
        assert await read_all(gallery.process.stderr) == b""
    assert said == b"Every clip in the ledger, for whoever has this URL. Ctrl-C ends it."
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.text == again.text
    assert page.text.startswith("<!doctype html>")
    assert (data.status_code, data.headers["content-type"]) == (200, "application/json")
    assert [
        (job["id"], job["saved"], job["prompt"], bool(job["poster"])) for job in data.json()["jobs"]
    ] == [
        ("r-3", False, HOSTILE, False),
        ("r-2", False, "clip 2", True),
        ("r-1", True, "clip 1", False),
    ]
    assert (failed["matching"], failed["total"]) == (1, 3)
    assert (poster.headers["content-type"], poster.content) == ("image/jpeg", JPEG)
    assert none.status_code == 404
    everything = page.text + data.text
    assert TOKEN not in everything
    assert str(tmp_path) not in everything


async def test_every_answer_lets_the_browser_run_and_load_the_pages_own_parts_alone(
    servers: Servers, tmp_path: Path
) -> None:
    await write(tmp_path, made())
    async with open_gallery(servers, variables(tmp_path), "--no-browser") as gallery:
        page = await gallery.get()
        answers = [page, await gallery.get("data"), await gallery.get("clip/none")]
        answers += [await gallery.get("data?page=x"), await gallery.http.get(gallery.root)]
        hashes = {
            tag: " ".join(
                f"'sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}'"
                for block in re.findall(f"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
            )
            for tag in ("script", "style")
        }
        clips = f"'self' {VIDEO.removesuffix('/1.mp4')} {ORIGIN}"
        for answer in answers:
            policy = dict(
                rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; ")
            )
            assert policy == {
                "default-src": "'none'",
                "script-src": hashes["script"],
                "style-src": hashes["style"],
                "img-src": clips,
                "media-src": clips,
                "connect-src": "'self'",
                "frame-ancestors": "'none'",
                "base-uri": "'none'",
                "form-action": "'none'",
                "require-trusted-types-for": "'script'",
            }
            names = ["referrer-policy", "cache-control", "cross-origin-resource-policy"]
            assert [answer.headers[name] for name in names] == [
                "no-referrer",
                "no-store",
                "same-origin",
            ]
            assert answer.headers["x-content-type-options"] == "nosniff"
    assert hashes["script"]
    assert hashes["style"]


def keyless(gallery: Gallery) -> list[str]:
    """Return URLs without the key, or with a wrong one."""
    key = gallery.key
    wrong = "", "x/", f"{key}", f"{key}x/", f"{key[:-1]}/", f"{key.swapcase()}/", f"/{key}/"
    return [gallery.root + path for path in (*wrong, f"x/{key}/", "data", "%00/", "é/")]


async def test_without_the_key_nothing_is_found(servers: Servers, tmp_path: Path) -> None:
    await write(tmp_path, made())
    async with open_gallery(servers, variables(tmp_path), "--no-browser") as gallery:
        for url in keyless(gallery):
            for method in ("GET", "POST", "OPTIONS"):
                answer = await gallery.http.request(method, url)
                assert (url, answer.status_code) == (url, 404)
                assert answer.text == "Not found.\n"


async def test_another_page_cannot_ask_even_with_the_key(servers: Servers, tmp_path: Path) -> None:
    await write(tmp_path, made())
    in_tab = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    in_frame = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    async with open_gallery(servers, variables(tmp_path), "--no-browser") as gallery:
        port = httpx.URL(gallery.url).port
        local, named = f"127.0.0.1:{port}", f"localhost:{port}"
        cases: list[tuple[dict[str, str], int, int]] = [
            ({}, 200, 200),
            ({"Host": named}, 200, 200),
            ({"Host": "evil.example"}, 404, 404),
            ({"Host": f"evil.example:{port}"}, 404, 404),
            ({"Host": f"127.0.0.1.evil.example:{port}"}, 404, 404),
            ({"Host": "127.0.0.1"}, 404, 404),
            ({"Host": f"127.0.0.1:{(port or 0) + 1}"}, 404, 404),
            ({"Host": ""}, 404, 404),
            ({"Origin": f"http://{local}"}, 200, 200),
            ({"Origin": f"http://{named}", "Host": named}, 200, 200),
            ({"Origin": f"http://{named}"}, 404, 404),
            ({"Origin": "https://evil.example"}, 404, 404),
            ({"Origin": "null"}, 404, 404),
            ({"Sec-Fetch-Site": "none"}, 200, 200),
            ({"Sec-Fetch-Site": "same-origin"}, 200, 200),
            ({"Sec-Fetch-Site": "same-site"}, 404, 404),
            ({"Sec-Fetch-Site": "cross-site"}, 404, 404),
            # A link, such as the one in the file that the browser is started with.
            ({"Sec-Fetch-Site": "cross-site", **in_tab}, 200, 404),
            ({"Sec-Fetch-Site": "cross-site", **in_frame}, 404, 404),
        ]
        for headers, page, data in cases:
            answers = await gallery.get(**headers), await gallery.get("data", **headers)
            assert (headers, *(each.status_code for each in answers)) == (headers, page, data)


async def test_it_is_only_read(servers: Servers, tmp_path: Path) -> None:
    await write(tmp_path, made())
    before = (tmp_path / "state" / "ledger.db").read_bytes()
    async with open_gallery(servers, variables(tmp_path), "--no-browser") as gallery:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            for path in ("", "data", "clip/r-1"):
                answer = await gallery.http.request(method, gallery.url + path)
                assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
        head = await gallery.http.head(gallery.url + "data")
        whole = await gallery.get("data")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.content))
    assert (tmp_path / "state" / "ledger.db").read_bytes() == before


PARTS: list[tuple[str, int, str, bytes]] = [
    ("bytes=0-", 206, f"bytes 0-{len(CLIP) - 1}/{len(CLIP)}", CLIP),
    ("bytes=0-0", 206, f"bytes 0-0/{len(CLIP)}", CLIP[:1]),
    ("bytes=100-199", 206, f"bytes 100-199/{len(CLIP)}", CLIP[100:200]),
    ("bytes=10000-99999999", 206, f"bytes 10000-{len(CLIP) - 1}/{len(CLIP)}", CLIP[10000:]),
    ("bytes=-5", 206, f"bytes {len(CLIP) - 5}-{len(CLIP) - 1}/{len(CLIP)}", CLIP[-5:]),
    (f"bytes=-{10**17}", 206, f"bytes 0-{len(CLIP) - 1}/{len(CLIP)}", CLIP),
    (f"bytes={len(CLIP)}-", 416, f"bytes */{len(CLIP)}", b""),
    ("bytes=-0", 416, f"bytes */{len(CLIP)}", b""),
    ("bytes=5-2", 200, "", CLIP),
    ("bytes=0-1,3-4", 200, "", CLIP),
    ("bytes=-", 200, "", CLIP),
    ("bytes=٣-", 200, "", CLIP),
    ("lines=1-2", 200, "", CLIP),
    ("bytes=" + "9" * 5000 + "-", 200, "", CLIP),
]


async def test_a_saved_clip_is_read_whole_or_in_part(servers: Servers, tmp_path: Path) -> None:
    clip = tmp_path / "1.mp4"
    clip.write_bytes(CLIP)
    await write(tmp_path, made(saved_to=(str(clip),)), made(2, request_id=None, saved_to=("x",)))
    async with open_gallery(servers, variables(tmp_path), "--no-browser") as gallery:
        for name in ("r-1", "own-1"):
            whole = await gallery.get(f"clip/{name}")
            assert (whole.status_code, whole.content) == (200, CLIP)
            assert whole.headers["content-type"] == "video/mp4"
        head = await gallery.http.head(gallery.url + "clip/r-1")
        assert (head.headers["content-length"], head.content) == (str(len(CLIP)), b"")
        assert head.headers["accept-ranges"] == "bytes"
        for wanted, status, span, content in PARTS:
            headers = [(b"Range", wanted.encode())]
            answer = await gallery.http.get(gallery.url + "clip/r-1", headers=headers)
            seen = answer.status_code, answer.headers.get("content-range", ""), answer.content
            assert (wanted, *seen) == (wanted, status, span, content)
        part, tag = {"Range": "bytes=1-1"}, whole.headers["etag"]
        assert (await gallery.get("clip/r-1", **part, **{"If-Range": tag})).status_code == 206
        assert (await gallery.get("clip/r-1", **part, **{"If-Range": '"x"'})).status_code == 200


async def test_no_other_file_is_served(servers: Servers, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret" * 9)
    clip = tmp_path / "1.mp4"
    clip.write_bytes(CLIP)
    (tmp_path / "link.mp4").symlink_to(clip)
    os.mkfifo(tmp_path / "fifo.mp4")
    (tmp_path / "folder.mp4").mkdir()
    names = ["secret", "link.mp4", "fifo.mp4", "folder.mp4", "none.mp4"]
    jobs = [made(n, saved_to=(str(tmp_path / name),)) for n, name in enumerate(names)]
    jobs += [made(10, saved_to=("/dev/zero",)), made(11, saved_to=("a\0b",))]
    jobs += [made(12, saved_to=(str(clip),), outputs=Outputs())]
    jobs += [made(13, saved_to=(str(clip),), owner="https://another.example")]
    await write(tmp_path, *jobs)
    up = "..", "../../secret", "..%2f..%2fsecret", "%2e%2e/secret", "r-1/../r-1", "", "a%00b", "."
    paths = [f"clip/{path}" for path in (*up, str(secret), str(clip), "x" * 5000)]
    paths += [f"{kind}/{job.request_id}" for job in jobs for kind in ("clip", "poster")]
    async with open_gallery(servers, variables(tmp_path), "--no-browser") as gallery:
        port = httpx.URL(gallery.url).port
        for path in [*paths, "..", "../", "data/", "state/ledger.db"]:
            # As it stands: a client would resolve dots.
            async with await anyio.connect_tcp("127.0.0.1", port or 0) as stream:
                head = f"GET /{gallery.key}/{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                await stream.send(f"{head}Connection: close\r\n\r\n".encode())
                answer = await read_all(stream)
            assert (path, answer.split(b"\r\n")[0]) == (path, b"HTTP/1.1 404 Not Found")
            assert b"secret" not in answer
        data = (await gallery.get("data")).json()
        assert [job["id"] for job in data["jobs"] if job["saved"]] == ["r-0"]


async def test_a_poster_is_made_of_a_saved_clip_that_has_none(
    servers: Servers, tmp_path: Path
) -> None:
    clip = tmp_path / "1.mp4"
    write_sample(clip, Sample())
    broken = tmp_path / "2.mp4"
    broken.write_bytes(CLIP)
    await write(tmp_path, made(1, saved_to=(str(clip),)), made(2, saved_to=(str(broken),)))
    async with open_gallery(servers, variables(tmp_path), "--no-browser") as gallery:
        poster, again = await gallery.get("poster/r-1"), await gallery.get("poster/own-1")
        assert (await gallery.get("poster/r-2")).status_code == 404
    assert (poster.status_code, poster.headers["content-type"]) == (200, "image/jpeg")
    assert poster.content.startswith(b"\xff\xd8\xff")
    assert again.content == poster.content


async def test_2000_jobs_are_served_in_pages(servers: Servers, tmp_path: Path) -> None:
    await write(tmp_path, *(made(n) for n in range(2_000)))
    async with open_gallery(servers, variables(tmp_path), "--no-browser") as gallery:
        first, last = (await gallery.get("data")).json(), (await gallery.get("data?page=84")).json()
        found = (await gallery.get("data?words=CLIP+1999")).json()
    assert (first["pages"], first["matching"], len(first["jobs"])) == (84, 2_000, 24)
    assert [job["id"] for job in last["jobs"]] == [f"r-{n}" for n in range(7, -1, -1)]
    assert [job["id"] for job in found["jobs"]] == ["r-1999"]


async def test_jobs_that_come_meanwhile_are_shown_and_damaged_rows_left_out(
    servers: Servers, tmp_path: Path
) -> None:
    async with open_gallery(servers, variables(tmp_path), "--no-browser") as gallery:
        said = await gallery.stdout.receive_until(b"\n", 1000)
        assert said == b"There are no jobs in the ledger yet, so the page is empty. Ctrl-C ends it."
        assert (await gallery.get("data")).json()["jobs"] == []
        assert not (tmp_path / "state").exists()
        await write(tmp_path, made(1), made(2), made(3, cost_usd=inf), made(4, cost_usd=-inf))
        with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as writer, writer:
            writer.execute("UPDATE jobs SET videos = '{' WHERE id = 'own-1'")
        with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as writer:
            writer.execute("BEGIN IMMEDIATE")
            assert [job["id"] for job in (await gallery.get("data")).json()["jobs"]] == ["r-2"]
        assert (await gallery.get("clip/r-1")).status_code == 404
        (tmp_path / "state" / "ledger.db").write_bytes(b"no database" * 100)
        broken = await gallery.get("data")
        assert (broken.status_code, broken.headers["content-type"]) == (503, "application/json")
        assert "is damaged or not a database" in broken.json()["error"]
        wrong = await gallery.get("data?page=0")
        assert (wrong.status_code, wrong.json()) == (
            400,
            {"error": 'page must be a number from 1 to 9999; got "0".'},
        )
        assert await gallery.end(signal.SIGTERM) == 0


async def test_a_ledger_that_cannot_be_read_ends_it_in_one_line(
    servers: Servers, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "ledger.db").write_bytes(b"no database" * 100)
    run = await servers.command(["gallery", "--no-browser"], variables(tmp_path))
    assert (run.returncode, run.stdout.count(b"\n"), run.stderr.count(b"\n")) == (1, 1, 1)
    assert b"is damaged or not a database" in run.stderr


async def test_a_port_that_is_taken_ends_it_in_one_line(servers: Servers, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = await servers.command(["gallery", "--port", f"{port}"], variables(tmp_path))
    assert (run.returncode, run.stdout, run.stderr.decode()) == (
        1,
        b"",
        f"seedance-mcp: Cannot listen on port {port}: address already in use.\n",
    )


BROWSER = """#!/bin/sh
file="${1#file://}"
{ echo "$1"; stat -c %a "$file" "$(dirname "$file")"; cat "$file"; } > "$0.part"
mv "$0.part" "$0.seen"
"""


def processes_with(text: str) -> list[str]:
    """Return the processes of this machine that have a text in their arguments."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if text.encode() in process.read_bytes():
                found.append(process.parent.name)
    return found


async def test_the_browser_is_led_to_the_page_without_the_key_in_any_list_of_processes(
    servers: Servers, tmp_path: Path
) -> None:
    browser, seen = tmp_path / "browser", tmp_path / "browser.seen"
    browser.write_text(BROWSER)
    browser.chmod(0o755)
    env = variables(tmp_path, BROWSER=f"{browser} %s")
    async with open_gallery(servers, env) as gallery:
        await wait_until(seen.exists)
        opened, file_mode, folder_mode, html = seen.read_text().split("\n", 3)
        folder = Path(opened.removeprefix("file://")).parent
        assert gallery.key not in opened
        assert (file_mode, folder_mode) == ("600", "700")
        assert f'content="0; url={gallery.url}"' in html
        assert processes_with(gallery.key) == []
        assert processes_with("pytest") != []
        assert folder.is_dir()
        await gallery.get()
        await wait_until(lambda: not folder.exists())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_whatever_signal_ends_it_the_file_with_the_key_is_removed(
    servers: Servers, tmp_path: Path, number: signal.Signals
) -> None:
    browser, seen = tmp_path / "browser", tmp_path / "browser.seen"
    browser.write_text(BROWSER)
    browser.chmod(0o755)
    env = variables(tmp_path, BROWSER=f"{browser} %s")
    async with open_gallery(servers, env) as gallery:
        await wait_until(seen.exists)
        folder = anyio.Path(seen.read_text().split("\n")[0].removeprefix("file://")).parent
        assert await folder.is_dir()
        assert await gallery.end(number) == 0
        assert not await folder.exists()


@pytest.mark.parametrize("browser", ["/bin/false", "lynx", "/usr/bin/w3m %s"])
async def test_it_says_so_if_no_browser_can_be_opened(
    servers: Servers, tmp_path: Path, browser: str
) -> None:
    env = variables(tmp_path, BROWSER=browser, PATH="/nowhere")
    async with open_gallery(servers, env) as gallery:
        assert gallery.process.stderr
        said = await gallery.process.stderr.receive()
        assert said == b"No browser could be opened: open the URL yourself.\n"
        assert (await gallery.get()).status_code == 200
        assert await gallery.end() == 130


@asynccontextmanager
async def open_gallery_with_slow_clients(
    servers: Servers, folder: Path, count: int
) -> AsyncGenerator[tuple[Gallery, bytes, list[SocketStream]], None]:
    """Yield a gallery with a long clip, a request for that, and connections to send it by."""
    clip = folder / "1.mp4"
    clip.write_bytes(CLIP + bytes(8 * 2**20))
    await write(folder, made(saved_to=(str(clip),)))
    async with open_gallery(servers, variables(folder), "--no-browser") as gallery:
        port = httpx.URL(gallery.url).port or 0
        head = f"GET /{gallery.key}/clip/r-1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        streams = [await anyio.connect_tcp("127.0.0.1", port) for _ in range(count)]
        try:
            yield gallery, head, streams
        finally:
            for stream in streams:
                await stream.aclose()


async def test_a_clip_keeps_nobody_from_the_page_where_few_files_may_be_open(
    tmp_path: Path,
) -> None:
    clip = tmp_path / "1.mp4"
    clip.write_bytes(CLIP + bytes(8 * 2**20))
    await write(tmp_path, made(saved_to=(str(clip),)))
    # As macOS has it, where nobody asked for more.
    few = ["sh", "-c", 'ulimit -Sn 256; exec "$@"', "sh", *COMMAND, "gallery", "--no-browser"]
    async with (
        await anyio.open_process(few, env=variables(tmp_path), stderr=None) as process,
        httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_SECONDS) as http,
    ):
        assert process.stdout
        try:
            url = (await process.stdout.receive()).decode().split("\n")[0]
            async with http.stream("GET", f"{url}clip/r-1") as played:
                data = await http.get(f"{url}data")
            assert (played.status_code, data.status_code) == (200, 200)
        finally:
            process.kill()


async def test_slow_clients_keep_no_other_from_the_page(servers: Servers, tmp_path: Path) -> None:
    async with open_gallery_with_slow_clients(servers, tmp_path, 60) as (gallery, head, streams):
        for number, stream in enumerate(streams):
            # Half of them never end their request, and the others never read the clip.
            await stream.send(head if number % 2 else head[:-2])
        for stream in streams[1::2]:
            assert (await stream.receive(12)).startswith(b"HTTP/1.1 200")
        assert (await gallery.get()).status_code == 200
        assert (await gallery.get("data")).json()["total"] == 1
        assert await gallery.end() == 130


@pytest.mark.stress
async def test_at_most_32_clips_are_read_at_once(servers: Servers, tmp_path: Path) -> None:
    async with open_gallery_with_slow_clients(servers, tmp_path, 100) as (gallery, head, streams):
        for stream in streams:
            await stream.send(head)
        answers = [await stream.receive(12) for stream in streams]
        assert Counter(answers) == {b"HTTP/1.1 200": 32, b"HTTP/1.1 503": 68}
        refused = await gallery.get("clip/r-1")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        for stream in streams:
            await stream.aclose()
        # Their ends come to be known one by one.
        again = refused
        while again.status_code == 503:
            again = await gallery.get("clip/r-1", Range="bytes=0-0")
        assert again.status_code == 206


async def test_the_gallery_is_of_a_ledger_in_postgresql(
    servers: Servers, tmp_path: Path, database_url: str
) -> None:
    from seedance_mcp.ledger.postgres.store import PostgresStore

    store = PostgresStore(database_url, Clock(), history=timedelta(days=9999))
    with closing(store):
        await fill(store, [made(1), made(2, arguments={"prompt": HOSTILE.replace("\0", "")})])
        assert await store.keep_poster(made(1), JPEG)
    env = variables(tmp_path, SEEDANCE_DATABASE_URL=database_url)
    async with open_gallery(servers, env, "--no-browser") as gallery:
        data = (await gallery.get("data?words=clip")).json()
        assert (await gallery.get("poster/r-1")).content == JPEG
        assert (await gallery.get("clip/r-1")).status_code == 404
    assert [job["id"] for job in data["jobs"]] == ["r-1"]
    assert (data["matching"], data["total"]) == (1, 2)
    assert json.dumps(data).count(base64.b64encode(JPEG).decode()) == 1
