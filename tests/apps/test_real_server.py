"""A page in a host, with the real server and the simulator behind it."""

from typing import Any

import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from tests.support.client import ARGUMENTS

from .support.opener import Opener
from .support.real_hosts import PLAYED
from .support.real_server import real_server


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_clip_costs_one_call_of_the_model_and_no_poll_of_its(open_app: Opener, mode: str) -> None:
    behaviour = Behaviour(queue_seconds=2, run_seconds=6)
    with real_server(behaviour, mode=mode) as server:
        result = server.call("generate_video", ARGUMENTS)
        assert result["structuredContent"]["status"] in {"in_queue", "in_progress"}
        app = open_app(
            server.page("generate_video"),
            arguments=ARGUMENTS,
            result=result,
            tools=server.tools_of_apps(),
            passes=[server.client.simulator.url],
        )
        app.frame.wait_for_selector("video")
        assert app.frame.evaluate(PLAYED) == [5, 5]
        assert [tool for caller, tool in server.called if caller == "model"] == ["generate_video"]
        polls = [tool for caller, tool in server.called if caller == "app"]
        # The last one reads what it cost.
        assert polls == ["check_status"] * (len(polls) - 1) + ["get_result"]
        assert len(polls) >= 3
        assert app.host.network.asked_origins() == {server.client.simulator.url}
        # The simulator has no https.
        assert {each.partition(":")[0] for each in app.host.complaints} == {"Mixed Content"}
        app.screenshot(f"player-real-server-{mode}")


def test_the_gallery_shows_what_the_ledger_has(open_app: Opener) -> None:
    with real_server(Behaviour(run_seconds=0.1), mode="auto") as server:
        for prompt in ("A lake in the mist.", "A second lake."):
            made: dict[str, Any] = {"prompt": prompt, "wait_seconds": 30}
            server.call("generate_video", ARGUMENTS | made)
        app = open_app(
            server.page("list_jobs"),
            arguments={},
            result=server.call("list_jobs", {}),
            tools=server.tools_of_apps(),
            resources=server.read,
            passes=[server.client.simulator.url],
        )
        app.frame.get_by_text("A second lake.").first.wait_for()
        app.frame.get_by_text("A lake in the mist.").first.wait_for()
        assert app.host.complaints == []
        app.screenshot("gallery-real-server")
