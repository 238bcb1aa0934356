"""Downloads through an MCP client: one file, recorded in the ledger."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from tests.support.client import ToolClient, open_client, structured, text
from tests.support.wording import CONTINUE, PAID_FOR, TELL_SAVED

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


def saved_files(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def remove(path: str) -> None:
    """Remove a file."""
    Path(path).unlink()


async def made(client: ToolClient) -> str:
    """Buy a clip and return its request_id."""
    return structured(await client.generate(wait_seconds=5))["request_id"]


async def saved(client: ToolClient, request_id: str) -> Any:
    """Call get_result with download true."""
    return await client.call("get_result", request_id=request_id, download=True)


async def test_a_clip_is_downloaded_once_with_progress_and_again_if_the_file_is_gone(
    tmp_path: Path,
) -> None:
    async with open_client(Behaviour(), output_dir=tmp_path / "videos") as client:
        request_id = await made(client)
        client.progress.clear()
        first = await saved(client, request_id)
        (name,) = saved_files(tmp_path / "videos")
        path = tmp_path / "videos" / name
        assert (first.is_error, structured(first)["saved_to"]) == (False, str(path))
        assert structured(first)["next_step"] == f"{TELL_SAVED}. {CONTINUE % request_id}"
        size = path.stat().st_size
        values = [progress for progress, _, _ in client.progress]
        assert (values, client.progress[-1][:2]) == (sorted(set(values)), (size, size))
        assert [part.type for part in first.content] == ["text", "image"]
        image = first.content[1]
        assert (image.mime_type, len(image.data) < 80_000) == ("image/jpeg", True)
        fetched = client.paths().count(f"{request_id}.mp4")
        again = await saved(client, request_id)
        assert structured(again)["saved_to"] == str(path)
        assert client.paths().count(f"{request_id}.mp4") == fetched
        jobs = structured(await client.call("list_jobs"))["jobs"]
        assert [job["saved_to"] for job in jobs] == [str(path)]
        remove(str(path))
        assert structured(await saved(client, request_id))["saved_to"] == str(path)
        assert saved_files(tmp_path / "videos") == [name]


async def test_a_failed_download_is_reported_with_the_clip(tmp_path: Path) -> None:
    async with open_client(Behaviour(), output_dir=tmp_path) as client:
        request_id = await made(client)
        client.simulator.faults.append(Fault.answer("output", 404, times=9))
        result = await saved(client, request_id)
        assert (result.is_error, structured(result)["status"]) == (True, "completed")
        assert structured(result)["videos"] == [f"{client.simulator.url}/outputs/{request_id}.mp4"]
        assert structured(result)["error"].endswith(f" {PAID_FOR}")
        assert f"error: {structured(result)['error']}" in text(result)
        assert structured(result)["saved_to"] is None


async def test_a_job_that_has_not_ended_has_nothing_to_download(tmp_path: Path) -> None:
    async with open_client(Behaviour(run_seconds=600), output_dir=tmp_path) as client:
        request_id = await made(client)
        result = await saved(client, request_id)
        assert (result.is_error, structured(result)["status"]) == (False, "in_progress")
        assert saved_files(tmp_path) == []


async def test_every_clip_is_downloaded_automatically_if_configured(tmp_path: Path) -> None:
    async with open_client(Behaviour(), output_dir=tmp_path, auto_download=True) as client:
        request_id = await made(client)
        await anyio.sleep(5)
        assert structured(await client.call("list_jobs"))["jobs"][0]["saved_to"]
        assert structured(await saved(client, request_id))["saved_to"].startswith(str(tmp_path))
