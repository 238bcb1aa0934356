"""Which URLs are well formed enough for RunComfy to fetch."""

import pytest

from seedance_mcp.errors import InputError
from seedance_mcp.inputs.preflight import Preflight
from tests.support.preflight import FIRST, LAST, MODEL
from tests.support.wording import LOCAL_FILES_OFF, NOT_AN_IMAGE_URL

pytestmark = pytest.mark.anyio

GOOD = {"prompt": "A lake", FIRST: "https://images.example/lake.jpg"}
WRONG = f"{FIRST} {NOT_AN_IMAGE_URL}it "
OFF = LOCAL_FILES_OFF.removeprefix("it ")
ESCAPE = "has characters that a URL must escape."


async def refusal(url: str, *, allow_http: bool = False) -> str | None:
    """Return the message that a URL is refused with, None where it passes."""
    preflight = Preflight(check=False, allow_private=allow_http, local_files=False)
    try:
        await preflight.check(MODEL, GOOD | {FIRST: url})
    except InputError as error:
        return error.message
    return None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://images.example/a.jpg", "begins with http:."),
        ("ftp://images.example/a.jpg", "begins with ftp:."),
        ("file:///etc/hostname", OFF),
        ("data:image/png;base64,iVBORw0KGgo=", OFF),
        ("javascript:alert(1)", OFF),
        ("x" * 40 + "://images.example", "has no scheme."),
        ("images.example/a.jpg", OFF),
        ("//images.example/a.jpg", OFF),
        ("/home/me/a.jpg", OFF),
        ("https://me@images.example/a.jpg", "contains a user name."),
        ("https://me:secret@images.example/a.jpg", "contains a user name."),
        ("https:///a.jpg", "has no host."),
        ("https:a.jpg", "has no host."),
        ("https://:443/a.jpg", "has no host."),
        ("https://images.example:99999/", "cannot be parsed."),
        ("https://images.example:port/", "cannot be parsed."),
        ("https://[::1/a.jpg", "cannot be parsed."),
        ("https://[images]/a.jpg", "cannot be parsed."),
        ("https://images.example/a lake.jpg", ESCAPE),
        ("https://images.example/\na.jpg", ESCAPE),
        ("https://images.example/\x00.jpg", ESCAPE),
        ("https://images.example\\@evil.example/", ESCAPE),
        ("https://images.example/sjö.jpg", ESCAPE),
        ("https://bücher.example/a.jpg", ESCAPE),
        ('https://images.example/"a".jpg', ESCAPE),
        (
            "https://images.example/".ljust(8193, "a"),
            "has 8,193 characters; at most 8,192 work.",
        ),
    ],
)
async def test_a_url_that_runcomfy_cannot_fetch_is_refused(url: str, problem: str) -> None:
    assert await refusal(url) == WRONG + problem


@pytest.mark.parametrize(
    "url",
    [
        "https://images.example",
        " https://images.example/a.jpg\n",
        "HTTPS://IMAGES.EXAMPLE/A.JPG",
        "https://images.example:8443/a%20lake.jpg?signature=a+b&to=me@b#c",
        "https://[2606:4700::1111]/a.jpg",
        "https://images.example/".ljust(8192, "a"),
    ],
)
async def test_a_public_https_url_passes(url: str) -> None:
    assert await refusal(url) is None


async def test_plain_http_passes_only_where_it_is_allowed() -> None:
    url = "http://127.0.0.1:8000/a.jpg"
    assert await refusal(url) == WRONG + "begins with http:."
    assert await refusal(url, allow_http=True) is None
    assert await refusal("https://[2001:db8::1]/a.jpg", allow_http=True) is None
    assert await refusal("file:///a.jpg", allow_http=True) == WRONG + OFF


async def test_a_last_frame_is_checked_like_a_first_one() -> None:
    preflight = Preflight(check=False, allow_private=False, local_files=False)
    with pytest.raises(InputError) as refused:
        await preflight.check(MODEL, GOOD | {LAST: "/a.jpg"})
    assert (refused.value.argument, refused.value.message) == (
        LAST,
        f"{LAST} {NOT_AN_IMAGE_URL}{LOCAL_FILES_OFF}",
    )
