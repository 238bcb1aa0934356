"""What stands beside the text of an answer: links and previews, as far as a client takes them."""

from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.clock import Clock
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.settings import Settings
from tests.support.client import structured
from tests.support.old_client import connect_old_client
from tests.support.restarting_server import generate, open_server, run_simulator
from tests.support.virtual_time import virtual_now

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

BOTH = "preview,link"


async def test_links_and_previews_come_if_they_are_asked_for_and_links_in_revisions_that_have_them(
    tmp_path: Path,
) -> None:
    expected: list[tuple[str | None, str, list[str]]] = [
        (None, "2025-11-25", ["text", "image"]),
        (BOTH, "2025-11-25", ["text", "resource_link", "image"]),
        (BOTH, "2025-06-18", ["text", "resource_link", "image"]),
        (BOTH, "2025-03-26", ["text", "image"]),
        (BOTH, "2024-11-05", ["text", "image"]),
        ("link", "2025-11-25", ["text", "resource_link"]),
        ("link", "2024-11-05", ["text"]),
        ("none", "2025-11-25", ["text"]),
    ]
    seen: list[tuple[str | None, str, list[str]]] = []
    async with run_simulator(run_seconds=1) as simulator:
        folders = {"state_dir": tmp_path / "state", "output_dir": tmp_path / "videos"}
        account: dict[str, Any] = {"token": simulator.token, "base_url": simulator.url, **folders}
        async with open_server(simulator, tmp_path / "state") as client:
            request_id = structured(await generate(client))["request_id"]
        for attachments, version, _ in expected:
            given: dict[str, Any] = {"attachments": attachments} if attachments else {}
            server = build_server(Settings(**account, **given), clock=Clock(now=virtual_now))
            async with connect_old_client(server, version) as client:
                result = await client.call("get_result", request_id=request_id, download=True)
            kinds = [block["type"] for block in result["content"]]
            # A link is for people; the text and the structure have the URL anyway.
            assert result["content"][0]["text"].count("/outputs/") == 1
            seen.append((attachments, version, kinds))
    assert seen == expected
