"""The command `seedance-mcp doctor`: what it says of the settings, the folders and this machine."""

import os
from pathlib import Path

import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.doctor import examined
from tests.support.server_process import account

pytestmark = pytest.mark.anyio

CHECKS = [
    *("settings", "token", "connection", "authentication", "balance", "clock", "model", "price"),
    *("schemas", "state folder", "output folder", "ledger", "jobs"),
    *("proxy", "certificates", "versions", "packages"),
]


async def test_it_is_green_against_the_simulator_and_submits_nothing(tmp_path: Path) -> None:
    async with running(Behaviour()) as simulator:
        report = await examined(account(simulator, tmp_path))
    assert [finding.check for finding in report.findings] == CHECKS
    assert report.troubles == {}
    assert report["token"] == "The token is from RUNCOMFY_API_TOKEN."
    assert report["connection"] == f"{simulator.url} was reached."
    assert report["authentication"] == "RunComfy accepts the token."
    assert report["balance"] == "25.00 USD."
    lite = "bytedance/seedance-1-0/lite/image-to-video"
    assert report["model"] == f"lite ({lite}) is as RunComfy publishes it."
    assert report["price"] == (
        "lite: a clip of the default settings costs 0.2 USD (5 s at 0.04 USD a second)."
    )
    assert {request.method for request in simulator.requests} == {"GET"}
    assert simulator.accepted == []
    # What the server would make is not made.
    assert os.listdir(tmp_path) == []
