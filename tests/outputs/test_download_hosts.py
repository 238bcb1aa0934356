from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from tests.support.clip_host import mp4
from tests.support.download_scene import NAME, PAID, Scene
from tests.support.scripted_network import ScriptedNetwork, Step

pytestmark = pytest.mark.anyio

CLIP = mp4(1000)
SERVICE = "https://api.example:8443/base"


def clip(_: httpx.Request) -> httpx.Response:
    """Answer with the clip."""

    async def body() -> AsyncGenerator[bytes, None]:
        yield CLIP

    return httpx.Response(200, content=body(), headers={"Content-Length": "1000"})


def to(location: str, status_code: int = 302) -> Step:
    """Make a redirect that would leave a cookie."""
    headers = {"Location": location, "Set-Cookie": "a=b; Domain=runcomfy.net"}
    return lambda _: httpx.Response(status_code, headers=headers)


async def saved(
    folder: Path, url: str, *steps: Step, base_url: str = SERVICE
) -> tuple[str, list[str]]:
    """Save what lies at a URL; give the file's name or the line, and what was sent."""
    network = ScriptedNetwork(*steps)
    scene = Scene(folder, base_url, network.transport)
    said = await scene.save(url)
    network.check()
    assert scene.files in ({}, {said: 1000})
    for request in network.requests:
        assert not {"authorization", "cookie"} & set(request.headers)
    return said, network.sent


def refused(place: str) -> str:
    """Give the line that names a place that nothing is fetched from."""
    return (
        "Clips are downloaded only from https hosts under runcomfy.net or runcomfy.com and from"
        f" RUNCOMFY_API_BASE_URL, not from {place}. {PAID}"
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
async def test_a_clip_is_fetched_from_where_clips_lie(tmp_path: Path, url: str) -> None:
    said, sent = await saved(tmp_path, url, clip)
    assert said == f"{NAME}.mp4"
    assert len(sent) == 1
    assert (tmp_path / said).read_bytes() == CLIP


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787/a.mp4"),
        ("http://localhost", "http://localhost:80/a.mp4"),
        ("http://[::1]:8787", "http://[::1]:8787/a.mp4"),
        ("https://api.example", "https://API.example:443/a.mp4"),
    ],
)
async def test_a_clip_is_fetched_from_the_service_that_the_user_set(
    tmp_path: Path, base_url: str, url: str
) -> None:
    said, _ = await saved(tmp_path, url, clip, base_url=base_url)
    assert said == f"{NAME}.mp4"


ELSEWHERE = {
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


@pytest.mark.parametrize("url", ELSEWHERE)
async def test_nothing_is_asked_of_any_other_place(tmp_path: Path, url: str) -> None:
    assert await saved(tmp_path, url) == (refused(ELSEWHERE[url]), [])


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
async def test_what_is_no_url_is_refused(tmp_path: Path, url: str) -> None:
    assert await saved(tmp_path, url) == (f"The clip's URL is invalid. {PAID}", [])


START = "https://runcomfy.net/a.mp4"


async def test_three_redirects_are_followed_and_no_cookie_goes_along(tmp_path: Path) -> None:
    steps = to("/b.mp4"), to("//cdn.runcomfy.com/c", 307), to("https://api.example:8443/d"), clip
    said, sent = await saved(tmp_path, START, *steps)
    assert said == f"{NAME}.mp4"
    assert sent == [
        f"GET {START}",
        "GET https://runcomfy.net/b.mp4",
        "GET https://cdn.runcomfy.com/c",
        "GET https://api.example:8443/d",
    ]


async def test_a_fourth_redirect_is_not_followed(tmp_path: Path) -> None:
    said, sent = await saved(tmp_path, START, *[to("/b.mp4")] * 4)
    assert said == f"runcomfy.net redirected more than 3 times. {PAID}"
    assert len(sent) == 4


@pytest.mark.parametrize(
    ("location", "place"),
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
async def test_a_redirect_elsewhere_is_not_followed(
    tmp_path: Path, location: str, place: str, before: int
) -> None:
    said, sent = await saved(tmp_path, START, *[to("/b.mp4")] * before, to(location))
    assert said == refused(place)
    assert len(sent) == before + 1


async def test_a_redirect_to_a_host_that_is_no_name_is_not_followed(tmp_path: Path) -> None:
    said, sent = await saved(tmp_path, START, to("https://xn--/a.mp4"))
    assert said == f"runcomfy.net redirected to an invalid URL. {PAID}"
    assert len(sent) == 1
