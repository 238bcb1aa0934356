"""URLs that lead to private addresses: each is refused without a connection (SSRF)."""

import errno
import socket
from ipaddress import ip_address

import pytest

from seedance_mcp.errors import InputError
from seedance_mcp.inputs._public_urls import is_public
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.models.model import load_models
from tests.support.hostile_urls import (
    FIRST,
    HOSTILE,
    INSIDE,
    NAMES,
    ODD,
    PARSE,
    PRIVATE,
    PUBLIC,
    WRONG,
)
from tests.support.image_host import FakeResolver, Page, RerouteTransport, serve_images
from tests.support.sample_images import make_image
from tests.support.wording import NOT_CHECKED

pytestmark = pytest.mark.anyio

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
JPEG = make_image("JPEG")


def no_such_host() -> OSError:
    return socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def names(**more: list[list[str]]) -> FakeResolver:
    """Return a resolver; `_` in a name stands for a dot."""
    given = {name.replace("_", "."): addresses for name, addresses in more.items()}
    return FakeResolver(NAMES | given, no_such_host)


async def found(
    url: str, network: RerouteTransport, resolve: FakeResolver, *, behind_proxy: bool = False
) -> str:
    """Return the refusal of a URL, or its warnings, or nothing."""
    preflight = Preflight(
        check=True,
        allow_private=False,
        local_files=False,
        behind_proxy=behind_proxy,
        resolve=resolve,
        transport=network,
    )
    try:
        checked = await preflight.check(MODEL, {"prompt": "A lake", FIRST: url})
    except InputError as error:
        return error.message
    return "\n".join(checked.warnings)


def test_the_table_has_at_least_60_urls() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_url_is_refused_without_a_connection(url: str) -> None:
    async with serve_images() as host:
        network = RerouteTransport(host.port)
        assert await found(url, network, names()) == HOSTILE[url]
        assert (network.dialled, host.connections) == ([], 0)


@pytest.mark.parametrize("url", HOSTILE)
async def test_behind_a_proxy_only_a_host_that_does_not_resolve_is_let_through(url: str) -> None:
    async with serve_images() as host:
        network = RerouteTransport(host.port)
        line = await found(url, network, names(), behind_proxy=True)
        if "does not exist" in HOSTILE[url]:
            name = url.split("/")[2]
            because = f"its host {name} cannot be resolved without the proxy"
            assert line == f"{FIRST} could not be checked: {because}."
        else:
            assert line == HOSTILE[url]
        assert (network.dialled, host.connections) == ([], 0)


async def test_behind_a_proxy_a_refused_connection_is_a_warning() -> None:
    async with serve_images() as host:
        network = RerouteTransport(host.port)
    line = await found("https://images.example/a", network, names(), behind_proxy=True)
    assert line == f"{FIRST} could not be checked: its host could not be reached."


def moved(location: str, status: int = 302) -> Page:
    return Page(status=status, headers={"Location": location})


def redirected(url: str) -> str:
    """Return the refusal of a redirect to a URL."""
    line = HOSTILE[url]
    if url.startswith("//"):  # as a redirect, it keeps the scheme
        line = PRIVATE
    if url.startswith("file:"):
        line = "it begins with file:."
    if "does not exist" in line:
        return line
    return WRONG + "after a redirect, " + line.removeprefix(WRONG)


def is_absolute(url: str) -> bool:
    """Return whether a URL fits in a header, and means the same in a redirect."""
    relative = not url.split(":", 1)[-1].startswith("//") and "\\" not in url
    return url.isascii() and url.isprintable() and not relative and "///127" not in url


@pytest.mark.parametrize("url", [url for url in HOSTILE if is_absolute(url)])
async def test_a_redirect_to_a_hostile_url_is_not_followed(url: str) -> None:
    async with serve_images(start=moved(url)) as host:
        network = RerouteTransport(host.port)
        line = await found("https://images.example/start", network, names())
        assert line == redirected(url)
        assert (network.dialled, host.connections) == ([f"{PUBLIC}:443"], 1)


async def test_a_host_after_a_bracketed_address_is_refused() -> None:
    # Python's own began to refuse it in 3.11.9.
    async with serve_images() as host:
        network = RerouteTransport(host.port)
        line = await found("https://[2606:4700::1111]inside.example/a.png", network, names())
        assert (line in {PARSE, ODD}, network.dialled, host.connections) == (True, [], 0)


