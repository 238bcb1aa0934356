"""The gallery's pages, read without calling a tool, in both protocol eras."""

import json
from base64 import b64decode
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.extension import advertise
from mcp.shared.exceptions import MCPError
from mcp_types import ResourceTemplateReference, TextResourceContents

from seedance_mcp.clips.preview import middle_frame
from seedance_mcp.clips.small_jpeg import POSTER
from seedance_mcp.clock import Clock
from seedance_mcp.jobs.status import Status
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.mcp_server.apps.declared import APPS, PAGE_TYPE
from seedance_mcp.settings import Settings
from seedance_mcp.simulator.behaviour import Behaviour
from tests.support.client import ToolClient, open_client, saved_file, structured
from tests.support.quick_client import QuickClient
from tests.support.restarting_server import generate, open_server, run_simulator
from tests.support.timeouts import TIMEOUT_SECONDS
from tests.support.virtual_time import virtual_now

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

TEMPLATE = ResourceTemplateReference(uri="seedance://gallery/{page}{?status,words}")
both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])


async def read(client: Client, uri: str) -> dict[str, Any]:
    """Read a page of the gallery, which must be one JSON content with its own URI."""
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert (content.uri, content.mime_type) == (uri, "application/json")
    page: dict[str, Any] = json.loads(content.text)
    return page


async def buy(client: ToolClient, prompt: str) -> str:
    """Buy a clip, and return its request_id."""
    result = await client.generate(prompt=prompt, wait_seconds=0, force_new=True)
    made: str = structured(result)["request_id"]
    return made


async def test_a_clip_that_was_downloaded_is_shown_by_its_own_frame(tmp_path: Path) -> None:
    async with open_client(output_dir=tmp_path, auto_download=True) as client:
        made = structured(await client.generate(wait_seconds=45))
        job: dict[str, Any] = {"poster": None}
        with anyio.fail_after(TIMEOUT_SECONDS):
            while job["poster"] is None:
                (job,) = (await read(client.mcp, "seedance://gallery/1"))["jobs"]
        expected = middle_frame(saved_file(made["saved_to"], tmp_path), bounds=POSTER)
        assert (job["saved"], b64decode(job["poster"])) == (True, expected)


@both_eras
async def test_a_page_shows_the_jobs_as_runcomfy_sees_them_now(mode: str) -> None:
    async with open_client(Behaviour(run_seconds=10), mode=mode) as client:
        ids = [await buy(client, prompt) for prompt in ("Mist & rain", "A lake")]
        await anyio.sleep(30)
        page = await read(client.mcp, "seedance://gallery/1")
        listed = structured(await client.call("list_jobs"))["jobs"]
        spent = {"usd": 0.4, "jobs": 2, "estimated": 0, "unknown": 0}
        assert page == {
            "page": 1,
            "pages": 1,
            "matching": 2,
            "total": 2,
            "today": spent,
            "month": spent,
            "jobs": [
                {
                    "id": ids[n],
                    "request_id": ids[n],
                    "status": "completed",
                    "prompt": ("Mist & rain", "A lake")[n],
                    "model": "lite",
                    "seconds": 5,
                    "usd": 0.2,
                    "estimated": False,
                    "created_at": listed[1 - n]["created_at"],
                    "video_url": listed[1 - n]["video_url"],
                    "error": None,
                    "saved": False,
                    "poster": None,
                }
                for n in (1, 0)
            ],
        }


@both_eras
async def test_a_page_is_of_the_jobs_with_a_status_and_with_all_words(mode: str) -> None:
    async with open_client(Behaviour(run_seconds=1_000), mode=mode) as client:
        ids = [await buy(client, prompt) for prompt in ("Mist & rain", "A LAKE in the mist")]
        await client.call("cancel_job", request_id=ids[1])

        async def shown(query: str) -> list[str]:
            page = await read(client.mcp, f"seedance://gallery/1{query}")
            return [card["id"] for card in page["jobs"]]

        assert await shown("?words=mist") == ids[::-1]
        assert await shown("?status=&words=") == ids[::-1]
        assert await shown("?words=mist%20lake") == [ids[1]]
        assert await shown("?words=lake+mist&status=") == [ids[1]]
        assert await shown("?words=%26") == [ids[0]]
        assert await shown("?status=failed") == []
        page = await read(client.mcp, "seedance://gallery/9999?words=rain")
        assert (page["page"], page["pages"], page["matching"], page["jobs"]) == (9999, 1, 1, [])


async def test_only_the_first_page_asks_runcomfy_and_none_acknowledges() -> None:
    async with open_client(Behaviour(run_seconds=60)) as client:
        bought = structured(await client.generate(wait_seconds=0))["request_id"]
        await read(client.mcp, "seedance://gallery/2")
        assert client.paths() == ["image-to-video"]
        await read(client.mcp, "seedance://gallery/1")
        assert client.paths() == ["image-to-video", "status"]
        again = structured(await client.generate(wait_seconds=0))
        assert (again["request_id"], again["reused"]) == (bought, True)


