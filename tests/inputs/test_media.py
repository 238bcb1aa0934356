"""Videos and audio files behind URLs: their type by the first bytes, their length by the head."""

from contextlib import suppress
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.errors import InputError
from seedance_mcp.inputs._errors import NotMedia
from seedance_mcp.inputs._media_type import ENOUGH_BYTES, read_media_type
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.models.model import FileKind, load_models
from tests.support.image_host import MEGABYTE, ImageHost, Page, serve_images
from tests.support.sample_images import HTML, make_image
from tests.support.wording import NOT_A_VIDEO_URL, NOT_AN_AUDIO_URL, NOT_CHECKED

pytestmark = pytest.mark.anyio

MODEL = load_models()["bytedance/seedance-2.0/pro"]
REST = bytes(range(256)) * 8
MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + REST
MOV = b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + REST
MP3 = b"ID3\4\0\0\0\0\0\0" + REST
BARE_MP3 = b"\xff\xfb\x90\x64" + REST
WAV = b"RIFF\x24\x08\0\0WAVEfmt " + REST
SIZE_RULE = "File size must be less than 15 MB."


@pytest.mark.parametrize(
    ("start", "found"),
    [
        (MP4, "MP4"),
        (MOV, "MOV"),
        (b"\0\0\0\x08wide\0\0\x10\0mdat" + REST, "MOV"),
        (b"\0\0\x10\0moov" + REST, "MOV"),
        (b"\x1aE\xdf\xa3" + REST, "WebM or Matroska"),
        (b"RIFF\0\0\0\0AVI LIST" + REST, "AVI"),
        (b"G" + REST[:187] + b"G" + REST, "MPEG-TS"),
        (b"\0\0\1\xba" + REST, "MPEG"),
        (MP3, "MP3"),
        (BARE_MP3, "MP3"),
        (b"\xff\xf3\x40\xc0" + REST, "MP3"),
        (WAV, "WAV"),
        (b"RF64\xff\xff\xff\xffWAVEds64" + REST, "WAV"),
        (b"\0\0\0\x1cftypM4A \0\0\0\0M4A mp42" + REST, "M4A"),
        (b"\xff\xf1\x50\x80" + REST, "AAC"),
        (b"fLaC" + REST, "FLAC"),
        (b"OggS" + REST, "Ogg"),
        (b"\xff\xff\xff\xff" + REST, None),
        (b"RIFF\0\0\0\0XXXX" + REST, None),
        (REST, None),
    ],
)
def test_a_type_is_known_by_the_first_bytes(start: bytes, found: str | None) -> None:
    assert read_media_type(start[:ENOUGH_BYTES], "audio") == found


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"", "empty"),
        (HTML, "an HTML page"),
        (make_image("JPEG"), "an image (JPEG)"),
        (make_image("PNG"), "an image (PNG)"),
        (make_image("WEBP"), "an image (WebP)"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + REST, "an image (AVIF)"),
        (b"8BPS" + REST, "an image (PSD)"),
        (b"%PDF-1.7\n" + REST, "a PDF"),
        (b"<?xml version='1.0'?><Error/>", "XML"),
        (b"PK\3\4" + REST, "a ZIP archive"),
        (b'{"error": "not found"}', "text"),
        ("#EXTM3U\nklip-é.ts\n".encode() * 40, "text"),
        ("é".encode() * 300, "text"),
    ],
)
@pytest.mark.parametrize("kind", ["video", "audio"])
def test_what_is_certainly_something_else_is_named(
    start: bytes, words: str, kind: FileKind
) -> None:
    with pytest.raises(NotMedia) as error:
        read_media_type(start[:ENOUGH_BYTES], kind)
    assert str(error.value) == words


@pytest.mark.parametrize("start", [MP3, BARE_MP3, WAV, b"fLaC" + REST])
def test_sound_alone_is_no_video(start: bytes) -> None:
    with pytest.raises(NotMedia, match="an audio file"):
        read_media_type(start, "video")


@given(st.binary(max_size=ENOUGH_BYTES), st.sampled_from(["video", "audio"]))
def test_any_bytes_are_taken(start: bytes, kind: FileKind) -> None:
    with suppress(NotMedia):
        read_media_type(start, kind)


async def warned(host: ImageHost, name: str = "videos") -> tuple[str, ...]:
    """Check a call with the page `/a` of a host as a file, and return the warnings."""
    plain = httpx.AsyncHTTPTransport(verify=False, trust_env=False)
    preflight = Preflight(check=True, allow_private=True, local_files=False, transport=plain)
    given: dict[str, Any] = {"prompt": "A lake", name: [host.url("/a")]}
    checked = await preflight.check(MODEL, given)
    assert checked.arguments == given
    return checked.warnings


async def checked(page: Page, name: str = "videos") -> tuple[tuple[str, ...], ImageHost]:
    async with serve_images(a=page) as host:
        return await warned(host, name), host


async def refusal(page: Page, name: str = "videos") -> str:
    async with serve_images(a=page) as host:
        with pytest.raises(InputError) as refused:
            await warned(host, name)
    assert refused.value.argument == f"{name}[0]"
    return refused.value.message.removeprefix(f"{name}[0]")


