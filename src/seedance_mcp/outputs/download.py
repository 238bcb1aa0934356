"""Download an output as a file, resuming where the connection broke."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import anyio
import httpx

from seedance_mcp.clock import Clock
from seedance_mcp.errors import DownloadFailed, LinkRefused
from seedance_mcp.http_heads import bound_heads
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Output
from seedance_mcp.proxies import read_proxies
from seedance_mcp.retry import RETRY_ATTEMPTS, retry_delay
from seedance_mcp.text import one_line, quoted

from ._body import body
from ._file_names import file_name
from ._part_file import IncompleteDownload, PartFile
from ._part_metadata import is_validator
from .disk_errors import disk_error

MAX_REDIRECTS = 3
MIN_PROGRESS_BYTES = 64 * 1024  # an attempt that receives less counts as failed

_RUNCOMFY = re.compile(r"([a-z0-9-]{1,63}\.)*runcomfy\.(net|com)")
_TRANSIENT = {408, 429, 500, 502, 503, 504}
# What some hosts, and firewalls in front of them, answer to a range alone.
_RANGE_REFUSED = {400, 403, 405, 406, 412, 417, 501}

OnBytes = Callable[[int, int | None], Awaitable[None]]
"""Called with the bytes so far and their total, None while unknown; a restart goes back to 0."""

OnSaved = Callable[[Path], Awaitable[bool]]
"""Called with a finished file; returns whether its path is recorded for later calls."""


def file_exists(path: Path) -> bool:
    """Return whether a downloaded file is still there and not empty."""
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False


class Downloader:
    """Downloads outputs to a folder, which is created if it is missing; it has nothing to close."""

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
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def download(
        self, job: Job, output: Output, *, on_bytes: OnBytes, on_saved: OnSaved
    ) -> Path:
        """Download an output of a job, resuming what an earlier attempt left.

        Until `on_saved` returns True, another attempt finds the file without a request, also after
        a crash.

        Returns:
            The complete file, safe on the disk, under a name that was free.

        Raises:
            LinkRefused: The host refuses this link.
            DownloadFailed: The output cannot be downloaded, or not be written.
        """
        url = _parse(output.url)
        self._check_origin(url)
        which = str(output.number) if output.kind == "video" else f"image {output.number}"
        origin = f"{job.request_id or job.id} {which} {url.copy_with(query=None)}"
        name = file_name(job, output)
        try:
            with closing(PartFile(self._folder, name, origin, output.kind)) as part:
                await self._fetch(url, part, on_bytes)
                path = await anyio.to_thread.run_sync(part.finish)
                part.recorded = await on_saved(path)
                return path
        except OSError as error:
            raise DownloadFailed(disk_error(self._folder, error)) from error

    async def _http(self, scheme: str) -> httpx.AsyncClient:
        """Return the client for URLs of a scheme.

        It keeps no connection alive, so there is nothing to close; cookies are dropped.
        """
        if scheme in self._clients:
            return self._clients[scheme]
        certificates, mounts = None, None
        limits = httpx.Limits(max_keepalive_connections=0)
        if scheme == "https" and self._transport is None:
            # As for RunComfy itself: where it is reached over plain http, by no proxy.
            environment = self._base_url.scheme == "https"
            # Reading the certificates takes 50 ms.
            certificates = await anyio.to_thread.run_sync(
                lambda: httpx.create_ssl_context(trust_env=environment)
            )
            mounts = read_proxies().mounts(certificates, limits) if environment else None
        client = httpx.AsyncClient(
            transport=self._transport,
            mounts=mounts,
            verify=certificates or False,
            timeout=httpx.Timeout(30.0, connect=10.0),
            limits=limits,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"Accept-Encoding": "identity"},
            trust_env=False,
        )
        self._clients[scheme] = bound_heads(client)
        return client

    async def _fetch(self, url: httpx.URL, part: PartFile, on_bytes: OnBytes) -> None:
        """Download the missing bytes, until too many attempts in a row receive too few."""
        failures, farthest = 0, part.size
        while not part.is_complete:
            try:
                async with self._request(url, part.resume_headers()) as response:
                    start, total = _extent(response)
                    part.begin(start, total=total, validator=_validator(response.headers))
                    async with aclosing(body(response)) as chunks:
                        async for chunk in chunks:
                            part.append(chunk)
                            await on_bytes(part.size, part.total)
                part.end()
            except (httpx.TransportError, IncompleteDownload) as error:
                progressed = part.size >= farthest + MIN_PROGRESS_BYTES
                failures = 1 if progressed else failures + 1
                farthest = max(farthest, part.size)
                if failures == RETRY_ATTEMPTS:
                    why = error if isinstance(error, IncompleteDownload) else type(error).__name__
                    raise DownloadFailed(
                        f"{one_line(url.host)} did not send the whole clip ({why});"
                        " call again to resume the download."
                    ) from error
                await self._clock.sleep(retry_delay(failures, self._clock.random))

    @asynccontextmanager
    async def _request(
        self, url: httpx.URL, headers: dict[str, str]
    ) -> AsyncGenerator[httpx.Response, None]:
        for _ in range(MAX_REDIRECTS + 1):
            # Every hop is checked, so that no redirect leads elsewhere.
            self._check_origin(url)
            async with AsyncExitStack() as stack:
                http = await self._http(url.scheme)
                stream = http.stream("GET", url, headers=headers)
                try:
                    response = await stack.enter_async_context(stream)
                except UnicodeError as error:
                    # httpx decodes a redirect's host before it returns the response.
                    why = f"{one_line(url.host)} redirected to an invalid URL."
                    raise DownloadFailed(why) from error
                if headers and response.status_code in _RANGE_REFUSED:
                    headers = {}
                    continue
                if response.next_request is None:
                    _check_status(response)
                    yield response
                    return
                url = response.next_request.url
        raise DownloadFailed(f"{one_line(url.host)} redirected more than {MAX_REDIRECTS} times.")

    def _check_origin(self, url: httpx.URL) -> None:
        is_runcomfy = _RUNCOMFY.fullmatch(url.host) and _origin(url) == ("https", url.host, None)
        if url.userinfo or not (is_runcomfy or _origin(url) == _origin(self._base_url)):
            raise DownloadFailed(
                "Clips are downloaded only from https hosts under runcomfy.net or runcomfy.com and"
                " from RUNCOMFY_API_BASE_URL, not from"
                f" {quoted(f'{url.scheme}://{url.netloc.decode()}')}."
            )


def _parse(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
        # httpx decodes the host only here, and raises if it is not valid IDNA.
        _origin(parsed)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise DownloadFailed("The clip's URL is invalid.") from error
    return parsed


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _check_status(response: httpx.Response) -> None:
    """Raise unless a response has the output's bytes, or says that the range does not exist."""
    code, host = response.status_code, one_line(response.url.host)
    if code in {200, 206, 416}:
        return
    if code in _TRANSIENT:
        raise IncompleteDownload(str(code))
    if code in {401, 403, 404, 410}:
        raise LinkRefused(
            f"{host} refused the download ({code}): the link may have expired; call get_result"
            " for a new one."
        )
    raise DownloadFailed(f"{host} answered {code} instead of sending the clip.")


def _validator(headers: httpx.Headers) -> str | None:
    """Return the ETag or date for If-Range, which must not be a weak ETag (RFC 9110, 13.1.5)."""
    etag, date = headers.get("ETag", ""), headers.get("Last-Modified")
    usable = (value for value in (etag, date) if is_validator(value) and value[:2] != "W/")
    return next(usable, None)


def _extent(response: httpx.Response) -> tuple[int | None, int | None]:
    """Return a body's first byte within the output and the output's length, None if unknown."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
    given = response.headers.get("Content-Range", "")
    found = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", given, re.ASCII)
    if not found:
        return None, None
    return int(found[1]), None if found[2] == "*" else int(found[2])
