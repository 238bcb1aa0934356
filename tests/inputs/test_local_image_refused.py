"""Local files that are not images or break a rule: none of their bytes leaves the machine."""

import os
from pathlib import Path

import pytest

from seedance_mcp.inputs._local_file import MAX_FILE_BYTES
from tests.support.preflight import FIRST, JPEG, data_uri, refusal, write_image
from tests.support.sample_images import HTML, SVG, heic, make_image, png
from tests.support.wording import LOCAL_FILES_OFF, NOT_AN_IMAGE_URL

pytestmark = pytest.mark.anyio

WRONG = f"{FIRST} must be an image; "
EXPORT = "export it as JPEG or PNG and pass that file"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png(300, 800), "less than 300 pixels. It is 300 x 800 pixels."),
        (png(6000, 4000), "not exceed 6000 pixels. It is 6000 x 4000 pixels."),
        (png(20_000, 20_000), "not exceed 6000 pixels. It is 20000 x 20000 pixels."),
        (make_image("PPM", (10, 10)), "less than 300 pixels. It is 10 x 10 pixels."),
        (
            b"P6 20000 20000 255\n" + bytes(99),
            "not exceed 6000 pixels. It is a decompression bomb.",
        ),
    ],
)
async def test_a_local_image_must_keep_the_rules_about_pixels(
    data: bytes, message: str, tmp_path: Path
) -> None:
    rule = f"{FIRST}: The uploaded image width and height must "
    verb = "be " if message.startswith("less") else ""
    line = await refusal(write_image(tmp_path, data))
    assert line.replace("not be less", "be less") == rule + verb + message


async def test_a_local_image_must_keep_the_rules_about_its_aspect_ratio() -> None:
    assert await refusal(data_uri(make_image("PNG", (1000, 400)))) == (
        f"{FIRST}: The aspect ratio range should be between 0.4 and 2.5."
        " It is 1000 x 400 pixels, width/height 2.5."
    )


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty"),
        (b"root:x:0:0:root:/root:/bin/bash\n" * 9, "not an image"),
        (b"Private diary " * 9, "not an image"),
        (b"P6 diary " * 9, f"an image that cannot be read here; {EXPORT}"),
        (HTML, "an HTML page"),
        (SVG, "an SVG, which has no pixels"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(99), "not an image"),
        (png(640, 480), "a PNG that cannot be read here"),
        (JPEG[:-900], "a damaged JPEG"),
        (make_image("PNG")[:-300], "a damaged PNG"),
        (JPEG[:40], "a damaged JPEG"),
        (heic(640, 480), f"a HEIC that cannot be read here; {EXPORT}"),
        (b"\0\0\1\0" + bytes(99), f"an image that cannot be read here; {EXPORT}"),
        (b"\xff\x0a" + bytes(99), f"an image that cannot be read here; {EXPORT}"),
    ],
)
async def test_a_file_that_is_not_an_image_is_refused_by_its_name(
    data: bytes, what: str, tmp_path: Path
) -> None:
    path = write_image(tmp_path, data)
    assert await refusal(path) == f"{WRONG}{path} is {what}."
    assert await refusal(data_uri(data)) == f"{WRONG}it is {what}."


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        ("data:image/png,abc", "a data: URI must hold base64"),
        ("data:", "a data: URI must hold base64"),
        ("data:image/png;base64,AAAA%", "its base64 is invalid"),
        ("data:image/png;base64,AAAAA", "its base64 is invalid"),
        ("data:image/png;base64,AAA\u00e4", "its base64 is invalid"),
        ("file://files.example/lake.jpg", "it is a file on another machine"),
        ("file://[lake.jpg", "it is a file on another machine"),
        ("file:///nowhere/lake.jpg", "/nowhere/lake.jpg does not exist"),
        ("/nowhere/lake.jpg", "/nowhere/lake.jpg does not exist"),
        ("~nobody-at-all/lake.jpg", "~nobody-at-all/lake.jpg does not exist"),
        ("/nowhere\0/lake.jpg", "/nowhere /lake.jpg does not exist"),
        ("/\\\\files\\lake.jpg", "/\\\\files\\lake.jpg does not exist"),
        ("/dev/null", "/dev/null is not a regular file"),
        ("/dev/zero", "/dev/zero is not a regular file"),
        ("/dev/urandom", "/dev/urandom is not a regular file"),
        ("/dev", "/dev is not a regular file"),
        ("/etc/passwd", "/etc/passwd is not an image"),
        ("/proc/self/environ", "/proc/self/environ is not an image"),
    ],
)
async def test_a_value_that_does_not_lead_to_an_image_is_refused(uri: str, what: str) -> None:
    assert await refusal(uri) == f"{WRONG}{what}."


async def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    fifo, loop = tmp_path / "fifo.jpg", tmp_path / "loop.jpg"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    targets = {"to-fifo": fifo, "to-folder": tmp_path, "to-zero": Path("/dev/zero")}
    for name, target in targets.items():
        (tmp_path / name).symlink_to(target)
    for path in (fifo, tmp_path, *(tmp_path / name for name in targets)):
        assert await refusal(str(path)) == f"{WRONG}{path} is not a regular file."
    assert await refusal(str(loop)) == f"{WRONG}{loop} does not exist."
    secrets = tmp_path / "secrets.png"
    secrets.symlink_to("/etc/passwd")
    assert await refusal(str(secrets)) == f"{WRONG}{secrets} is not an image."


async def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = Path(write_image(tmp_path, JPEG))
    os.truncate(path, MAX_FILE_BYTES + 1)
    assert await refusal(str(path)) == f"{WRONG}{path} is larger than 100 MB."


@pytest.mark.parametrize(
    "value",
    [
        "/home/me/lake.jpg",
        "~/lake.jpg",
        "C:\\Users\\me\\lake.jpg",
        " lake.jpg ",
        "file:///home/me/lake.jpg",
        data_uri(JPEG),
        data_uri(JPEG).partition(",")[2],
    ],
)
async def test_where_local_files_are_off_a_path_is_answered_by_why(value: str) -> None:
    assert await refusal(value, local_files=False) == f"{FIRST} {NOT_AN_IMAGE_URL}{LOCAL_FILES_OFF}"


async def test_another_scheme_is_refused_as_a_url() -> None:
    assert await refusal("ftp://images.example/lake.jpg") == (
        f"{FIRST} {NOT_AN_IMAGE_URL}it begins with ftp:."
    )