async def test_a_public_image_is_fetched_from_the_address_that_was_resolved_once() -> None:
    async with serve_images(a=Page(body=JPEG)) as host:
        network, resolve = RerouteTransport(host.port), names()
        assert await found("https://images.example/a", network, resolve) == ""
    assert (network.dialled, resolve.asked) == ([f"{PUBLIC}:443"], ["images.example"])
    assert "\r\nHost: images.example\r\n" in host.requests[0]


async def test_a_name_that_is_rebound_after_its_check_is_not_resolved_again() -> None:
    async with serve_images(a=Page(body=JPEG)) as host:
        network, resolve = (
            RerouteTransport(host.port),
            names(rebinding_example=[[PUBLIC], ["127.0.0.1"]]),
        )
        assert await found("https://rebinding.example/a", network, resolve) == ""
    assert (network.dialled, resolve.asked) == ([f"{PUBLIC}:443"], ["rebinding.example"])


async def test_a_name_that_is_rebound_between_redirects_is_checked_again() -> None:
    async with serve_images(a=moved("/b"), b=Page(body=JPEG)) as host:
        network, resolve = (
            RerouteTransport(host.port),
            names(rebinding_example=[[PUBLIC], ["127.0.0.1"]]),
        )
        line = await found("https://rebinding.example/a", network, resolve)
    assert line == WRONG + "after a redirect, " + INSIDE.removeprefix(WRONG)
    assert network.dialled == [f"{PUBLIC}:443"]


async def test_a_name_that_is_rebound_before_the_rest_is_requested_is_checked_again() -> None:
    late = b"\xff\xd8" + (b"\xff\xe4\xff\xff" + bytes(0xFFFD)) * 3
    async with serve_images(a=Page(body=late, ranges=True)) as host:
        network, resolve = (
            RerouteTransport(host.port),
            names(rebinding_example=[[PUBLIC], ["127.0.0.1"]]),
        )
        assert await found("https://rebinding.example/a", network, resolve) == INSIDE
    assert network.dialled == [f"{PUBLIC}:443"]


async def test_three_redirects_are_followed() -> None:
    pages = {"a": moved("b", 301), "b": moved("/c", 307), "c": moved("//images.example/d", 308)}
    async with serve_images(**pages, d=Page(body=JPEG)) as host:
        network = RerouteTransport(host.port)
        assert await found("https://images.example/a", network, names()) == ""
    assert network.dialled == [f"{PUBLIC}:443"] * 4


async def test_a_fourth_redirect_is_not_followed() -> None:
    async with serve_images(a=moved("/a", 303)) as host:
        network = RerouteTransport(host.port)
        line = await found("https://images.example/a", network, names())
    assert line == WRONG + "it redirects more than 3 times."
    assert network.dialled == [f"{PUBLIC}:443"] * 4


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/sjö.jpg", "/sj%C3%B6.jpg"),
        ("/a lake.jpg?of=my home", "/a%20lake.jpg?of=my%20home"),
        ('https://images.example/"a"<b>.jpg', "/%22a%22%3Cb%3E.jpg"),
        ("/a%20lake.jpg?sig=a%2Bb+c==&x=[1]", "/a%20lake.jpg?sig=a%2Bb+c==&x=[1]"),
    ],
)
async def test_unescaped_characters_in_a_redirect_are_escaped(location: str, target: str) -> None:
    pages = {"a": moved(location), target.removeprefix("/"): Page(body=JPEG)}
    async with serve_images(**pages) as host:
        assert await found("https://images.example/a", RerouteTransport(host.port), names()) == ""
    assert [request.split(" ")[1] for request in host.requests] == ["/a", target]


async def test_cookies_are_not_sent() -> None:
    cookie = Page(status=302, headers={"Location": "/b", "Set-Cookie": "me=1; Path=/"})
    async with serve_images(a=cookie, b=Page(body=JPEG)) as host:
        assert await found("https://images.example/a", RerouteTransport(host.port), names()) == ""
    assert [request.lower().count("cookie") for request in host.requests] == [0, 0]


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808::1"],
)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "fault",
    [
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure"),
        OSError(errno.EMFILE, "Too many open files"),
        PermissionError(errno.EPERM, "Operation not permitted"),
    ],
)
async def test_a_name_that_cannot_be_resolved_now_gets_a_warning(fault: OSError) -> None:
    resolve = FakeResolver({}, lambda: fault)
    async with serve_images() as host:
        line = await found("https://images.example/a", RerouteTransport(host.port), resolve)
    assert line == f"{FIRST} {NOT_CHECKED}its host could not be resolved."
