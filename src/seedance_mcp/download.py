"""Save a clip as a file: asked for from where clips lie, and again from where it broke off."""

import errno
import re
import unicodedata
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import anyio
import httpx

from .errors import DownloadFailed, one_line
from .jobs import Job
from .part_file import BrokenOff, PartFile
from .polling import RETRY_ATTEMPTS, retry_delay
from .surroundings import Surroundings

MOST_REDIRECTS = 3
NAME_LETTERS = 48  # of the prompt
LEAST_PROGRESS_BYTES = 64 * 1024  # an attempt that brought less was in vain

_RUNCOMFY = re.compile(r"([a-z0-9-]{1,63}\.)*runcomfy\.(net|com)")
_PASSING = {408, 429, 500, 502, 503, 504}
_DISK_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}

Report = Callable[[int, int | None], Awaitable[None]]
"""Told the bytes so far and how many there are, None while unknown; a restart begins anew at 0."""


def existing(path: Path) -> bool:
    """Tell whether a clip that was saved is still there."""
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False


class Downloads:
    """Saves clips in a folder, which is made where it is not there; needs no closing.

    Args:
        folder: Where to.
        base_url: The service's address, which clips may also come from.
        transport: How requests leave, None for the network.
        surroundings: Pauses and jitter between attempts.
    """

    def __init__(
        self,
        folder: Path,
        *,
        base_url: str,
        transport: httpx.AsyncBaseTransport | None,
        surroundings: Surroundings,
    ) -> None:
        self._folder = folder
        self._base_url = httpx.URL(base_url)
        self._transport = transport
        self._surroundings = surroundings

    async def save(self, job: Job, url: str, *, number: int, report: Report) -> Path:
        """Save the clip at a URL, going on from what an earlier attempt left of it.

        Args:
            job: Its date, prompt and request_id make the name.
            url: Where the clip lies.
            number: Which of the job's clips it is, from 1.
            report: Hears of every piece.

        Returns:
            The file, whole and safe on the disk, under a name that was free.

        Raises:
            DownloadFailed: It cannot be had from there, or not written.
        """
        try:
            where = httpx.URL(url)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise DownloadFailed("The clip's URL cannot be read.") from error
        self._check(where)
        origin = f"{job.request_id or job.id} {number} {where.copy_with(query=None)}"
        try:
            with closing(PartFile(self._folder, file_name(job, number), origin)) as part:
                await self._fetch(where, part, report)
                return await anyio.to_thread.run_sync(part.finish)
        except OSError as error:
            raise DownloadFailed(_disk_trouble(self._folder, error)) from error

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        # No connection is kept, so there is nothing to close; no cookie either.
        return httpx.AsyncClient(
            transport=self._transport,
            timeout=httpx.Timeout(30.0, connect=10.0),
            limits=httpx.Limits(max_keepalive_connections=0),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"Accept-Encoding": "identity"},
        )

    async def _fetch(self, url: httpx.URL, part: PartFile, report: Report) -> None:
        """Fetch what is missing, for as long as attempts bring something."""
        in_vain, farthest = 0, part.size
        while not part.whole:
            try:
                async with self._answer(url, part.wanted()) as response:
                    start, total = _extent(response)
                    part.begin(start, total=total, validator=_validator(response.headers))
                    async for chunk in response.aiter_raw():
                        part.add(chunk)
                        await report(part.size, part.total)
                part.end()
            except (httpx.TransportError, BrokenOff) as error:
                in_vain = 1 if part.size >= farthest + LEAST_PROGRESS_BYTES else in_vain + 1
                farthest = max(farthest, part.size)
                if in_vain == RETRY_ATTEMPTS:
                    raise DownloadFailed(
                        f"{one_line(url.host)} did not send the whole clip"
                        f" ({error if isinstance(error, BrokenOff) else type(error).__name__});"
                        " ask again to go on from what came."
                    ) from error
                await self._surroundings.sleep(retry_delay(in_vain, self._surroundings.random))

    @asynccontextmanager
    async def _answer(
        self, url: httpx.URL, headers: dict[str, str]
    ) -> AsyncGenerator[httpx.Response, None]:
        for _ in range(MOST_REDIRECTS + 1):
            self._check(url)
            async with self._http.stream("GET", url, headers=headers) as response:
                if response.next_request is None:
                    yield _judged(response)
                    return
                url = response.next_request.url
        raise DownloadFailed(f"{one_line(url.host)} redirected more than {MOST_REDIRECTS} times.")

    def _check(self, url: httpx.URL) -> None:
        theirs = _RUNCOMFY.fullmatch(url.host) and _origin(url) == ("https", url.host, None)
        if url.userinfo or not (theirs or _origin(url) == _origin(self._base_url)):
            raise DownloadFailed(
                "Clips are fetched only from https hosts under runcomfy.net or runcomfy.com and"
                f" from RUNCOMFY_API_BASE_URL, not from {one_line(f'{url.scheme}://{url.netloc.decode()}')}."
            )


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _disk_trouble(folder: Path, error: OSError) -> str:
    where = one_line(str(folder), 200)
    if error.errno in _DISK_FULL:
        return f"{where} has no room for the clip: make some, or set SEEDANCE_OUTPUT_DIR."
    why = one_line(error.strerror or type(error).__name__)
    return f"{where} cannot be written ({why}): set SEEDANCE_OUTPUT_DIR to a folder that can be."


def _judged(response: httpx.Response) -> httpx.Response:
    code, host = response.status_code, one_line(response.url.host)
    if code in {200, 206, 416}:
        return response
    if code in _PASSING:
        raise BrokenOff(str(code))
    if code in {401, 403, 404, 410}:
        raise DownloadFailed(
            f"{host} does not give the clip out ({code}): its link may have expired; call"
            " get_result for a new one."
        )
    raise DownloadFailed(f"{host} answered {code} instead of sending the clip.")


def _validator(headers: httpx.Headers) -> str | None:
    """Give what an If-Range may carry, which a weak ETag may not be (RFC 9110, 13.1.5)."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _extent(response: httpx.Response) -> tuple[int | None, int | None]:
    """Read where an answer's body begins in the clip, and how long the clip is."""
    if response.status_code == 200:  # noqa: PLR2004 - the whole clip
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    given = response.headers.get("Content-Range", "")
    found = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", given, re.ASCII)
    if not found:
        return None, None
    return int(found[1]), None if found[2] == "*" else int(found[2])


def file_name(job: Job, number: int) -> str:
    """Make a clip's name, without its extension, of letters, digits and hyphens alone.

    It begins with the date, so that it is no name that Windows reserves.
    """
    prompt = job.arguments.get("prompt")
    signs = unicodedata.normalize("NFKD", prompt) if isinstance(prompt, str) else ""
    letters = "".join(sign for sign in signs.lower() if not unicodedata.combining(sign))
    words = "-".join(re.findall(r"[a-z0-9]+", letters))
    if len(words) > NAME_LETTERS:
        words = words[: NAME_LETTERS + 1].rpartition("-")[0] or words[:NAME_LETTERS]
    request = "".join(re.findall(r"[a-z0-9]+", (job.request_id or job.id).lower()))[:8]
    which = f"v{number}" if number > 1 else ""
    return "-".join(filter(None, [job.created_at.date().isoformat(), words, request, which]))
