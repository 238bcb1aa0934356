"""A local image's path as people and models spell it: which file it means."""

import os
from contextlib import chdir
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.text import plain_spelling
from tests.support.image_host import Page, serve_images
from tests.support.preflight import (
    FIRST,
    JPEG,
    LAST,
    check_local,
    check_urls,
    data_uri,
    refusal,
    sent_image,
    write_image,
)
from tests.support.sample_images import heic, make_image

pytestmark = pytest.mark.anyio

WRONG = f"{FIRST} must be an image; "
OTHER = make_image("JPEG", (480, 640))
SCREENSHOT = "Screenshot 2026-11-29 at 9.41.07\u202fAM.png"


@pytest.mark.parametrize(
    "spelt",
    [
        " {}",
        "{}\n",
        "\ufeff{}\u00a0",
        "\u202a{}",
        '"{}"',
        "'{}'",
        " `{}` ",
        "\u201c{}\u201d",
        "\n'{}' ",
        "file://{}\n",
        '"file://{}"',
    ],
)
async def test_what_stands_around_a_path_is_left_out(spelt: str, tmp_path: Path) -> None:
    path = write_image(tmp_path, JPEG, "a lake.jpg")
    assert await sent_image(spelt.format(path)) == ("image/jpeg", JPEG)


@pytest.mark.skipif(os.sep == "\\", reason="there a backslash separates folders")
async def test_a_path_may_be_escaped_as_in_a_shell(tmp_path: Path) -> None:
    path = write_image(tmp_path, JPEG, "my lake (1) & Tom's.jpg")
    escaped = path.replace(" ", "\\ ").replace("(", "\\(").replace(")", "\\)")
    escaped = escaped.replace("&", "\\&").replace("'", "\\'")
    assert await sent_image(f"{escaped} ") == ("image/jpeg", JPEG)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (SCREENSHOT, SCREENSHOT.replace("\u202f", " ")),
        (SCREENSHOT.replace("\u202f", " "), SCREENSHOT),
        ("Tom\u2019s \u201clake\u201d \u2013 1.jpg", 'Tom\'s "lake" - 1.jpg'),
        ("Tom's lake - 1.jpg", "Tom\u2019s\u00a0lake \u2014 1.jpg"),
        ("sjo\u0308.jpg", "sj\u00f6.jpg"),
        ("la\u200bke.jpg", "lake.jpg"),
    ],
)
async def test_a_name_may_differ_from_the_files_in_typography(
    name: str, written: str, tmp_path: Path
) -> None:
    write_image(tmp_path, JPEG, name)
    write_image(tmp_path, OTHER, "another.jpg")
    assert await sent_image(f"{tmp_path / written}") == ("image/jpeg", JPEG)
    assert await sent_image((tmp_path / written).as_uri()) == ("image/jpeg", JPEG)


async def test_the_exact_path_comes_before_every_other_reading(tmp_path: Path) -> None:
    for name in ("lake.jpg ", "my\\ lake.jpg", "a\u00a0lake.jpg", "'lake.jpg'"):
        write_image(tmp_path, JPEG, name)
    for name in ("lake.jpg", "my lake.jpg", "a lake.jpg"):
        write_image(tmp_path, OTHER, name)
    for name in ("lake.jpg ", "my\\ lake.jpg", "a\u00a0lake.jpg"):
        assert await sent_image(f"{tmp_path}/{name}") == ("image/jpeg", JPEG)
    with chdir(tmp_path):
        assert await sent_image("'lake.jpg'") == ("image/jpeg", JPEG)


async def test_a_path_that_may_mean_two_files_is_refused_with_both_names(tmp_path: Path) -> None:
    for name in ("a\u202flake.jpg", "a\u00a0lake.jpg"):
        write_image(tmp_path, JPEG, name)
    assert await refusal(f"{tmp_path}/a lake.jpg") == (
        f"{WRONG}{tmp_path}/a lake.jpg does not exist, and may mean any of 'a\\xa0lake.jpg',"
        " 'a\\u202flake.jpg'; pass the exact name, or rename the file."
    )


