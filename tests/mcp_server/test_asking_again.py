"""The form of revision 2026-07-28: a call is answered with it, and repeated with the answer.

A client may send any state and any answer: what is no yes to this clip at this price buys nothing.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import CallToolResult, ElicitRequest, ElicitRequestFormParams, ElicitResult, Request
from pydantic import RootModel

from seedance_mcp.service.state_key import KEY_FILE
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from seedance_mcp.simulator.server import Simulator
from tests.support.asked_user import (
    FIELD,
    FORM,
    NO,
    YES,
    AskedUser,
    answered,
    asked,
    message_of,
    result_of,
    state_of,
)
from tests.support.client import ARGUMENTS, ToolClient, open_client, structured, text
from tests.support.film import run_film
from tests.support.restarting_server import open_server, run_simulator
from tests.support.sample_images import make_image
from tests.support.task_client import TaskPolling, ask_about_task

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

HOUR = 3600
SAID_NO = (
    "The user did not agree to this clip; do not ask again unless they want it."
    " Nothing was charged."
)


@asynccontextmanager
async def asking(
    behaviour: Behaviour | None = None, **settings: Any
) -> AsyncGenerator[ToolClient, None]:
    """Open a client of the new era that shows forms, whose calls are made by hand."""
    given: dict[str, Any] = {"ask_above_usd": "0", "mode": "auto", "user": AskedUser(), **settings}
    async with open_client(behaviour or Behaviour(run_seconds=HOUR), **given) as client:
        yield client


def posts(client: ToolClient) -> int:
    """Count the requests that could have cost money."""
    return sum(seen.route == "submit" for seen in client.simulator.requests)


async def bought(client: ToolClient, state: str, **arguments: Any) -> dict[str, Any]:
    """Answer a form with yes, which must buy a clip or give one back."""
    return structured(result_of(await answered(client, state, wait_seconds=0, **arguments)))


async def test_a_call_is_answered_with_a_form_of_one_required_boolean() -> None:
    async with asking() as client:
        result = await answered(client, None, None)
        state = state_of(result)
        assert result.model_dump(mode="json", by_alias=True, exclude={"meta"}) == {
            "resultType": "input_required",
            "requestState": state,
            "inputRequests": {
                FORM: ElicitRequest(
                    params=ElicitRequestFormParams(
                        message=message_of(result),
                        requested_schema={
                            "type": "object",
                            "properties": {
                                FIELD: {
                                    "type": "boolean",
                                    "title": "Buy this clip",
                                    "description": "Yes buys one clip.",
                                }
                            },
                            "required": [FIELD],
                        },
                    )
                ).model_dump(mode="json", by_alias=True)
            },
        }
        assert (await bought(client, state))["reused"] is False
        assert posts(client) == 1


async def test_a_yes_without_a_state_asks_again() -> None:
    async with asking() as client:
        for _ in range(3):
            state_of(await answered(client, None))
        assert posts(client) == 0


async def test_a_state_without_an_answer_asks_again() -> None:
    async with asking() as client:
        state = await asked(client)
        again = state_of(await answered(client, state, None))
        assert again != state
        assert posts(client) == 0


async def test_a_no_buys_nothing_whatever_its_state_is() -> None:
    async with asking() as client:
        state = await asked(client)
        for given in (state, None, "forged"):
            refused = result_of(await answered(client, given, NO))
            assert (refused.is_error, text(refused)) == (True, SAID_NO)
        assert posts(client) == 0


async def test_a_used_state_gives_back_the_job_that_it_bought() -> None:
    async with asking(Behaviour(queue_seconds=HOUR)) as client:
        state = await asked(client)
        first = await bought(client, state)
        for arguments in ({}, {"force_new": True}):
            again = await bought(client, state, **arguments)
            assert (again["request_id"], again["reused"]) == (first["request_id"], True)
        # Also when no identical call would get it any more.
        await client.call("cancel_job", request_id=first["request_id"])
        again = await bought(client, state)
        assert (again["request_id"], again["status"]) == (first["request_id"], "cancelled")
        assert posts(client) == 1
        # Without it, the clip is a new one; a no is a no.
        assert state_of(await answered(client, None, None)) != state
        assert text(result_of(await answered(client, state, NO))) == SAID_NO
        assert posts(client) == 1


async def test_a_used_state_buys_nothing_after_the_price_has_risen() -> None:
    behaviour = Behaviour(queue_seconds=HOUR)
    async with asking(behaviour) as client:
        await anyio.sleep(HOUR - 5)
        behaviour.price_usd = 0.05
        state = await asked(client)
        first = await bought(client, state)
        await client.call("cancel_job", request_id=first["request_id"])
        await anyio.sleep(10)
        assert (await bought(client, state))["request_id"] == first["request_id"]
        assert posts(client) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "Another."},
        {"duration": 10},
        {"resolution": "720p"},
        {"first_frame_image_url": "https://images.example/other.jpg"},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_a_state_of_other_arguments_asks_again(other: dict[str, Any]) -> None:
    async with asking() as client:
        state = await asked(client)
        assert state_of(await answered(client, state, **other)) != state
        assert posts(client) == 0
        # Nor may a used one buy another clip.
        await bought(client, state)
        state_of(await answered(client, state, **other))
        assert posts(client) == 1


async def test_a_state_of_another_model_asks_again() -> None:
    url = ARGUMENTS["first_frame_image_url"]
    async with asking(model="2.5-480p,2.5-720p") as client:
        arguments = {"prompt": "The mist.", "image": url}
        call = client.mcp.session.call_tool
        one = await call("generate_video", arguments, allow_input_required=True)
        state = state_of(one)
        other = await call(
            "generate_video_2_5_720p",
            arguments,
            input_responses={FORM: YES},
            request_state=state,
            allow_input_required=True,
        )
        assert '2.5/image-to-video/720p"; length: 5 seconds. Estimated' in message_of(other)
        assert posts(client) == 0


@pytest.mark.parametrize("late", [599, 600, 3600])
async def test_a_state_counts_for_ten_minutes(late: int) -> None:
    async with asking() as client:
        state = await asked(client)
        await anyio.sleep(late)
        result = await answered(client, state, wait_seconds=0)
        assert isinstance(result, CallToolResult) is (late < 600)
        assert posts(client) == (1 if late < 600 else 0)


async def test_a_forged_state_asks_again() -> None:
    async with asking() as client:
        state = await asked(client)
        forged = [state[:-1] + ("0" if state[-1] != "0" else "1"), state + "0", state[1:], "", "."]
        for given in (*forged, "x" * 10**6, "é", state.replace(".", ""), state.swapcase()):
            state_of(await answered(client, given))
        assert posts(client) == 0


@asynccontextmanager
async def asking_again(
    simulator: Simulator, folder: Path, key: str | None = None
) -> AsyncGenerator[ToolClient, None]:
    """Open another server at the same RunComfy."""
    settings: dict[str, Any] = {"ask_above_usd": "0", "state_key": key}
    async with open_server(simulator, folder, mode="auto", user=AskedUser(), **settings) as client:
        yield ToolClient(client, simulator)


@pytest.mark.parametrize(
    "keys",
    [(None, None), ("k" * 32, "K" * 32), ("k" * 32, None), ("k" * 32, "k" * 32)],
    ids=["none", "different", "one", "the same"],
)
async def test_a_state_of_another_servers_key_or_ledger_asks_again(
    tmp_path: Path, keys: tuple[str | None, str | None]
) -> None:
    async with run_simulator() as simulator:
        async with asking_again(simulator, tmp_path / "one", keys[0]) as client:
            foreign = await asked(client)
        async with asking_again(simulator, tmp_path / "two", keys[1]) as client:
            state_of(await answered(client, foreign))
            assert posts(client) == 0


@pytest.mark.parametrize("key", [None, "the key of the user, which has 32 bytes"])
async def test_a_state_outlives_the_server_that_made_it(tmp_path: Path, key: str | None) -> None:
    async with run_simulator(run_seconds=HOUR) as simulator:
        async with asking_again(simulator, tmp_path, key) as client:
            state = await asked(client)
        for number in (1, 2):
            async with asking_again(simulator, tmp_path, key) as client:
                for arguments in ({}, {"force_new": True}):
                    again = await bought(client, state, **arguments)
                    assert again["reused"] is (number == 2 or bool(arguments))
                assert posts(client) == 1
    assert (tmp_path / KEY_FILE).exists() is (key is None)


async def test_a_damaged_key_buys_nothing_and_keeps_no_owed_job_back(tmp_path: Path) -> None:
    async with asking(state_dir=tmp_path) as client:
        used = await asked(client)
        first = await bought(client, used)
        state = await asked(client, prompt="Another.")
        (tmp_path / KEY_FILE).write_text("{}")
        line = "is damaged. Delete it, and a new one is made, or set SEEDANCE_STATE_KEY. Nothing"
        for given, answer in ((state, YES), (None, None), (None, YES)):
            refused = result_of(await answered(client, given, answer, prompt="Another."))
            assert refused.is_error
            assert line in text(refused)
        for given, answer in ((None, None), (used, YES), (None, YES)):
            owed = structured(result_of(await answered(client, given, answer, wait_seconds=0)))
            assert owed["request_id"] == first["request_id"]
        forced = result_of(await answered(client, used, force_new=True))
        assert line in text(forced)
        assert posts(client) == 1


class Wire(RootModel[dict[str, Any]]):
    """A result as received."""


@pytest.mark.parametrize("state", [5, True, {}, [], None], ids=str)
async def test_a_state_of_another_type_asks_again(state: Any) -> None:
    async with asking() as client:
        params = {"name": "generate_video", "arguments": ARGUMENTS, "requestState": state}
        params["inputResponses"] = {FORM: YES.model_dump(mode="json", exclude_none=True)}
        request = Request[dict[str, Any], str](method="tools/call", params=params)
        answer = (await client.mcp.session.send_request(request, Wire)).root
        assert answer["resultType"] == "input_required"
        assert posts(client) == 0


UNREADABLE: list[Any] = [
    *("yes", True, [], {}, {"action": "Accept"}, {"action": 1}),
    *({"action": "accept", "content": content} for content in ("yes", [True], True)),
    {"action": "accept", "content": {FIELD: {"yes": True}}},
    {"action": ["accept"], "content": {FIELD: True}},
    {"role": "user", "model": "m", "content": {"type": "text", "text": "yes"}},
    {"roots": []},
]


async def test_an_answer_that_cannot_be_read_is_no_yes() -> None:
    async with asking() as client:
        params: dict[str, Any] = {"name": "generate_video", "arguments": ARGUMENTS}
        params["requestState"] = await asked(client)
        for answer in UNREADABLE:
            params["inputResponses"] = {FORM: answer}
            request = Request[dict[str, Any], str](method="tools/call", params=params)
            refused = (await client.mcp.session.send_request(request, Wire)).root
            assert json.dumps(SAID_NO) in json.dumps(refused), answer
        none: list[Any] = ["yes", [], {}, {"another": {"action": "accept"}}, None]
        for answers in none:
            params["inputResponses"] = answers
            request = Request[dict[str, Any], str](method="tools/call", params=params)
            again = (await client.mcp.session.send_request(request, Wire)).root
            assert again["resultType"] == "input_required", answers
        assert posts(client) == 0


@pytest.mark.parametrize("new_usd", [0.05, 0.03])
async def test_only_a_price_that_has_risen_meanwhile_is_asked_about_again(new_usd: float) -> None:
    behaviour = Behaviour(run_seconds=HOUR)
    async with asking(behaviour) as client:
        await anyio.sleep(HOUR - 5)
        behaviour.price_usd = new_usd
        state = await asked(client)
        await anyio.sleep(10)
        result = await answered(client, state, wait_seconds=0)
        if new_usd < 0.04:
            assert structured(result_of(result))["estimated_cost_usd"] == 0.15
        else:
            assert "Estimated cost: 0.25 USD." in message_of(result)
            assert posts(client) == 0
            assert (await bought(client, state_of(result)))["estimated_cost_usd"] == 0.25
        assert posts(client) == 1


async def test_a_price_that_was_unknown_and_is_known_meanwhile_is_asked_about_again() -> None:
    behaviour = Behaviour(run_seconds=HOUR, price_form="absent")
    async with asking(behaviour, ask_above_usd="0.1") as client:
        await anyio.sleep(HOUR - 5)
        result = await answered(client, None, None)
        assert "Estimated cost: not known." in message_of(result)
        behaviour.price_form = "number"
        await anyio.sleep(10)
        again = await answered(client, state_of(result))
        assert "Estimated cost: 0.2 USD." in message_of(again)
        assert posts(client) == 0


async def test_a_yes_counts_for_a_local_image_as_it_was_then(tmp_path: Path) -> None:
    image, png = tmp_path / "lake.png", make_image("PNG")
    image.write_bytes(png)
    async with asking(check_images=True, local_files=True) as client:
        local: dict[str, Any] = {"first_frame_image_url": str(image)}
        state = await asked(client, **local)
        image.write_bytes(png + b"\0")
        changed = state_of(await answered(client, state, **local))
        assert posts(client) == 0
        assert (await bought(client, changed, **local))["reused"] is False
        # The job is known by then, though its image is gone.
        image.unlink()
        assert (await bought(client, changed, **local))["reused"] is True
        assert posts(client) == 1


async def test_a_yes_counts_for_the_clip_that_is_continued(tmp_path: Path) -> None:
    async with (
        run_film() as (simulator, _),
        open_server(
            simulator, tmp_path, mode="auto", user=AskedUser(), ask_above_usd="0"
        ) as server,
    ):
        client = ToolClient(server, simulator)
        first, other = [
            structured(await client.generate(prompt=f"Shot {number}.")) for number in (1, 2)
        ]
        frames = [f"seedance://jobs/{shot['request_id']}/last-frame" for shot in (first, other)]
        places: list[dict[str, Any]] = [{"first_frame_image_url": frame} for frame in frames]
        continued, elsewhere = places
        state = await asked(client, **continued)
        assert state_of(await answered(client, state, **elsewhere)) != state
        assert posts(client) == 2
        third = await bought(client, state, **continued)
        assert (await bought(client, state, **continued))["request_id"] == third["request_id"]
        assert posts(client) == 3


async def test_the_older_era_knows_no_state_and_no_answer_of_another_call(tmp_path: Path) -> None:
    async with run_simulator() as simulator:
        async with asking_again(simulator, tmp_path) as client:
            state = await asked(client)
        user = AskedUser(NO)
        settings: dict[str, Any] = {"ask_above_usd": "0", "user": user}
        async with open_server(simulator, tmp_path, **settings) as server:
            client = ToolClient(server, simulator)
            params: dict[str, Any] = {"name": "generate_video", "arguments": ARGUMENTS}
            params |= {"requestState": state, "inputResponses": {FORM: YES.model_dump(mode="json")}}
            request = Request[dict[str, Any], str](method="tools/call", params=params)
            answer = (await client.mcp.session.send_request(request, Wire)).root
            assert json.dumps(SAID_NO) in json.dumps(answer)
            assert (len(user.forms), posts(client)) == (1, 0)


@pytest.mark.parametrize("given", [True, False], ids=["of the user", "in the folder"])
async def test_the_key_reaches_no_answer_no_log_and_no_row(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, given: bool
) -> None:
    caplog.set_level("DEBUG")
    key = "the secret key of the user, of 32 bytes" if given else None
    async with asking(state_dir=tmp_path, state_key=key) as client:
        state = await asked(client)
        states = (state, state, "forged", None)
        said = [str(await answered(client, each, wait_seconds=0)) for each in states]
        said.append(str(await client.call("list_jobs")))
    secret = key or json.loads((tmp_path / KEY_FILE).read_text())["key"]
    ledger = (tmp_path / "ledger.db").read_bytes()
    assert b"jobs_by_approval" in ledger
    for shown in (*said, caplog.text, ledger.decode("latin-1")):
        assert secret not in shown


async def test_two_yeses_to_one_clip_at_once_buy_it_once() -> None:
    async with asking() as client:
        states = [await asked(client) for _ in range(2)]
        client.simulator.faults.append(Fault.delay("submit", 2))
        ids: list[str] = []

        async def call(state: str) -> None:
            ids.append((await bought(client, state))["request_id"])

        async with anyio.create_task_group() as tasks:
            for state in (*states, states[0]):
                tasks.start_soon(call, state)
        assert (len(ids), len(set(ids)), posts(client)) == (3, 1, 1)


async def test_one_state_sent_twice_at_once_with_force_new_buys_one_clip() -> None:
    async with asking() as client:
        state = await asked(client, force_new=True)
        ids: list[str] = []

        async def call() -> None:
            ids.append((await bought(client, state, force_new=True))["request_id"])

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(call)
        assert (len(set(ids)), posts(client)) == (1, 1)


async def test_a_task_is_made_after_the_yes() -> None:
    polling, user = TaskPolling(), AskedUser()
    behaviour = Behaviour(run_seconds=60)
    async with asking(behaviour, user=user, extensions=[polling]) as client:
        result = await client.generate()
        assert (structured(result)["status"], len(polling.created)) == ("completed", 1)
        assert (len(user.forms), posts(client)) == (1, 1)


@pytest.mark.parametrize("answer", [NO, ElicitResult(action="cancel")], ids=["no", "cancel"])
async def test_no_task_is_made_without_a_yes(answer: ElicitResult) -> None:
    polling, user = TaskPolling(), AskedUser(answer)
    async with asking(user=user, extensions=[polling]) as client:
        refused = await client.generate()
        assert (refused.is_error, polling.created, len(user.forms)) == (True, [], 1)
        assert text(refused).endswith(" Nothing was charged.")
        state_of(await answered(client, None))
        state_of(await answered(client, "forged"))
        assert posts(client) == 0


async def test_a_client_of_tasks_without_forms_is_refused() -> None:
    async with asking(user=None, extensions=[TaskPolling()]) as client:
        refused = await client.generate()
        assert "this client cannot show a form" in text(refused)
        assert posts(client) == 0


async def test_a_used_state_gives_back_the_task_that_it_bought() -> None:
    async with asking(extensions=[TaskPolling()]) as client:
        arguments = ARGUMENTS | {"force_new": True}
        first = await client.mcp.session.call_tool(
            "generate_video", arguments, allow_input_required=True, allow_claimed=True
        )
        assert not isinstance(first, CallToolResult)
        state = first.model_dump(by_alias=True)["requestState"]
        ids: set[str] = set()
        for _ in range(2):
            task = await client.mcp.session.call_tool(
                "generate_video",
                arguments,
                input_responses={FORM: YES},
                request_state=state,
                allow_input_required=True,
                allow_claimed=True,
            )
            ids.add(task.model_dump(by_alias=True)["taskId"])
        (task_id,) = ids
        assert (await ask_about_task(client.mcp.session, "get", task_id))["status"] == "working"
        assert posts(client) == 1
