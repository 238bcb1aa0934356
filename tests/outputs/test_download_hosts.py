from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from tests.support.clip_host import mp4
from tests.support.download_scene import NAME, Scene
from tests.support.scripted_network import ScriptedNetwork, Step
from tests.support.wording import PAID_FOR

pytestmark = pytest.mark.anyio

CLIP = mp4(1000)
BASE_URL = "https://api.example:8443/base"


def clip(_: httpx.Request) -> httpx.Response:
    """Respond with the clip."""

    async def body() -> AsyncGenerator[bytes, None]:
        yield CLIP

    return httpx.Response(200, content=body(), headers={"Content-Length": "1000"})


def redirect_to(location: str, status_code: int = 302) -> Step:
    """Return a redirect that sets a cookie."""
    headers = {"Location": location, "Set-Cookie": "a=b; Domain=runcomfy.net"}
    return lambda _: httpx.Response(status_code, headers=headers)


async def download(
    folder: Path, url: str, *steps: Step, base_url: str = BASE_URL
) -> tuple[str, list[str]]:
    """Download from a URL; return the file's name or the error's line, and the requests."""
    network = ScriptedNetwork(*steps)
    scene = Scene(folder, base_url, network.transport)
    result = await scene.download(url)
    network.check()
    assert scene.files in ({}, {result: 1000})
    for request in network.requests:
        assert not {"authorization", "cookie"} & set(request.headers)
    return result, network.sent


def refused(origin: str) -> str:
    """Return the error's line for an origin that nothing is downloaded from."""
    return (
        "Clips are downloaded only from https hosts under runcomfy.net or runcomfy.com and from"
        f' RUNCOMFY_API_BASE_URL, not from "{origin}". {PAID_FOR}'
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://playgrounds-storage-public.runcomfy.net/a/b.mp4?x=1",
        "https://runcomfy.net/a.mp4",
        "https://RunComfy.COM/a.mp4",
        "https://a.b.c.runcomfy.com:443/a.mp4",
        "https://api.example:8443/elsewhere/a.mp4#t=1",
    ],
)
async def test_clips_are_downloaded_from_runcomfys_hosts(tmp_path: Path, url: str) -> None:
    result, sent = await download(tmp_path, url, clip)
    assert result == f"{NAME}.mp4"
    assert len(sent) == 1
    assert (tmp_path / result).read_bytes() == CLIP


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787/a.mp4"),
        ("http://localhost", "http://localhost:80/a.mp4"),
        ("http://[::1]:8787", "http://[::1]:8787/a.mp4"),
        ("https://api.example", "https://API.example:443/a.mp4"),
    ],
)
async def test_clips_are_downloaded_from_the_configured_base_url(
    tmp_path: Path, base_url: str, url: str
) -> None:
    result, _ = await download(tmp_path, url, clip, base_url=base_url)
    assert result == f"{NAME}.mp4"


OTHER_ORIGINS = {
    "http://playgrounds-storage-public.runcomfy.net/a.mp4": (
        "http://playgrounds-storage-public.runcomfy.net"
    ),
    "https://evil.example/a.mp4": "https://evil.example",
    "https://runcomfy.net.evil.example/a.mp4": "https://runcomfy.net.evil.example",
    "https://evilruncomfy.net/a.mp4": "https://evilruncomfy.net",
    "https://runcomfy.net./a.mp4": "https://runcomfy.net.",
    "https://.runcomfy.net/a.mp4": "https://.runcomfy.net",
    "https://user:secret@runcomfy.net/a.mp4": "https://runcomfy.net",
    "https://runcomfy.net@evil.example/a.mp4": "https://evil.example",
    "https://evil.example\\.runcomfy.net/a.mp4": "https://evil.example\\.runcomfy.net",
    "https://evil.example\\@runcomfy.net/a.mp4": "https://runcomfy.net",
    "https://runcomfy.net%2eevil.example/a.mp4": "https://runcomfy.net%2eevil.example",
    "https://127.0.0.1/a.mp4": "https://127.0.0.1",
    "https://[::1]/a.mp4": "https://[::1]",
    "https://runcomfy.net:444/a.mp4": "https://runcomfy.net:444",
    "https://runcomfy.net:99999/a.mp4": "https://runcomfy.net:99999",
    "https://[runcomfy.net/a.mp4": "https://%5Bruncomfy.net",
    "http://api.example:8443/a.mp4": "http://api.example:8443",
    "https://api.example/a.mp4": "https://api.example",
    "https://api.example:8444/a.mp4": "https://api.example:8444",
    "ftp://runcomfy.net/a.mp4": "ftp://runcomfy.net",
    "file:///etc/passwd": "file://",
    "data:video/mp4;base64,AAAA": "data://",
    "a.mp4": "://",
    f"https://{'a' * 64}.runcomfy.net/": f"https://{'a' * 51}…",
}