async def test_a_missing_file_is_named_by_the_absolute_path_that_was_looked_for(
    tmp_path: Path,
) -> None:
    missing = tmp_path / "a lake.jpg"
    for spelt in (f'"{missing}"\n', missing.as_uri(), str(missing).replace(" ", "\\ ")):
        assert await refusal(spelt) == f"{WRONG}{missing} does not exist."
    with chdir(tmp_path):
        assert await refusal("./in/../lake.jpg") == (
            f"{WRONG}{tmp_path}/lake.jpg does not exist; a relative path begins at the server's"
            " folder, so pass an absolute one, or a URL that begins with https://."
        )
        write_image(tmp_path, b"Diary", "diary.jpg")
        assert await refusal("diary.jpg") == f"{WRONG}{tmp_path}/diary.jpg is not an image."


async def test_white_space_and_quotes_around_a_url_or_data_are_left_out(tmp_path: Path) -> None:
    write_image(tmp_path, JPEG)
    for spelt in (f" {data_uri(JPEG)}", f'"{data_uri(JPEG)}"\n'):
        assert await sent_image(spelt) == ("image/jpeg", JPEG)
    async with serve_images(image=Page(body=JPEG)) as host:
        checked = await check_urls(f" {host.url()}\n", f'"{host.url()}"')
    assert (checked.arguments[FIRST], checked.arguments[LAST]) == (host.url(), host.url())
    assert checked.warnings == ()
    # Not looked up: over stdio too it is refused as a URL, not as a file that is missing.
    assert await refusal(" https://localhost/lake.jpg ") == (
        f"{FIRST} must be the public https URL of an image; its host has an address that is not"
        " public (SEEDANCE_ALLOW_PRIVATE_URLS=true allows it)."
    )


@pytest.mark.parametrize(
    ("kind", "media_type"), [("JPEG", "jpeg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif")]
)
async def test_base64_alone_is_recognized_and_not_repeated(kind: str, media_type: str) -> None:
    alone = data_uri(make_image(kind)).partition(",")[2]
    line = (
        f"{WRONG}it is base64 alone; put data:image/{media_type};base64, in front of it, or pass"
        " the absolute path of a file."
    )
    wrapped = "\n".join(alone[at : at + 76] for at in range(0, len(alone), 76))
    urlsafe = alone.replace("+", "-").replace("/", "_")
    for spelt in (alone, f"base64,{alone}", f"image/png;base64,{alone}", wrapped, urlsafe):
        assert await refusal(spelt) == line
    checked = await check_local(f"data:image/{media_type};base64,{alone}")
    assert checked.arguments[FIRST].startswith("data:image/")


async def test_a_file_whose_name_looks_like_base64_is_read(tmp_path: Path) -> None:
    path = write_image(tmp_path, JPEG, "iVBORw0KGgo" + "A" * 200)
    with chdir(tmp_path):
        assert await sent_image("iVBORw0KGgo" + "A" * 200) == ("image/jpeg", JPEG)
    assert await sent_image(path) == ("image/jpeg", JPEG)


async def test_what_is_too_long_for_a_path_is_not_walked_along() -> None:
    assert await refusal("./" * 20_000) == f"{WRONG}it has 40,000 characters, too many for a path."
    long = data_uri(make_image("BMP")).partition(",")[2]
    assert "put data:image/bmp;base64, in front of it" in await refusal(long)
    assert "put data:image/jpeg;base64, in front of it" in await refusal("A" * 40_000)


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif"])
async def test_a_type_that_cannot_be_read_here_gets_a_remedy(brand: bytes, tmp_path: Path) -> None:
    kind = {b"heic": "a HEIC", b"mif1": "a HEIF", b"avif": "an AVIF"}[brand]
    path = write_image(tmp_path, heic(640, 480, brand=brand), "IMG_0042.HEIC")
    remedy = "export it as JPEG or PNG and pass that file"
    assert await refusal(path) == f"{WRONG}{path} is {kind} that cannot be read here; {remedy}."


@given(st.text())
def test_a_plain_spelling_stays_as_it_is(text: str) -> None:
    plain = plain_spelling(text)
    assert plain_spelling(plain) == plain
    assert (plain == text) or not text.isascii()
