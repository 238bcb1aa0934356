"""The gallery as an ASGI application, which only reads.

    KEY/            the page
    KEY/data        a page of jobs, as JSON
    KEY/poster/ID   a JPEG of a job's clip
    KEY/clip/ID     the clip that was saved, or a part of it

Whatever does not exist, or not for whoever asks, is not found: no answer says more.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from seedance_mcp.errors import InputError, SeedanceError
from seedance_mcp.mcp_server.apps.pages import AppPage
from seedance_mcp.service.gallery import read_query
from seedance_mcp.service.gallery_reader import GalleryReader

from .access import Access
from .clip_file import ClipResponse, open_clip
from .page import SAFE_HEADERS, content_security_policy

MOST_CLIPS_AT_ONCE = 32
"""How many clips may be under way, each of which is an open file."""

_OF_JOB = re.compile("(poster|clip)/([A-Za-z0-9_-]{1,128})")


@dataclass(eq=False, repr=False)
class GalleryApp:
    """Serves the gallery.

    Attributes:
        seen: Set once the page has been asked for.
    """

    _access: Access
    _page: AppPage
    _reader: GalleryReader
    seen: anyio.Event = field(default_factory=anyio.Event, init=False)
    _clips: int = field(default=0, init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope)
        path = self._access.path_after_key(request.scope["path"])
        if path is None or not self._access.allows(request.headers, page=not path):
            response = self._text("Not found.", 404)
        elif request.method not in {"GET", "HEAD"}:
            response = self._text("Only GET is allowed.", 405)
            response.headers["Allow"] = "GET, HEAD"
        else:
            response = await self._answer(path, request)
        self._clips += isinstance(response, ClipResponse)
        try:
            await response(scope, receive, send)
        finally:
            self._clips -= isinstance(response, ClipResponse)

    @cached_property
    def _headers(self) -> dict[str, str]:
        policy = content_security_policy(self._page.html, self._page.origins)
        return {"Content-Security-Policy": policy, **SAFE_HEADERS}

    async def _answer(self, path: str, request: Request) -> Response:
        if not path:
            self.seen.set()
            return HTMLResponse(self._page.html, headers=self._headers)
        of_job = _OF_JOB.fullmatch(path)
        try:
            if path == "data":
                query = read_query(request.scope["query_string"].decode("ascii", "replace"))
                return JSONResponse(await self._reader.page(query), headers=self._headers)
            if of_job and of_job[1] == "poster":
                return await self._poster(of_job[2])
            if of_job:
                return await self._clip(of_job[2], request)
        except InputError as error:
            return JSONResponse({"error": error.message}, 400, self._headers)
        except SeedanceError as error:
            return JSONResponse({"error": error.message}, 503, self._headers)
        return self._text("Not found.", 404)

    async def _poster(self, name: str) -> Response:
        jpeg = await self._reader.poster(name)
        if jpeg is None:
            return self._text("Not found.", 404)
        return Response(jpeg, headers=self._headers, media_type="image/jpeg")

    async def _clip(self, name: str, request: Request) -> Response:
        path = await self._reader.saved_clip(name)
        clip = await anyio.to_thread.run_sync(open_clip, path) if path else None
        if clip is None:
            return self._text("Not found.", 404)
        # Nothing may come between this and the count, or many would pass at once.
        if self._clips >= MOST_CLIPS_AT_ONCE:
            clip.close()
            response = self._text("Too many clips are being read.", 503)
            response.headers["Retry-After"] = "1"
            return response
        return ClipResponse(clip, request.headers, self._headers)

    def _text(self, line: str, status: int) -> Response:
        return PlainTextResponse(f"{line}\n", status, self._headers)