SERVED: dict[str, dict[str, Any]] = {
    "ranges": {"ranges": True},
    "no ranges": {},
    "ranges refused": {"refuses": 403},
    "any type": {"headers": {"Content-Type": "application/octet-stream"}},
    "wrong type": {"ranges": True, "headers": {"Content-Type": "text/html"}},
}


@pytest.mark.parametrize("served", SERVED.values(), ids=SERVED)
@pytest.mark.parametrize(
    ("name", "body"),
    [("videos", MP4), ("videos", MOV), ("audios", MP3), ("audios", WAV)],
    ids=["mp4", "mov", "mp3", "wav"],
)
async def test_a_file_of_a_known_type_passes(
    served: dict[str, Any], name: str, body: bytes
) -> None:
    assert (await checked(Page(body=body, **served), name))[0] == ()


async def test_no_more_of_a_file_is_asked_for_than_its_type_needs() -> None:
    page = Page(body=MP4 + bytes(50 * MEGABYTE), ranges=True)
    warnings, host = await checked(page)
    assert (warnings, host.connections, host.sent) == ((), 1, 4096)
    assert "\r\nRange: bytes=0-4095\r\n" in host.requests[0]
    assert "\r\nAccept: */*\r\n" in host.requests[0]
    assert "Authorization" not in host.requests[0]


async def test_a_host_without_ranges_is_not_read_to_the_end() -> None:
    _, host = await checked(Page(body=MP4 + bytes(50 * MEGABYTE)))
    assert host.sent < 25 * MEGABYTE


@pytest.mark.parametrize(
    ("page", "name", "problem"),
    [
        (Page(body=HTML), "videos", f" {NOT_A_VIDEO_URL}it is an HTML page."),
        (
            Page(body=HTML, headers={"Content-Type": "text/html; charset=utf-8"}),
            "audios",
            f' {NOT_AN_AUDIO_URL}it is an HTML page ("text/html").',
        ),
        (Page(body=make_image("JPEG")), "videos", f" {NOT_A_VIDEO_URL}it is an image (JPEG)."),
        (Page(body=MP3), "videos", f" {NOT_A_VIDEO_URL}it is an audio file (MP3)."),
        (Page(), "videos", f" {NOT_A_VIDEO_URL}it is empty."),
        (Page(ranges=True), "audios", f" {NOT_AN_AUDIO_URL}it is empty."),
        (Page(status=404, body=HTML), "audios", f" {NOT_AN_AUDIO_URL}its host answered 404."),
        (
            Page(body=REST, headers={"Content-Type": "image/x-raw"}),
            "videos",
            f' {NOT_A_VIDEO_URL}its host says that it is "image/x-raw".',
        ),
        (
            Page(body=MP3 + bytes(16 * MEGABYTE), ranges=True),
            "audios",
            f": {SIZE_RULE} It is 16 MB (16,779,274 bytes).",
        ),
        (
            Page(body=MP3, headers={"Content-Length": str(15 * MEGABYTE)}),
            "audios",
            f": {SIZE_RULE} It is 15 MB (15,728,640 bytes).",
        ),
    ],
)
async def test_what_is_certainly_wrong_is_refused(page: Page, name: str, problem: str) -> None:
    assert await refusal(page, name) == problem


async def test_a_redirect_is_followed_and_checked() -> None:
    async with serve_images(clip=Page(body=MP4)) as host:
        moved = Page(status=302, headers={"Location": host.url("/clip")})
        inside = Page(status=302, headers={"Location": "ftp://127.0.0.1/clip.mp4"})
        assert (await checked(moved))[0] == ()
        after = f" {NOT_A_VIDEO_URL}after a redirect, it begins with ftp:."
        assert await refusal(inside) == after


OTHER = "which RunComfy may not accept; "


@pytest.mark.parametrize(
    ("page", "name", "warning"),
    [
        (
            Page(body=b"\x1aE\xdf\xa3" + REST),
            "videos",
            f" is of type WebM or Matroska, {OTHER}MP4 and MOV are safest.",
        ),
        (Page(body=MP4), "audios", f" is of type MP4, {OTHER}WAV and MP3 are safest."),
        (Page(body=REST), "videos", f" {NOT_CHECKED}its type is unknown."),
        (Page(status=503), "audios", f" {NOT_CHECKED}its host answered 503."),
        (
            Page(body=MP3, length="chunked"),
            "audios",
            f" {NOT_CHECKED}its host does not say how many bytes it has.",
        ),
        (Page(body=MP4, length="chunked"), "videos", None),
        (Page(body=MP4, length="long"), "videos", None),
    ],
)
async def test_what_may_be_right_is_sent_with_a_warning(
    page: Page, name: str, warning: str | None
) -> None:
    assert (await checked(page, name))[0] == ((f"{name}[0]{warning}",) if warning else ())


@pytest.mark.virtual_time
async def test_a_slow_host_is_given_5_seconds() -> None:
    began = anyio.current_time()
    warnings, _ = await checked(Page(hangs=True, length="none"))
    assert warnings == (f"videos[0] {NOT_CHECKED}its host took over 5 s.",)
    assert anyio.current_time() - began == pytest.approx(5.0, abs=0.1)
