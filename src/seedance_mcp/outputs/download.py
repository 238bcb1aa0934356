"""Save a clip as a file: asked for from where clips lie, and again from where it broke off."""

import errno
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import anyio
import httpx

from seedance_mcp.clock import Clock
from seedance_mcp.errors import DownloadFailed, LinkRefused
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Output
from seedance_mcp.retry import RETRY_ATTEMPTS, retry_delay
from seedance_mcp.text import one_line

from ._file_names import file_name
from ._part_file import IncompleteDownload, PartFile
from ._part_metadata import is_validator

MAX_REDIRECTS = 3
MIN_PROGRESS_BYTES = 64 * 1024  # an attempt that brought less was in vain

_RUNCOMFY = re.compile(r"([a-z0-9-]{1,63}\.)*runcomfy\.(net|com)")
_PASSING = {408, 429, 500, 502, 503, 504}
_DISK_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}

OnBytes = Callable[[int, int | None], Awaitable[None]]
"""Told the bytes so far and how many there are, None while unknown; a restart begins anew at 0."""

OnSaved = Callable[[Path], Awaitable[bool]]
"""Told where a file lies; tells whether that is written down where it will be found again."""


def file_exists(path: Path) -> bool:
    """Tell whether a clip that was saved is still there."""
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False


class Downloader:
    """Saves clips in a folder, which is made where it is not there; needs no closing.

    Args:
        folder: Where to.
        base_url: The service's address, which clips may also come from.
        transport: How requests leave, None for the network.
        clock: Pauses and jitter between attempts.
    """

    def __init__(
        self,
        folder: Path,
        *,
        base_url: str,
        transport: httpx.AsyncBaseTransport | None,
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._base_url = httpx.URL(base_url)
        self._transport = transport
        self._clock = clock

    async def download(
        self, job: Job, output: Output, *, on_bytes: OnBytes, on_saved: OnSaved
    ) -> Path:
        """Save a file that a job made, going on from what an earlier attempt left of it.

        Args:
            job: Its date, prompt and request_id make the name.
            output: Which of its files, and where it lies.
            on_bytes: Hears of every piece.
            on_saved: Writes down where the file is; until it has, another attempt finds the file
                by itself, also after a crash.

        Returns:
            The file, whole and safe on the disk, under a name that was free.

        Raises:
            LinkRefused: It is not given out there.
            DownloadFailed: It cannot be had from there, or not written.
        """
        where = _parsed(output.url)
        self._check(where)
        which = str(output.number) if output.kind == "video" else f"image {output.number}"
        origin = f"{job.request_id or job.id} {which} {where.copy_with(query=None)}"
        name = file_name(job, output)
        try:
            with closing(PartFile(self._folder, name, origin, output.kind)) as part:
                await self._fetch(where, part, on_bytes)
                path = await anyio.to_thread.run_sync(part.finish)
                if await on_saved(path):
                    part.remember()
                return path
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
            # As for the service itself: no proxy may come between where it could read along.
            trust_env=self._base_url.scheme == "https",
        )

    async def _fetch(self, url: httpx.URL, part: PartFile, on_bytes: OnBytes) -> None:
        """Fetch what is missing, for as long as attempts bring something."""
        in_vain, farthest = 0, part.size
        while not part.whole:
            try:
                async with self._answer(url, part.wanted()) as response:
                    start, total = _extent(response)
                    part.begin(start, total=total, validator=_validator(response.headers))
                    async for chunk in response.aiter_raw():
                        part.add(chunk)
                        await on_bytes(part.size, part.total)
                part.end()
            except (httpx.TransportError, IncompleteDownload) as error:
                in_vain = 1 if part.size >= farthest + MIN_PROGRESS_BYTES else in_vain + 1
                farthest = max(farthest, part.size)
                if in_vain == RETRY_ATTEMPTS:
                    why = error if isinstance(error, IncompleteDownload) else type(error).__name__
                    raise DownloadFailed(
                        f"{one_line(url.host)} did not send the whole clip ({why});"
                        " ask again to go on from what came."
                    ) from error
                await self._clock.sleep(retry_delay(in_vain, self._clock.random))

    @asynccontextmanager
    async def _answer(
        self, url: httpx.URL, headers: dict[str, str]
    ) -> AsyncGenerator[httpx.Response, None]:
        for _ in range(MAX_REDIRECTS + 1):
            self._check(url)
            response = await self._sent(url, headers)
            try:
                if response.next_request is None:
                    yield _judged(response)
                    return
                url = response.next_request.url
            finally:
                await response.aclose()
        raise DownloadFailed(f"{one_line(url.host)} redirected more than {MAX_REDIRECTS} times.")

    async def _sent(self, url: httpx.URL, headers: dict[str, str]) -> httpx.Response:
        request = self._http.build_request("GET", url, headers=headers)
        try:
            return await self._http.send(request, stream=True)
        except UnicodeError as error:
            # httpx looks at a redirect's host before it gives the answer out.
            raise DownloadFailed(
                f"{one_line(url.host)} redirected to a URL that cannot be read."
            ) from error

    def _check(self, url: httpx.URL) -> None:
        theirs = _RUNCOMFY.fullmatch(url.host) and _origin(url) == ("https", url.host, None)
        if url.userinfo or not (theirs or _origin(url) == _origin(self._base_url)):
            raise DownloadFailed(
                "Clips are fetched only from https hosts under runcomfy.net or runcomfy.com and"
                f" from RUNCOMFY_API_BASE_URL, not from {one_line(f'{url.scheme}://{url.netloc.decode()}')}."
            )


def _parsed(url: str) -> httpx.URL:
    """Parse a URL, its host included, which httpx decodes only when it is asked for."""
    try:
        parsed = httpx.URL(url)
        parsed.host  # noqa: B018 - see above
    except (httpx.InvalidURL, UnicodeError) as error:
        raise DownloadFailed("The clip's URL cannot be read.") from error
    return parsed


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
        raise IncompleteDownload(str(code))
    if code in {401, 403, 404, 410}:
        raise LinkRefused(
            f"{host} does not give the clip out ({code}): its link may have expired; call"
            " get_result for a new one."
        )
    raise DownloadFailed(f"{host} answered {code} instead of sending the clip.")


def _validator(headers: httpx.Headers) -> str | None:
    """Give what an If-Range may carry, which a weak ETag may not be (RFC 9110, 13.1.5)."""
    etag, date = headers.get("ETag", ""), headers.get("Last-Modified")
    usable = (value for value in (etag, date) if is_validator(value) and value[:2] != "W/")
    return next(usable, None)


def _extent(response: httpx.Response) -> tuple[int | None, int | None]:
    """Read where an answer's body begins in the clip, and how long the clip is."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
    given = response.headers.get("Content-Range", "")
    found = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", given, re.ASCII)
    if not found:
        return None, None
    return int(found[1]), None if found[2] == "*" else int(found[2])
