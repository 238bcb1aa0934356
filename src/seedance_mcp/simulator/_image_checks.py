"""Input files, fetched as RunComfy would fetch them and checked by the model's own rules.

It needs the `video` extra: so `_rendering.py` imports it only when there is work.
"""

import base64
import binascii
import warnings
from collections.abc import Sequence
from io import BytesIO

import anyio.to_thread
import httpx
from PIL import ExifTags, Image, UnidentifiedImageError

from seedance_mcp.models.model import FileArgument, FileRule

MEGABYTE = 1024 * 1024
FETCH_TIMEOUT_SECONDS = 20.0
MAX_FETCHED_BYTES = 64 * MEGABYTE  # more than any rule allows, so that the rule's message is used


class InvalidImage(Exception):
    """An image is unavailable, unreadable or breaks a rule."""


async def load(file: FileArgument, *, data_uris: bool, media: bool) -> bytes | None:
    """Fetch an image and check it by its rules; a video or audio file only with `media`.

    Returns:
        The image; None for a video or audio file.

    Raises:
        InvalidImage: It is unavailable or unreadable, or breaks a rule, whose message is used.
    """
    if file.kind == "image":
        image = await _fetch(file.value, data_uris=data_uris)
        await _check(image, file.rules)
        return image
    if not file.value.startswith(("http://", "https://")):
        raise InvalidImage(f"The {file.kind} must be a public URL.")
    if media:
        size = len(await _fetch(file.value, kind=file.kind)) / MEGABYTE
        for rule in file.rules:
            if not rule.holds(size):
                raise InvalidImage(rule.message)
    return None


async def _fetch(url: str, *, kind: str = "image", data_uris: bool = False) -> bytes:
    """Return a file from an http(s) URL, without credentials, or from a `data:` URI."""
    if url.startswith("data:") and data_uris:
        return _decode(url)
    if not url.startswith(("http://", "https://")):
        raise InvalidImage("The image must be a public URL.")
    try:
        async with _client(url) as client:
            return await _download(client, url, kind)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        name = type(error).__name__
        raise InvalidImage(f"The {kind} could not be downloaded: {name}.") from error


async def _check(image: bytes, rules: Sequence[FileRule]) -> None:
    try:
        measured = await anyio.to_thread.run_sync(_measure, _open(image), len(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        widest = next((rule for rule in rules if rule.quantity == "width_pixels"), None)
        raise InvalidImage(widest.message if widest else "Too many pixels.") from error
    except UnidentifiedImageError as error:
        raise InvalidImage("The file is not an image that can be read.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidImage("The image is damaged.") from error
    for rule in rules:
        if not rule.holds(measured[rule.quantity]):
            raise InvalidImage(rule.message)


def _client(url: str) -> httpx.AsyncClient:
    if not url.startswith("http://127.0.0.1:"):
        return httpx.AsyncClient(
            timeout=FETCH_TIMEOUT_SECONDS, follow_redirects=True, max_redirects=5
        )
    # An image that this process publishes: a proxy could not reach it, and loading certificates
    # for it would take 0.1 s.
    direct = httpx.AsyncHTTPTransport(verify=False)
    return httpx.AsyncClient(timeout=FETCH_TIMEOUT_SECONDS, transport=direct)


async def _download(client: httpx.AsyncClient, url: str, kind: str) -> bytes:
    content = bytearray()
    # Inflating an answer could fill memory before it is counted.
    async with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
        if not response.is_success:
            raise InvalidImage(f"The {kind} could not be downloaded: HTTP {response.status_code}.")
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > MAX_FETCHED_BYTES:
                break
    return bytes(content)


def _decode(uri: str) -> bytes:
    head, _, body = uri.partition(",")
    if not (head.startswith("data:image/") and head.endswith(";base64")):
        raise InvalidImage("The data URI is not a base64 image.")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise InvalidImage("The data URI is not valid base64.") from error


def _open(image: bytes) -> Image.Image:
    with warnings.catch_warnings():
        # Pillow warns of images with more pixels than any rule allows; do not decode them.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(BytesIO(image))


def _measure(image: Image.Image, size: int) -> dict[str, float]:
    image.load()
    width, height = image.size
    # Orientations 5 to 8 are rotated by 90 degrees.
    if image.getexif().get(ExifTags.Base.Orientation, 1) >= 5:
        width, height = height, width
    return {
        "width_pixels": width,
        "height_pixels": height,
        "width/height": width / height,
        "file_size_mb": size / MEGABYTE,
    }
