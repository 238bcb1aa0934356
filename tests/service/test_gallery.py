"""The pages of the gallery: which jobs are on which, and how much of each."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from seedance_mcp.clock import Clock
from seedance_mcp.errors import InputError
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Outputs, Status
from seedance_mcp.ledger._rows import Rows
from seedance_mcp.models.model import JSONObject, load_models
from seedance_mcp.service.gallery import Gallery, GalleryQuery, read_query
from tests.support.ledger import NOON, job, open_store

LITE = "bytedance/seedance-1-0/lite/image-to-video"
WORDS = ["mist", "LAKE", "rain"]
ENDED = [Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.UNKNOWN]


def read_page(
    folder: Path,
    written: Sequence[Job],
    query: GalleryQuery,
    posters: Mapping[str, bytes] | None = None,
) -> JSONObject:
    """Return a page of the gallery of a new ledger with some jobs."""

    async def read() -> JSONObject:
        clock = Clock(now=lambda: NOON, random=lambda: 0.5)
        with closing(open_store(folder, clock)) as store:

            def write(rows: Rows) -> None:
                for each in written:
                    rows.write(each, at=NOON)

            async def kept(_: Sequence[Job]) -> Mapping[str, bytes]:
                return posters or {}

            await store.run(write, writes=True)
            gallery = Gallery(
                store=store,
                owner="o",
                clock=clock,
                models=load_models(),
                posters=kept,
                is_saved=lambda job: any(job.saved_to),
            )
            return await gallery.page(query)

    page = anyio.run(read)
    assert json.loads(json.dumps(page, allow_nan=False)) == page
    return page


@st.composite
def jobs(draw: st.DrawFn) -> list[Job]:
    """Draw up to three pages of jobs, the oldest first."""
    drawn = draw(
        st.lists(
            st.tuples(st.sampled_from(ENDED), st.lists(st.sampled_from(WORDS), max_size=3)),
            max_size=60,
        )
    )
    return [
        job(
            number,
            status=status,
            arguments={"prompt": " ".join(words)},
            created_at=NOON - timedelta(minutes=len(drawn) - number),
        )
        for number, (status, words) in enumerate(drawn)
    ]


@given(jobs(), st.none() | st.sampled_from(ENDED), st.lists(st.sampled_from(WORDS), max_size=2))
@example([job(n, created_at=NOON + timedelta(seconds=n)) for n in range(48)], None, [])
@examples(max_examples=10, deadline=None)
def test_all_pages_together_show_each_matching_job_once_the_newest_first(
    written: list[Job], status: Status | None, words: list[str]
) -> None:
    wanted = [
        one.id
        for one in reversed(written)
        if status in {None, one.status}
        and all(word.lower() in str(one.arguments["prompt"]).lower() for word in words)
    ]
    pages: list[JSONObject] = []
    with TemporaryDirectory() as folder:
        for number in range(1, 5):
            query = GalleryQuery(page=number, status=status, words=tuple(map(str.upper, words)))
            pages.append(read_page(Path(folder), written, query))
    sizes = [len(page["jobs"]) for page in pages]
    assert [card["id"] for page in pages for card in page["jobs"]] == wanted
    assert sizes == [max(0, min(24, len(wanted) - skipped)) for skipped in (0, 24, 48, 72)]
    assert [(page["page"], page["matching"], page["total"]) for page in pages] == [
        (number, len(wanted), len(written)) for number in range(1, 5)
    ]
    assert {page["pages"] for page in pages} == {max(1, sum(size > 0 for size in sizes))}


def test_a_page_says_all_about_its_jobs_and_what_was_spent(tmp_path: Path) -> None:
    clip = Outputs(videos=("https://a.example/1.mp4",))
    bought = job(
        1, model_id=LITE, request_id="r-1", status=Status.COMPLETED, outputs=clip, cost_usd=0.2
    )
    saved = job(2, model_id=LITE, request_id="r-2", status=Status.COMPLETED, outputs=clip)
    failed = job(3, status=Status.FAILED, error="Too dark.", cost_usd=0.0)
    written = [bought, replace(saved, saved_to=("/v/2.mp4",), cost_usd=0.1), failed]
    jpeg = b"\xff\xd8\xff" + b"x" * 7
    page = read_page(tmp_path, written, GalleryQuery(), {"job-1": jpeg})
    whole = {"usd": 0.3, "jobs": 3, "estimated": 0, "unknown": 0}
    shared = {"created_at": "2026-05-01T12:00:00+00:00", "seconds": 5, "estimated": False}
    clips = {"status": "completed", "model": "lite", "video_url": clip.videos[0], "error": None}
    assert page == {
        "page": 1,
        "pages": 1,
        "matching": 3,
        "total": 3,
        "today": whole,
        "month": whole,
        "jobs": [
            shared
            | {"id": "job-3", "request_id": None, "status": "failed", "prompt": "clip 3"}
            | {"model": "m", "usd": 0.0, "video_url": None, "error": "Too dark."}
            | {"saved": False, "poster": None},
            shared
            | clips
            | {"id": "r-2", "request_id": "r-2", "prompt": "clip 2", "usd": 0.1}
            | {"saved": True, "poster": None},
            shared
            | clips
            | {"id": "r-1", "request_id": "r-1", "prompt": "clip 1", "usd": 0.2}
            | {"saved": False, "poster": b64encode(jpeg).decode()},
        ],
    }


HOSTILE: dict[str, Any] = {
    "prompt": "<img src=x onerror=alert(1)>\0\ud800" + "x" * 9_900,
    "duration": float("inf"),
}


def test_whatever_a_ledger_holds_a_page_stays_small(tmp_path: Path) -> None:
    links = Outputs(videos=("https://a.example/" + "v" * 10_000,))
    written = [
        job(
            number,
            arguments=HOSTILE,
            status=Status.FAILED,
            error="e" * 9_000,
            outputs=links,
            model_id="m" * 5_000,
            created_at=NOON + timedelta(seconds=number),
        )
        for number in range(24)
    ]
    posters = {one.id: b"\xff\xd8\xff" + b"p" * 29_997 for one in written}
    page = read_page(tmp_path, written, GalleryQuery(), posters)
    assert len(json.dumps(page)) < 450_000
    first = page["jobs"][0]
    assert (first["prompt"][:29], len(first["prompt"])) == ("<img src=x onerror=alert(1)>\0", 1000)
    assert (first["seconds"], first["video_url"], len(first["error"])) == (None, None, 300)
    # 40,000 characters each.
    assert [bool(card["poster"]) for card in page["jobs"]] == [True] * 10 + [False] * 14


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("page=0", 'page must be a number from 1 to 9999; got "0".'),
        ("page=", 'page must be a number from 1 to 9999; got "".'),
        ("page=-1", 'page must be a number from 1 to 9999; got "-1".'),
        ("page=12345", 'page must be a number from 1 to 9999; got "12345".'),
        ("page=%C2%B2", 'page must be a number from 1 to 9999; got "²".'),
        ("page=1%0A", 'page must be a number from 1 to 9999; got "1".'),
        ("page=..%2F1", 'page must be a number from 1 to 9999; got "../1".'),
        ("words=" + "w" * 201, "words must have at most 200 characters."),
        ("status=done", f'status must be one of {", ".join(Status)}; got "done".'),
        ("limit=2", "A page of the gallery takes page, status, words, once each."),
        ("page=1&page=2", "A page of the gallery takes page, status, words, once each."),
        ("&" * 999, "A page of the gallery takes page, status, words, once each."),
    ],
)
def test_what_is_no_query_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        read_query(text)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", GalleryQuery()),
        ("status=&words=", GalleryQuery()),
        ("status=failed&page=9999", GalleryQuery(page=9999, status=Status.FAILED)),
        ("words=+a%20b+%C3%A9%00", GalleryQuery(words=("a", "b", "é\0"))),
    ],
)
def test_a_query_is_read_from_a_url(text: str, query: GalleryQuery) -> None:
    assert read_query(text) == query


def test_months_and_days_are_those_of_the_clock(tmp_path: Path) -> None:
    old = job(1, cost_usd=1.0, created_at=datetime(2026, 3, 1, tzinfo=UTC))
    page = read_page(tmp_path, [old], GalleryQuery())
    assert (page["today"]["jobs"], page["month"]["jobs"], page["total"]) == (0, 0, 1)
