"""A page of the gallery: some jobs with their posters, and what was spent, as JSON.

The page in the chat and the one that the command serves show the same.
"""

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, isfinite
from typing import Any
from urllib.parse import parse_qsl

from seedance_mcp.clock import Clock
from seedance_mcp.errors import InputError
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Status
from seedance_mcp.ledger.store import Store, Wanted
from seedance_mcp.models.model import JSONObject, Model
from seedance_mcp.text import one_line, quoted, valid

from .records import read_spent, record_of

JOBS_A_PAGE = 24

MOST_WORDS_CHARACTERS = 200
MOST_PROMPT_CHARACTERS = 1_000
MOST_ERROR_CHARACTERS = 300
MOST_URL_CHARACTERS = 4_096

MOST_POSTER_CHARACTERS = 400_000
"""How long all posters of a page may be together; clients bound the size of a message."""

_PAGE_NUMBER = re.compile("[1-9][0-9]{0,3}")


@dataclass(frozen=True, kw_only=True)
class GalleryQuery:
    """Which jobs a page shows: those with a status, and with every word in their prompts."""

    page: int = 1
    status: Status | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """An owner's gallery.

    Attributes:
        models: The known models by id.
        posters: Returns the small JPEGs of jobs by our ids, as far as there are any.
        is_saved: Whether a job's clip is a file that can be shown.
    """

    store: Store
    owner: str
    clock: Clock
    models: Mapping[str, Model]
    posters: Callable[[Sequence[Job]], Awaitable[Mapping[str, bytes]]]
    is_saved: Callable[[Job], bool]

    async def page(self, query: GalleryQuery) -> JSONObject:
        """Return a page, the newest jobs first; one after the last page has no jobs.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        wanted = Wanted(
            statuses=[query.status] if query.status else [],
            words=query.words,
            skip=(query.page - 1) * JOBS_A_PAGE,
            limit=JOBS_A_PAGE,
        )
        found = await self.store.search(self.owner, wanted)
        today, month = await read_spent(self.store, self.owner, self.clock)
        posters = _encode(found.jobs, await self.posters(found.jobs))
        return {
            "page": query.page,
            "pages": max(1, ceil(found.matching / JOBS_A_PAGE)),
            "matching": found.matching,
            "total": found.total,
            "today": asdict(today),
            "month": asdict(month),
            "jobs": [
                self._card(job) | {"saved": self.is_saved(job), "poster": posters.get(job.id)}
                for job in found.jobs
            ],
        }

    def _card(self, job: Job) -> dict[str, Any]:
        """Return what a page says of a job, but for what is shown of its clip."""
        record = record_of(job, self.models)
        video = next(iter(job.outputs.videos), None)
        return {
            "id": record.id,
            "request_id": job.request_id,
            "status": job.status.value,
            "prompt": valid(str(job.arguments.get("prompt") or "")[:MOST_PROMPT_CHARACTERS]),
            "model": one_line(record.model),
            "created_at": job.created_at.isoformat(timespec="seconds"),
            "seconds": _finite(record.seconds),
            "usd": _finite(record.usd),
            "estimated": record.estimated,
            "video_url": valid(video) if video and len(video) <= MOST_URL_CHARACTERS else None,
            "error": one_line(job.error, MOST_ERROR_CHARACTERS) if job.error else None,
        }


def read_query(text: str, *, page: str | None = None) -> GalleryQuery:
    """Return what the query of a URL asks for: status and words, where either may be "" for any.

    The number of the page is in it too, unless it is given.

    Raises:
        InputError: It is not valid.
    """
    names = ["status", "words"] if page is not None else ["page", "status", "words"]
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=len(names))
    except ValueError:
        pairs = [("", "")]
    given = dict(pairs)
    if len(given) < len(pairs) or not given.keys() <= {*names}:
        raise InputError("query", f"A page of the gallery takes {', '.join(names)}, once each.")
    page = given.get("page", "1") if page is None else page
    return _checked(page, given.get("status", ""), given.get("words", ""))


def _checked(page: str, status: str, words: str) -> GalleryQuery:
    if not _PAGE_NUMBER.fullmatch(page):
        raise InputError("page", f"page must be a number from 1 to 9999; got {quoted(page)}.")
    if status and status not in list(Status):
        allowed = ", ".join(Status)
        raise InputError("status", f"status must be one of {allowed}; got {quoted(status)}.")
    if len(words) > MOST_WORDS_CHARACTERS:
        raise InputError("words", f"words must have at most {MOST_WORDS_CHARACTERS} characters.")
    return GalleryQuery(
        page=int(page), status=Status(status) if status else None, words=tuple(words.split())
    )


def _encode(jobs: Sequence[Job], posters: Mapping[str, bytes]) -> dict[str, str]:
    """Return the posters of jobs in base64, as many of the first ones as there is room for."""
    encoded: dict[str, str] = {}
    room = MOST_POSTER_CHARACTERS
    for job in jobs:
        poster = b64encode(posters.get(job.id, b"")).decode()
        if poster and len(poster) <= room:
            room -= len(poster)
            encoded[job.id] = poster
    return encoded


def _finite(number: float | None) -> float | None:
    # JSON has no other numbers, but a damaged ledger may.
    return number if number is not None and isfinite(number) and number >= 0 else None