@pytest.mark.parametrize("url", OTHER_ORIGINS)
async def test_other_origins_are_never_requested(tmp_path: Path, url: str) -> None:
    assert await download(tmp_path, url) == (refused(OTHER_ORIGINS[url]), [])


@pytest.mark.parametrize(
    "url",
    [
        "https://[::1/",
        "https://runcomfy.net:a/",
        "a\0b",
        "https://\u0130\u202e.net",
        "https://xn--/a.mp4",
        "https://xn--a.runcomfy.net/a.mp4",
    ],
)
async def test_an_invalid_url_is_rejected(tmp_path: Path, url: str) -> None:
    assert await download(tmp_path, url) == (f"The clip's URL is invalid. {PAID_FOR}", [])


START = "https://runcomfy.net/a.mp4"


async def test_three_redirects_are_followed_without_cookies(tmp_path: Path) -> None:
    steps = (
        redirect_to("/b.mp4"),
        redirect_to("//cdn.runcomfy.com/c", 307),
        redirect_to("https://api.example:8443/d"),
        clip,
    )
    result, sent = await download(tmp_path, START, *steps)
    assert result == f"{NAME}.mp4"
    assert sent == [
        f"GET {START}",
        "GET https://runcomfy.net/b.mp4",
        "GET https://cdn.runcomfy.com/c",
        "GET https://api.example:8443/d",
    ]


async def test_a_fourth_redirect_is_not_followed(tmp_path: Path) -> None:
    result, sent = await download(tmp_path, START, *[redirect_to("/b.mp4")] * 4)
    assert result == f"runcomfy.net redirected more than 3 times. {PAID_FOR}"
    assert len(sent) == 4


@pytest.mark.parametrize(
    ("location", "origin"),
    [
        ("https://evil.example/a.mp4", "https://evil.example"),
        ("//evil.example/a.mp4", "https://evil.example"),
        ("http://runcomfy.net/a.mp4", "http://runcomfy.net"),
        ("https://169.254.169.254/latest", "https://169.254.169.254"),
        ("https://u:p@runcomfy.net/", "https://runcomfy.net"),
        ("file:///etc/passwd", "file://runcomfy.net"),
    ],
)
@pytest.mark.parametrize("before", [0, 1, 2])
async def test_a_redirect_to_another_origin_is_not_followed(
    tmp_path: Path, location: str, origin: str, before: int
) -> None:
    result, sent = await download(
        tmp_path, START, *[redirect_to("/b.mp4")] * before, redirect_to(location)
    )
    assert result == refused(origin)
    assert len(sent) == before + 1


async def test_a_redirect_to_an_invalid_host_is_not_followed(tmp_path: Path) -> None:
    result, sent = await download(tmp_path, START, redirect_to("https://xn--/a.mp4"))
    assert result == f"runcomfy.net redirected to an invalid URL. {PAID_FOR}"
    assert len(sent) == 1
