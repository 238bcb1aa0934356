"""The user's yes with real processes: killed, restarted, sharing a folder, and over HTTP."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from tests.support.asked_user import FIELD, FORM, AskedUser
from tests.support.client import ARGUMENTS
from tests.support.server_process import INITIALIZE, MODERN_META, Pipes, Servers, account
from tests.support.timeouts import NEVER_SECONDS, TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

YES = {"action": "accept", "content": {FIELD: True}}
CLIP: dict[str, Any] = ARGUMENTS | {"wait_seconds": 0}
CALL: dict[str, Any] = {"name": "generate_video", "arguments": CLIP}
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
MODERN_CALL: dict[str, Any] = {**CALL, "_meta": MODERN_META | {CAPABILITIES: {"elicitation": {}}}}


def long_job() -> Behaviour:
    """Return a RunComfy whose jobs do not end."""
    return Behaviour(images="never", run_seconds=NEVER_SECONDS)


def asking(simulator: Simulator, folder: Path) -> dict[str, str]:
    """Return the environment of a server that asks before each clip."""
    return account(simulator, folder, SEEDANCE_ASK_ABOVE_USD="0")


def posts(simulator: Simulator) -> int:
    """Count the requests that could have cost money."""
    return sum(seen.route == "submit" for seen in simulator.requests)


async def call_with(server: Pipes, capabilities: Mapping[str, Any]) -> dict[str, Any]:
    """Do the handshake of a client, call generate_video, and return the next message."""
    await server.request(0, "initialize", INITIALIZE | {"capabilities": capabilities})
    await server.send(method="notifications/initialized")
    await server.send(id=1, method="tools/call", params=CALL)
    return await server.receive()


def job_id(answer: Mapping[str, Any]) -> str:
    """Return the request_id in an answer to generate_video."""
    return answer["result"]["structuredContent"]["request_id"]


@pytest.mark.parametrize("elicitation", [{}, {"form": {}}, {"form": {}, "url": {}}], ids=str)
async def test_a_client_that_can_show_forms_is_asked_over_stdio(
    servers: Servers, tmp_path: Path, elicitation: dict[str, Any]
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            running(long_job()) as simulator,
            servers.stdio(asking(simulator, tmp_path)) as server,
        ):
            form = await call_with(server, {"elicitation": elicitation})
            assert form["method"] == "elicitation/create"
            assert form["params"]["message"].startswith("Buy one video clip from RunComfy? ")
            assert posts(simulator) == 0
            await server.send(id=form["id"], result=YES)
            assert job_id(await server.answer(1)) == simulator.accepted[0].request_id
            assert posts(simulator) == 1


@pytest.mark.parametrize("capabilities", [{}, {"elicitation": {"url": {}}}], ids=str)
async def test_a_client_that_can_show_no_forms_is_refused_over_stdio(
    servers: Servers, tmp_path: Path, capabilities: dict[str, Any]
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            running(long_job()) as simulator,
            servers.stdio(asking(simulator, tmp_path)) as server,
        ):
            refused = (await call_with(server, capabilities))["result"]
            assert refused["isError"]
            assert "this client cannot show a form" in refused["content"][0]["text"]
            assert posts(simulator) == 0


UNREADABLE: list[Any] = [
    {},
    {"action": "Accept", "content": {FIELD: True}},
    {"action": "accept", "content": {FIELD: {"yes": True}}},
    {"action": "accept", "content": "yes"},
    {"action": "accept", "content": [True]},
    {"content": {FIELD: True}},
]


async def test_an_answer_to_a_form_that_cannot_be_read_is_no_yes(
    servers: Servers, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            running(long_job()) as simulator,
            servers.stdio(asking(simulator, tmp_path)) as server,
        ):
            form = await call_with(server, {"elicitation": {}})
            for number, result in enumerate(UNREADABLE, 1):
                await server.send(id=form["id"], result=result)
                refused = (await server.answer(number))["result"]
                assert "The user did not agree to this clip;" in refused["content"][0]["text"]
                await server.send(id=number + 1, method="tools/call", params=CALL)
                form = await server.receive()
            # An answer to a form of an earlier call is none to this one.
            await server.send(id=int(form["id"]) - 1, result=YES)
            await server.send(id=form["id"], result={"action": "decline"})
            assert (await server.answer(len(UNREADABLE) + 1))["result"]["isError"]
            assert posts(simulator) == 0


@pytest.mark.parametrize("end", ["kill", "close", "terminate"])
async def test_a_server_that_ends_while_the_form_is_shown_has_bought_nothing(
    servers: Servers, tmp_path: Path, end: str
) -> None:
    capabilities: dict[str, Any] = {"elicitation": {}}
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with running(long_job()) as simulator:
            env = asking(simulator, tmp_path)
            async with servers.stdio(env) as server:
                form = await call_with(server, capabilities)
                if end == "close":
                    await server.stdin.aclose()
                elif end == "terminate":
                    server.process.terminate()
                    refused = await server.answer(1)
                    line = refused["result"]["content"][0]["text"]
                    assert line.startswith("The server is shutting down;")
                    assert line.endswith("Nothing was charged.")
                else:
                    server.process.kill()
                await server.process.wait()
            assert (form["method"], posts(simulator)) == ("elicitation/create", 0)
            async with servers.stdio(env) as server:
                form = await call_with(server, capabilities)
                await server.send(id=form["id"], result=YES)
                first = job_id(await server.answer(1))
                jobs = await server.request(2, "tools/call", {"name": "list_jobs"})
                listed = jobs["result"]["structuredContent"]["jobs"]
                assert [job["request_id"] for job in listed] == [first]
            assert posts(simulator) == 1


async def test_a_yes_counts_once_for_all_servers_of_a_folder_however_they_end(
    servers: Servers, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with running(long_job()) as simulator, AsyncExitStack() as stack:
            env = asking(simulator, tmp_path)
            async with servers.stdio(env) as server:
                form = (await server.request(1, "tools/call", MODERN_CALL))["result"]
                assert form["resultType"] == "input_required"
                server.process.kill()
                await server.process.wait()
            yes = {"inputResponses": {FORM: YES}, "requestState": form["requestState"]}
            forced = {"arguments": {**CLIP, "force_new": True}}
            others = [await stack.enter_async_context(servers.stdio(env)) for _ in range(2)]
            for number, other in enumerate(others):
                params = MODERN_CALL | yes | (forced if number else {})
                await other.send(id=1, method="tools/call", params=params)
            ids = [job_id(await other.answer(1)) for other in others]
            for other in others:
                other.process.kill()
                await other.process.wait()
            async with servers.stdio(env) as server:
                ids.append(job_id(await server.request(1, "tools/call", MODERN_CALL | yes)))
            assert ids == [simulator.accepted[0].request_id] * 3
            assert posts(simulator) == 1


async def test_over_http_only_a_client_of_the_new_era_is_asked(
    servers: Servers, tmp_path: Path
) -> None:
    user = AskedUser()
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            running(long_job()) as simulator,
            servers.http(asking(simulator, tmp_path)) as (url, _),
        ):
            async with Client(url, mode="legacy", elicitation_callback=user) as client:
                refused = await client.call_tool("generate_video", CLIP)
                assert refused.is_error
                assert "over HTTP that takes a client of protocol revision 2026-07-28" in str(
                    refused.content
                )
                assert (user.forms, posts(simulator)) == ([], 0)
            async with Client(url, mode="auto", elicitation_callback=user) as client:
                made = await client.call_tool("generate_video", CLIP)
                assert made.structured_content["request_id"] == simulator.accepted[0].request_id
            assert (len(user.forms), posts(simulator)) == (1, 1)
