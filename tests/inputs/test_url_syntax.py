import pytest

from seedance_mcp.errors import InputError
from seedance_mcp.inputs._public_urls import check_image_urls
from seedance_mcp.models.model import load_models

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
GOOD = {"prompt": "A lake", "first_frame_image_url": "https://images.example/lake.jpg"}
URL = "first_frame_image_url must be an https URL that anyone can fetch; this one "


def url_refusal(url: str, *, allow_http: bool = False) -> str | None:
    """Give the line that a URL is refused with, None where it passes."""
    try:
        check_image_urls(MODEL, GOOD | {"first_frame_image_url": url}, allow_http=allow_http)
    except InputError as error:
        return error.message
    return None


ESCAPE = "has characters that a URL must escape."
HOST = "names no host, or a user name before it."


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://images.example/a.jpg", "begins with http:."),
        ("ftp://images.example/a.jpg", "begins with ftp:."),
        ("file:///etc/hostname", "begins with file:."),
        ("data:image/png;base64,iVBORw0KGgo=", "begins with data:."),
        ("javascript:alert(1)", "begins with javascript:."),
        ("x" * 40 + "://images.example", "has no scheme."),
        ("images.example/a.jpg", "has no scheme."),
        ("//images.example/a.jpg", "has no scheme."),
        ("/home/me/a.jpg", "has no scheme."),
        ("https://me@images.example/a.jpg", HOST),
        ("https://me:secret@images.example/a.jpg", HOST),
        ("https:///a.jpg", HOST),
        ("https:a.jpg", HOST),
        ("https://:443/a.jpg", HOST),
        ("https://images.example:99999/", "cannot be parsed."),
        ("https://images.example:port/", "cannot be parsed."),
        ("https://[::1/a.jpg", "cannot be parsed."),
        ("https://[images]/a.jpg", "cannot be parsed."),
        ("https://images.example/a lake.jpg", ESCAPE),
        (" https://images.example/a.jpg", "has no scheme."),
        ("https://images.example/a.jpg\n", ESCAPE),
        ("https://images.example/\x00.jpg", ESCAPE),
        ("https://images.example\\@evil.example/", ESCAPE),
        ("https://images.example/sjö.jpg", ESCAPE),
        ("https://bücher.example/a.jpg", ESCAPE),
        ('https://images.example/"a".jpg', ESCAPE),
        (
            "https://images.example/".ljust(8193, "a"),
            "has 8,193 characters, and 8,192 is the limit.",
        ),
    ],
)
def test_what_is_no_url_that_the_service_can_fetch_is_refused(url: str, problem: str) -> None:
    assert url_refusal(url) == URL + problem


@pytest.mark.parametrize(
    "url",
    [
        "https://images.example",
        "HTTPS://IMAGES.EXAMPLE/A.JPG",
        "https://images.example:8443/a%20lake.jpg?signature=a+b&to=me@b#c",
        "https://[2001:db8::1]/a.jpg",
        "https://images.example/".ljust(8192, "a"),
    ],
)
def test_a_public_https_url_passes(url: str) -> None:
    assert url_refusal(url) is None


def test_plain_http_passes_only_where_it_is_allowed() -> None:
    url = "http://127.0.0.1:8000/a.jpg"
    assert url_refusal(url) == URL + "begins with http:."
    assert url_refusal(url, allow_http=True) is None
    assert url_refusal("file:///a.jpg", allow_http=True) == URL + "begins with file:."


def test_a_last_frame_is_looked_at_like_a_first_one() -> None:
    with pytest.raises(InputError) as refused:
        check_image_urls(MODEL, GOOD | {"last_frame_image_url": "/a.jpg"}, allow_http=False)
    assert (refused.value.argument, refused.value.message) == (
        "last_frame_image_url",
        "last_frame_image_url must be an https URL that anyone can fetch; this one has no scheme.",
    )