async def test_pages_that_ask_again_and_again_take_no_more_polls_than_one_of_them() -> None:
    async with open_client(Behaviour(run_seconds=1_000, workers=3)) as client:
        for prompt in ("Mist", "Rain", "Snow"):
            await buy(client, prompt)

        async def refresh(number: int) -> None:
            await anyio.sleep(number)
            for _ in range(6):
                await read(client.mcp, "seedance://gallery/1")
                await anyio.sleep(10)

        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(refresh, number)
        assert client.paths().count("status") == 3 * 6


async def test_what_the_page_does_not_poll_again_is_no_older_than_eight_seconds() -> None:
    async with open_client(Behaviour(run_seconds=10)) as client:
        await buy(client, "Mist")
        seen: list[str] = []
        for seconds in (9, 7, 1):
            await anyio.sleep(seconds)
            (job,) = (await read(client.mcp, "seedance://gallery/1"))["jobs"]
            seen.append(job["status"])
        assert seen == ["in_progress", "in_progress", "completed"]


async def test_jobs_are_polled_again_although_the_wall_clock_was_put_back(tmp_path: Path) -> None:
    ahead = timedelta(hours=3)
    async with run_simulator(run_seconds=60) as simulator:
        given: dict[str, Any] = {"token": simulator.token, "base_url": simulator.url}
        settings = Settings(**given, state_dir=tmp_path, check_images=False)
        server = build_server(settings, clock=Clock(now=lambda: virtual_now() + ahead))
        async with QuickClient(server, mode="legacy") as client:
            await generate(client, wait_seconds=0)
            await anyio.sleep(10)
            await read(client, "seedance://gallery/1")
            ahead = timedelta(0)
            await anyio.sleep(60)
            (job,) = (await read(client, "seedance://gallery/1"))["jobs"]
    assert job["status"] == "completed"


WRONG = [
    ("0", 'page must be a number from 1 to 9999; got "0".'),
    ("?words=a", 'page must be a number from 1 to 9999; got "".'),
    ("1/2", 'page must be a number from 1 to 9999; got "1/2".'),
    ("..%2Fjobs", 'page must be a number from 1 to 9999; got "..%2Fjobs".'),
    ("1#a", 'page must be a number from 1 to 9999; got "1#a".'),
    (
        "1?status=done",
        f'status must be one of {", ".join(Status)}; got "done".',
    ),
    ("1?words=" + "w" * 201, "words must have at most 200 characters."),
    ("1?page=2", "A page of the gallery takes status, words, once each."),
    ("1?words=a&words=b", "A page of the gallery takes status, words, once each."),
    ("1?" + "&" * 500, "A page of the gallery takes status, words, once each."),
]


@both_eras
@pytest.mark.parametrize(("rest", "message"), WRONG)
async def test_a_wrong_page_is_refused_in_one_line(mode: str, rest: str, message: str) -> None:
    async with open_client(mode=mode) as client:
        with pytest.raises(MCPError) as refused:
            await client.mcp.read_resource(f"seedance://gallery/{rest}")
        assert (refused.value.code, refused.value.message) == (-32602, message)
        assert client.paths() == []


async def test_a_page_needs_a_token_as_a_list_does() -> None:
    async with open_client(token=None) as client:
        for number in (1, 2):
            with pytest.raises(MCPError, match="No RunComfy token is set"):
                await client.mcp.read_resource(f"seedance://gallery/{number}")


async def test_another_origin_on_the_same_ledger_sees_an_empty_gallery(tmp_path: Path) -> None:
    async with run_simulator(run_seconds=10) as simulator, run_simulator() as another:
        async with open_server(simulator, tmp_path) as client:
            await generate(client, wait_seconds=0)
            assert (await read(client, "seedance://gallery/1"))["total"] == 1
        async with open_server(another, tmp_path) as client:
            page = await read(client, "seedance://gallery/1")
            assert (page["total"], page["jobs"], page["month"]["jobs"]) == (0, [], 0)


async def test_the_status_of_a_page_is_completed() -> None:
    async with open_client() as client:
        for name, value, values in [
            ("status", "in_", ["in_queue", "in_progress"]),
            ("page", "", []),
            ("words", "m", []),
        ]:
            completed = await client.mcp.complete(TEMPLATE, {"name": name, "value": value})
            assert completed.completion.values == values


@both_eras
async def test_a_list_brings_a_client_that_shows_apps_the_first_page(mode: str) -> None:
    shows = [advertise(APPS, {"mimeTypes": [PAGE_TYPE]})]
    async with open_client(Behaviour(run_seconds=60), mode=mode, extensions=shows) as client:
        await buy(client, "A lake")
        for status in (None, "in_progress", "failed"):
            chosen = {"status": status} if status else {}
            result = await client.call("list_jobs", **chosen, limit=1)
            query = f"?status={status}" if status else ""
            page = await read(client.mcp, f"seedance://gallery/1{query}")
            assert (result.meta or {})["seedance-mcp/gallery"] == page
            assert page["matching"] == (status != "failed")


@both_eras
async def test_a_list_is_for_others_as_it_was(mode: str) -> None:
    async with open_client(Behaviour(run_seconds=60), mode=mode) as client:
        await buy(client, "A lake")
        assert "seedance-mcp/gallery" not in ((await client.call("list_jobs")).meta or {})
