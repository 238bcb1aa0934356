"""Runs the preflight on a call's images, and reads what it would send."""

import base64
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from seedance_mcp.errors import InputError
from seedance_mcp.inputs._data_uri import MAX_URI_CHARACTERS
from seedance_mcp.inputs._findings import CheckedInputs
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.models.model import load_models

from .sample_images import make_image
from .wording import ONLY_URLS_DOCUMENTED

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
FIRST, LAST = "first_frame_image_url", "last_frame_image_url"
SENT_AS_DATA = f"{FIRST} is {ONLY_URLS_DOCUMENTED}"
JPEG = make_image("JPEG")


async def check_local(
    value: str, *, last: str | None = None, local_files: bool = True
) -> CheckedInputs:
    """Check the frames of a call, as paths or data URIs."""
    # check=True and the system's own resolver: a local image must need neither.
    preflight = Preflight(check=True, allow_private=False, local_files=local_files)
    return await preflight.check(
        MODEL, {"prompt": "A lake", FIRST: value} | ({LAST: last} if last else {})
    )


async def check_urls(first: str, last: str, *, resolution: str = "480p") -> CheckedInputs:
    """Check the frames of a call, as URLs of a test's own host."""
    plain = httpx.AsyncHTTPTransport(verify=False, trust_env=False)
    preflight = Preflight(check=True, allow_private=True, local_files=False, transport=plain)
    given = {"prompt": "A lake", FIRST: first, LAST: last, "resolution": resolution}
    return await preflight.check(MODEL, given)


async def refusal(value: str, *, local_files: bool = True) -> str:
    """Return why a first frame is refused."""
    with pytest.raises(InputError) as refused:
        await check_local(value, local_files=local_files)
    assert refused.value.argument == FIRST
    return refused.value.message


async def sent_image(value: str) -> tuple[str, bytes]:
    """Return the media type and the bytes that a first frame is sent as."""
    checked = await check_local(value)
    assert checked.warnings == (SENT_AS_DATA,)
    uri: str = checked.arguments[FIRST]
    assert len(uri) <= MAX_URI_CHARACTERS
    head, _, body = uri.partition(";base64,")
    return head.removeprefix("data:"), base64.b64decode(body, validate=True)


def write_image(folder: Path, data: bytes, name: str = "lake.jpg") -> str:
    """Write an image's file and return its path."""
    path = folder / name
    path.write_bytes(data)
    return str(path)


def data_uri(data: bytes, media_type: str = "image/png") -> str:
    """Return an image as a data URI."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def decoded(data: bytes) -> Image.Image:
    """Decode an image, pixels included."""
    image = Image.open(BytesIO(data))
    image.load()
    return image


def too_long_to_send() -> bytes:
    """Return a PNG that is not compressed, and far too long to be sent as it is."""
    return make_image("PNG", (1500, 1500), compress_level=0)
