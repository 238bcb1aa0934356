"""A real message of every error, made by the code that raises it."""

import errno
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.lowlevel
import httpx

from seedance_mcp.clips._decoding import unreadable
from seedance_mcp.clock import Clock
from seedance_mcp.errors import (
    DownloadFailed,
    JoinFailed,
    ModelGone,
    NotApproved,
    SeedanceError,
    ServerStopping,
    TokenMissing,
    VideoExtraMissing,
)
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Output
from seedance_mcp.ledger.sqlite._migrations import APPLICATION_ID, MIGRATIONS, read_version
from seedance_mcp.mcp_server._arguments import check_arguments
from seedance_mcp.mcp_server.app import build_tools
from seedance_mcp.models.model import load_models
from seedance_mcp.outputs.disk_errors import disk_error
from seedance_mcp.outputs.download import Downloader
from seedance_mcp.runcomfy.client import RunComfyClient
from seedance_mcp.runcomfy.http import open_http
from seedance_mcp.service._approvals import REFUSALS
from seedance_mcp.service._gone_models import describe_gone
from seedance_mcp.service.consent import Reply
from seedance_mcp.settings import DEFAULT_BASE_URL, load_settings
from seedance_mcp.spending.limits import SpendingLimits, check_daily_limit, check_hourly_limit

LITE = "bytedance/seedance-1-0/lite/image-to-video"
NOW = datetime(2026, 11, 29, 17, 13, tzinfo=UTC)
JOB = Job(
    id="1",
    request_id="7c1f52e0-9d0b-4c57-8d1e-0f2a63b1a001",
    owner="",
    model_id=LITE,
    created_at=NOW,
    estimated_microdollars=400_000,
)
CLIP = Output(kind="video", number=1, url="https://files.runcomfy.net/clip.mp4")
LIMITS = SpendingLimits(jobs_per_hour=60, usd_per_day=Decimal(2))
FOLDER = Path("/home/me/Videos/seedance")
FULL = OSError(errno.ENOSPC, "No space left on device")

Call = Callable[[RunComfyClient], Awaitable[object]]


def examples() -> dict[str, SeedanceError]:
    """Return an error of every kind, by the name of its class."""
    found = [*_made(), *(_raised(step) for step in _STEPS), *anyio.run(_by_network)]
    return {type(error).__name__: error for error in found}


def _made() -> list[SeedanceError]:
    """Return the errors whose message is made where they are raised, of the same parts."""
    gone = describe_gone(LITE, NOW, "bytedance/seedance-2.5/image-to-video/480p", load_models(), [])
    return [
        TokenMissing(),
        VideoExtraMissing("Continuing a clip"),
        ServerStopping(),
        ModelGone(gone),
        NotApproved(REFUSALS[Reply.NO]),
        DownloadFailed(disk_error(FOLDER, FULL)),
        JoinFailed(disk_error(FOLDER, OSError(errno.EACCES, "Permission denied"))),
        unreadable(
            FOLDER / "2026-11-29-night-falls-7c1f52e0.mp4", "is damaged: not all of it can be read"
        ),
    ]


def _raised(step: Callable[[], object]) -> SeedanceError:
    """Return the error that a step raises."""
    try:
        step()
    except SeedanceError as error:
        return error
    raise AssertionError(f"{step.__name__} raised nothing")


def _misspelt() -> None:
    tool, *_ = build_tools([load_models()[LITE]], wait_seconds=45)
    lake = "https://example.com/lake.jpg"
    arguments = {"prompt": "Mist.", "first_frame_image_url": lake, "durration": 10}
    check_arguments(tool.definition.input_schema, arguments)


def _wrong_setting() -> None:
    load_settings({"HOME": "/home/me", "SEEDANCE_WAIT_SECONDS": "soon"})


def _sixty_jobs() -> None:
    check_hourly_limit(JOB, NOW.replace(hour=16, minute=30), LIMITS)


def _two_dollars() -> None:
    started = [replace(JOB, created_at=NOW.replace(hour=hour)) for hour in range(5, 10)]
    check_daily_limit(JOB, started, LIMITS)


def _no_price() -> None:
    check_daily_limit(replace(JOB, estimated_microdollars=None), [], LIMITS)


def _newer_ledger() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        read_version(connection)


_STEPS = (_misspelt, _wrong_setting, _sixty_jobs, _two_dollars, _no_price, _newer_ledger)


async def _by_network() -> list[SeedanceError]:
    """Return what RunComfy, or a host, is answered for."""
    request_id = str(JOB.request_id)
    input_error = {"error_code": 422001, "error_message": "duration: must be 5 or 10"}
    table: list[tuple[int, object, Call]] = [
        (401, {"error_code": 400004}, lambda client: client.status(request_id)),
        (402, {"error_code": 400002}, lambda client: client.submit(LITE, {})),
        (422, input_error, lambda client: client.submit(LITE, {})),
        (404, {"error_code": 404001}, lambda client: client.model(LITE)),
        (404, {"error_code": 404001}, lambda client: client.status(request_id)),
        (429, {"error_message": "slow down"}, lambda client: client.submit(LITE, {})),
        (503, {}, lambda client: client.status(request_id)),
        (200, [], lambda client: client.status(request_id)),
        (502, {}, lambda client: client.submit(LITE, {})),
    ]
    return [await _answered(*row) for row in table] + [await _refused_link()]


async def _answered(status: int, body: object, call: Call) -> SeedanceError:
    """Return the error of a call that RunComfy gives an answer to."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    clock = Clock(sleep=lambda _: anyio.lowlevel.checkpoint())
    try:
        async with open_http(DEFAULT_BASE_URL, "a-token", clock, transport) as http:
            await call(RunComfyClient(http))
    except SeedanceError as error:
        return error
    raise AssertionError(f"{status} is no error")


async def _refused_link() -> SeedanceError:
    """Return the error of a download whose link has expired."""
    transport = httpx.MockTransport(lambda _: httpx.Response(403))

    async def on_bytes(_: int, __: int | None) -> None: ...

    async def on_saved(_: Path) -> bool:
        return True

    with TemporaryDirectory() as folder:
        downloader = Downloader(
            Path(folder), base_url=DEFAULT_BASE_URL, transport=transport, clock=Clock()
        )
        try:
            await downloader.download(JOB, CLIP, on_bytes=on_bytes, on_saved=on_saved)
        except SeedanceError as error:
            return error
    raise AssertionError("the link was not refused")
