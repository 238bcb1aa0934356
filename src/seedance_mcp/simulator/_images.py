"""Input images: fetched as the service would fetch them, and judged by the model's own rules.

It needs the `video` extra: only `studio.py` imports it, and only once there is work.
"""

import base64
import binascii
import warnings
from collections.abc import Sequence
from io import BytesIO

import anyio.to_thread
import httpx
from PIL import ExifTags, Image, UnidentifiedImageError

from seedance_mcp.models.model import ImageRule

MEGABYTE = 1024 * 1024
FETCH_SECONDS = 20.0
FETCH_BYTES = 64 * MEGABYTE  # well above what any rule allows, so that the rule gets to speak


class ImageRefused(Exception):
    """An image cannot be had, cannot be read or breaks a rule; the message says which."""


async def fetch(url: str, *, data_uris: bool) -> bytes:
    """Get an image from an http(s) URL, without credentials, or out of a `data:` URI.

    Raises:
        ImageRefused: No image came.
    """
    if url.startswith("data:") and data_uris:
        return _decode(url)
    if not url.startswith(("http://", "https://")):
        raise ImageRefused("The image must be a public URL.")
    try:
        async with _client(url) as client:
            return await _download(client, url)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        name = type(error).__name__
        raise ImageRefused(f"The image could not be downloaded: {name}.") from error


async def judge(image: bytes, rules: Sequence[ImageRule]) -> None:
    """Measure an image and hold it against the rules.

    Raises:
        ImageRefused: It is no image, or it breaks a rule; then the message is the rule's own.
    """
    try:
        opened = _open(image)
        measured = await anyio.to_thread.run_sync(_measure, opened, len(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        widest = next((rule for rule in rules if rule.quantity == "width_pixels"), None)
        raise ImageRefused(widest.message if widest else "Too many pixels.") from error
    except UnidentifiedImageError as error:
        raise ImageRefused("The file is not an image that can be read.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageRefused("The image is damaged.") from error
    for rule in rules:
        if not rule.holds(measured[rule.quantity]):
            raise ImageRefused(rule.message)


def _client(url: str) -> httpx.AsyncClient:
    if not url.startswith("http://127.0.0.1:"):
        return httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=True, max_redirects=5)
    # An image that this very process publishes: no proxy of the user's can reach it, and
    # loading certificates for it would take a tenth of a second.
    direct = httpx.AsyncHTTPTransport(verify=False)
    return httpx.AsyncClient(timeout=FETCH_SECONDS, transport=direct)


async def _download(client: httpx.AsyncClient, url: str) -> bytes:
    image = bytearray()
    async with client.stream("GET", url) as response:
        if not response.is_success:
            raise ImageRefused(f"The image could not be downloaded: HTTP {response.status_code}.")
        async for chunk in response.aiter_bytes():
            image += chunk
            if len(image) > FETCH_BYTES:
                break
    return bytes(image)


def _decode(uri: str) -> bytes:
    head, _, body = uri.partition(",")
    if not (head.startswith("data:image/") and head.endswith(";base64")):
        raise ImageRefused("The data URI is not a base64 image.")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ImageRefused("The data URI is not valid base64.") from error


def _open(image: bytes) -> Image.Image:
    with warnings.catch_warnings():
        # Pillow warns of more pixels than any rule allows; they are not worth decoding.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(BytesIO(image))


def _measure(image: Image.Image, size: int) -> dict[str, float]:
    image.load()
    width, height = image.size
    # The four orientations from 5 on lie on their side.
    if image.getexif().get(ExifTags.Base.Orientation, 1) >= 5:
        width, height = height, width
    return {
        "width_pixels": width,
        "height_pixels": height,
        "width/height": width / height,
        "file_size_mb": size / MEGABYTE,
    }
