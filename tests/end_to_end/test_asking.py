"""`SEEDANCE_ASK_ABOVE_USD`: the user agrees in a form of the client before a job is bought.

What both eras of the protocol have in common; each test counts the paid requests.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp_types import CallToolResult, ElicitResult, ErrorData

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.faults import Fault
from tests.support.asked_user import FIELD, NO, YES, AskedUser
from tests.support.client import ToolClient, open_client, structured, text

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

LEGACY, MODERN = "legacy", "auto"
ERAS = pytest.mark.parametrize("mode", [LEGACY, MODERN])
ZERO_SPENT = "Spent in the last 24 hours: 0 USD."
MODEL = 'Model: "bytedance/seedance-1-0/lite/image-to-video"'
FORM = (
    f'Buy one video clip from RunComfy? {MODEL}; length: 5 seconds; resolution: "480p".'
    f" Estimated cost: 0.2 USD. {ZERO_SPENT}"
)
SAID_NO = (
    "The user did not agree to this clip; do not ask again unless they want it."
    " Nothing was charged."
)
CLOSED = (
    "The user closed the form without an answer; ask whether they want this clip."
    " Nothing was charged."
)
CANNOT_ASK = (
    "The user has to agree to this clip in a form first, and this client cannot show a form (it"
    " declares no form elicitation). Ask the user to raise or unset SEEDANCE_ASK_ABOVE_USD in this"
    " server's configuration, or to use a client that can. Nothing was charged."
)


def not_within(seconds: int) -> str:
    """Return the answer to a call whose form was not answered."""
    return (
        f"The user did not answer the form within {seconds} s; ask whether they want this clip"
        " before calling again. Nothing was charged."
    )


@asynccontextmanager
async def asking(
    user: AskedUser | None,
    mode: str,
    behaviour: Behaviour | None = None,
    ask_above_usd: str = "0",
    **settings: Any,
) -> AsyncGenerator[ToolClient, None]:
    """Open a client whose user is asked."""
    async with open_client(
        behaviour, mode=mode, user=user, ask_above_usd=ask_above_usd, **settings
    ) as client:
        yield client


def posts(client: ToolClient) -> int:
    """Count the requests that could have cost money."""
    return sum(seen.route == "submit" for seen in client.simulator.requests)


def refused(result: CallToolResult) -> str:
    """Return the one line of an answer that must be an error."""
    assert (result.is_error, result.structured_content) == (True, None)
    return text(result)


async def listed(client: ToolClient) -> int:
    """Return how many jobs the ledger has."""
    return structured(await client.call("list_jobs"))["total"]


@ERAS
async def test_a_clip_is_bought_after_a_yes_to_a_form_that_says_what_it_costs(mode: str) -> None:
    user = AskedUser()
    async with asking(user, mode, Behaviour(run_seconds=100)) as client:
        made = structured(await client.generate(wait_seconds=0))
        assert (made["status"], made["reused"], posts(client)) == ("in_queue", False, 1)
        assert user.forms == [FORM]
        more = {"prompt": "Another.", "duration": 10, "resolution": "720p"}
        await client.generate(wait_seconds=0, **more)
        assert user.forms[1] == (
            f'Buy one video clip from RunComfy? {MODEL}; length: 10 seconds; resolution: "720p".'
            " Estimated cost: 0.4 USD. Spent in the last 24 hours: 0.2 USD, 1 of 1 clip estimated."
        )
        assert posts(client) == 2


NO_YES = [
    (NO, SAID_NO),
    (ElicitResult(action="cancel"), CLOSED),
    (ElicitResult(action="cancel", content={FIELD: True}), CLOSED),
    (ElicitResult(action="decline", content={FIELD: True}), SAID_NO),
    (ElicitResult(action="accept"), SAID_NO),
    (ElicitResult(action="accept", content={}), SAID_NO),
    *(
        (ElicitResult(action="accept", content={FIELD: value}), SAID_NO)
        for value in (False, None, "true", "yes", 1, 1.0, ["true"])
    ),
    (ElicitResult(action="accept", content={"Approve": True, "yes": True}), SAID_NO),
]


@ERAS
async def test_whatever_is_not_a_yes_buys_nothing(mode: str) -> None:
    user = AskedUser()
    async with asking(user, mode) as client:
        for answer, line in NO_YES:
            user.answer = answer
            assert refused(await client.generate()) == line
        assert len(user.forms) == len(NO_YES)
        assert (posts(client), await listed(client)) == (0, 0)


@ERAS
async def test_only_a_job_above_the_setting_is_asked_about(mode: str) -> None:
    user = AskedUser(NO)
    async with asking(user, mode, ask_above_usd="0.2") as client:
        assert not (await client.generate()).is_error
        assert (user.forms, posts(client)) == ([], 1)
        assert refused(await client.generate(duration=10)) == SAID_NO
        assert (len(user.forms), posts(client)) == (1, 1)
    async with asking(user, mode, ask_above_usd="0.1999999999") as client:
        assert refused(await client.generate()) == SAID_NO
        assert posts(client) == 0


@ERAS
async def test_a_price_that_comes_late_is_waited_for(mode: str) -> None:
    user = AskedUser(NO)
    async with asking(user, mode, ask_above_usd="0.2") as client:
        client.simulator.faults.append(Fault.delay("catalogue", 4))
        assert not (await client.generate()).is_error
        assert (user.forms, posts(client)) == ([], 1)


@ERAS
async def test_a_job_whose_price_is_unknown_is_asked_about(mode: str) -> None:
    user = AskedUser()
    behaviour = Behaviour(price_form="absent")
    async with asking(user, mode, behaviour, ask_above_usd="1000000") as client:
        assert not (await client.generate()).is_error
        (form,) = user.forms
        assert form.endswith(f"Estimated cost: not known. {ZERO_SPENT}")
        user.answer = NO
        assert refused(await client.generate(prompt="Another.")) == SAID_NO
        assert user.forms[1].endswith("Spent in the last 24 hours: 0.2 USD.")
        assert posts(client) == 1


@ERAS
async def test_a_client_without_forms_is_refused_with_the_variable_to_change(mode: str) -> None:
    async with asking(None, mode) as client:
        assert refused(await client.generate()) == CANNOT_ASK
        assert refused(await client.generate(force_new=True)) == CANNOT_ASK
        assert (posts(client), await listed(client)) == (0, 0)


@ERAS
async def test_no_argument_of_the_tool_says_yes(mode: str) -> None:
    async with asking(AskedUser(NO), mode) as client:
        for name in (FIELD, "approval", "approved", "confirm", "yes"):
            assert "Unknown argument" in refused(await client.generate(**{name: True}))
        assert posts(client) == 0


@ERAS
async def test_a_job_that_is_owed_is_given_back_unasked(mode: str) -> None:
    user = AskedUser()
    async with asking(user, mode, Behaviour(run_seconds=100)) as client:
        first = structured(await client.generate(wait_seconds=0))
        user.answer = NO
        again = structured(await client.generate(wait_seconds=0))
        assert (again["request_id"], again["reused"]) == (first["request_id"], True)
        assert (len(user.forms), posts(client)) == (1, 1)


@ERAS
async def test_a_job_asked_for_twice_at_once_is_bought_once(mode: str) -> None:
    user = AskedUser(None)
    async with asking(user, mode, Behaviour(run_seconds=100)) as client:
        answers: list[dict[str, Any]] = []

        async def call() -> None:
            answers.append(structured(await client.generate(wait_seconds=5)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            tasks.start_soon(call)
            await anyio.sleep(1)
            assert (len(user.forms), posts(client)) == (1 if mode == LEGACY else 2, 0)
            user.come(YES)
        assert len({answer["request_id"] for answer in answers}) == 1
        assert sorted(answer["reused"] for answer in answers) == [False, True]
        assert posts(client) == 1


@ERAS
async def test_each_of_two_clips_with_force_new_needs_a_yes_of_its_own(mode: str) -> None:
    user = AskedUser(None)
    async with asking(user, mode, Behaviour(run_seconds=100, workers=2)) as client:
        answers: list[CallToolResult] = []

        async def call() -> None:
            answers.append(await client.generate(force_new=True, wait_seconds=0))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            tasks.start_soon(call)
            await anyio.sleep(1)
            assert (len(user.forms), posts(client)) == (2, 0)
            user.come(YES)
        ids = {structured(answer)["request_id"] for answer in answers}
        assert (len(ids), len(user.forms), posts(client)) == (2, 2, 2)
        user.answer = NO
        assert refused(await client.generate(force_new=True)) == SAID_NO
        assert posts(client) == 2


@ERAS
async def test_a_yes_does_not_lift_a_limit_that_is_reached_while_the_form_is_shown(
    mode: str,
) -> None:
    user = AskedUser(None)
    results: list[CallToolResult] = []

    async def call(prompt: str) -> None:
        results.append(await client.generate(wait_seconds=0, prompt=prompt))

    async with asking(user, mode, max_jobs_per_hour=1) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, "One.")
            tasks.start_soon(call, "Another.")
            await anyio.sleep(10)
            assert len(user.forms) == 2
            user.come(YES)
        (line,) = [refused(result) for result in results if result.is_error]
        assert line.startswith("SEEDANCE_MAX_JOBS_PER_HOUR is reached: 1 jobs were started")
        assert posts(client) == 1


@ERAS
async def test_no_user_is_asked_about_a_clip_that_a_limit_does_not_allow(mode: str) -> None:
    user = AskedUser()
    async with asking(user, mode, max_jobs_per_hour=1) as client:
        await client.generate()
        assert refused(await client.generate(prompt="Another.")).startswith(
            "SEEDANCE_MAX_JOBS_PER_HOUR is reached: 1 jobs were started within the hour;"
        )
        assert (len(user.forms), posts(client)) == (1, 1)


@ERAS
async def test_a_price_that_rises_while_the_form_is_shown_is_asked_about_again(mode: str) -> None:
    user = AskedUser(None)
    behaviour = Behaviour(run_seconds=100)
    async with asking(user, mode, behaviour) as client, anyio.create_task_group() as tasks:
        # The catalogue is read again every hour.
        await anyio.sleep(3595)
        behaviour.price_usd = 0.05
        answers: list[dict[str, Any]] = []

        async def call() -> None:
            answers.append(structured(await client.generate(wait_seconds=1)))

        tasks.start_soon(call)
        await anyio.sleep(10)
        assert (len(user.forms), posts(client)) == (1, 0)
        user.come(YES)
        await anyio.sleep(1)
        costs = ["Estimated cost: 0.2 USD.", "Estimated cost: 0.25 USD."]
        assert [cost in form for cost, form in zip(costs, user.forms, strict=True)] == [True] * 2
        await anyio.sleep(10)
        assert [answer["estimated_cost_usd"] for answer in answers] == [0.25]
        assert posts(client) == 1


@ERAS
async def test_a_price_that_falls_while_the_form_is_shown_needs_no_second_yes(mode: str) -> None:
    user = AskedUser(None)
    behaviour = Behaviour(run_seconds=100)
    async with asking(user, mode, behaviour) as client, anyio.create_task_group() as tasks:
        await anyio.sleep(3595)
        behaviour.price_usd = 0.03
        tasks.start_soon(client.generate)
        await anyio.sleep(10)
        user.come(YES)
        await anyio.sleep(1)
        assert (len(user.forms), posts(client)) == (1, 1)


@ERAS
async def test_a_call_that_is_cancelled_while_the_form_is_shown_buys_nothing(mode: str) -> None:
    user = AskedUser(None)
    async with asking(user, mode, Behaviour(run_seconds=100)) as client:
        with anyio.move_on_after(20) as scope:
            await client.generate()
        assert scope.cancelled_caught
        await anyio.sleep(1)
        # The client closes the form, so that no answer comes to a call that is gone.
        assert (len(user.forms), user.closed, posts(client)) == (1, 1, 0)
        user.answer = YES
        again = structured(await client.generate(wait_seconds=0))
        assert (again["reused"], len(user.forms), posts(client)) == (False, 2, 1)


@ERAS
async def test_a_request_that_was_rejected_after_a_yes_is_asked_about_again(mode: str) -> None:
    user = AskedUser()
    async with asking(user, mode) as client:
        client.simulator.faults.append(Fault.answer("submit", 422))
        assert (await client.generate()).is_error
        assert not (await client.generate()).is_error
        assert (len(user.forms), posts(client)) == (2, 2)
        assert len(client.simulator.accepted) == 1


async def test_silence_ends_with_the_call_and_buys_nothing() -> None:
    user = AskedUser(None)
    async with asking(user, LEGACY) as client:
        assert refused(await client.generate()) == not_within(43)
        assert anyio.current_time() == pytest.approx(43, abs=0.1)
        assert (len(user.forms), user.closed, posts(client)) == (1, 1, 0)
        # Progress goes on meanwhile.
        values = [value for value, _, _ in client.progress]
        assert values == sorted(set(values))
        assert len(values) >= 43 / 5
        assert client.progress[0][2] == "waiting for the user's yes, 0 s"
        assert client.progress[-1][2] == "waiting for the user's yes, 40 s"


@pytest.mark.parametrize("wait_seconds", [0, 1, 10, 30])
async def test_a_form_is_shown_for_30_seconds_however_short_the_wait_is(wait_seconds: int) -> None:
    user = AskedUser(None)
    async with asking(user, LEGACY) as client:
        assert refused(await client.generate(wait_seconds=wait_seconds)) == not_within(30)
        assert anyio.current_time() == pytest.approx(30, abs=0.1)
        assert posts(client) == 0


async def test_a_yes_in_the_last_second_is_answered_with_the_request_id() -> None:
    user = AskedUser(None)
    async with (
        asking(user, LEGACY, Behaviour(run_seconds=100)) as client,
        anyio.create_task_group() as tasks,
    ):
        client.simulator.faults.append(Fault.delay("submit", 1.5))
        answers: list[dict[str, Any]] = []

        async def call() -> None:
            answers.append(structured(await client.generate(wait_seconds=10)))

        tasks.start_soon(call)
        await anyio.sleep(29)
        user.come(YES)
        await anyio.sleep(3)
        (answer,) = answers
        assert answer["request_id"] == client.simulator.accepted[0].request_id
        # The job begins with the yes, for the limits and for what is owed.
        assert answer["elapsed_seconds"] < 3
        assert posts(client) == 1


async def test_a_form_ends_before_the_client_is_known_to_give_up() -> None:
    user = AskedUser(None)
    async with asking(user, LEGACY) as client:
        with anyio.move_on_after(50):
            await client.generate(wait_seconds=100)
        # It has given up after 50 s: a wait takes four fifths of that, and the submit 2 s.
        assert refused(await client.generate(wait_seconds=100)) == not_within(38)
        assert (len(user.forms), user.closed, posts(client)) == (2, 2, 0)


async def test_a_client_that_answers_the_form_with_an_error_buys_nothing() -> None:
    error = ErrorData(code=-32603, message='No "window"\nis open.')
    async with asking(AskedUser(error), LEGACY) as client:
        assert refused(await client.generate()) == (
            "The user could not be asked whether to buy this clip; the client answered the form"
            " with an error: \"No 'window' is open.\". Nothing was charged."
        )
        assert posts(client) == 0


@pytest.mark.parametrize("force_new", [False, True])
async def test_a_call_repeated_while_its_form_is_shown_shares_the_form(*, force_new: bool) -> None:
    user = AskedUser(None)
    async with (
        asking(user, LEGACY, Behaviour(run_seconds=100)) as client,
        anyio.create_task_group() as tasks,
    ):
        answers: list[dict[str, Any]] = []

        async def call() -> None:
            answers.append(structured(await client.generate(force_new=force_new)))

        tasks.start_soon(call)
        await anyio.sleep(10)
        # As a client does that has given the first call up without a word.
        tasks.start_soon(call)
        await anyio.sleep(10)
        assert (len(user.forms), posts(client)) == (1, 0)
        user.come(YES)
        await anyio.sleep(100)
        assert {answer["request_id"] for answer in answers} == {
            client.simulator.accepted[0].request_id
        }
        assert (len(answers), len(user.forms), posts(client)) == (2, 1, 1)


async def test_a_no_is_the_answer_to_every_call_that_shares_the_form() -> None:
    user = AskedUser(None)
    answers: list[str] = []

    async def call() -> None:
        answers.append(refused(await client.generate()))

    async with asking(user, LEGACY) as client:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(call)
            await anyio.sleep(10)
            user.come(NO)
        assert (answers, len(user.forms), posts(client)) == ([SAID_NO] * 3, 1, 0)


async def test_a_repeated_call_with_force_new_shares_no_form_of_a_call_without_it() -> None:
    user = AskedUser(None)
    async with (
        asking(user, LEGACY, Behaviour(run_seconds=100, workers=2)) as client,
        anyio.create_task_group() as tasks,
    ):
        ids: dict[str, list[str]] = {"plain": [], "forced": []}

        async def call(kind: str) -> None:
            made = await client.generate(force_new=kind == "forced", wait_seconds=60)
            ids[kind].append(structured(made)["request_id"])

        for kind in ("forced", "plain", "forced"):
            tasks.start_soon(call, kind)
            await anyio.sleep(5)
        assert (len(user.forms), posts(client)) == (2, 0)
        user.come(YES)
        await anyio.sleep(100)
        assert [len(ids["plain"]), len(ids["forced"]), len(set(ids["forced"]))] == [1, 2, 1]
        # The call without it gets the clip that was bought a moment before.
        assert ids["plain"][0] == ids["forced"][0]
        assert posts(client) == 1


async def test_a_call_that_shares_a_form_shows_its_own_once_the_first_call_is_cancelled() -> None:
    user = AskedUser(None)
    async with (
        asking(user, LEGACY, Behaviour(run_seconds=100)) as client,
        anyio.create_task_group() as tasks,
    ):
        answers: list[CallToolResult] = []

        async def repeat() -> None:
            await anyio.sleep(5)
            answers.append(await client.generate())

        tasks.start_soon(repeat)
        with anyio.move_on_after(10):
            await client.generate()
        await anyio.sleep(1)
        assert (len(user.forms), user.closed, posts(client)) == (2, 1, 0)
        user.come(YES)
        await anyio.sleep(100)
        (answer,) = answers
        assert structured(answer)["request_id"] == client.simulator.accepted[0].request_id
        assert posts(client) == 1


@ERAS
async def test_listing_hints_at_the_user_only_where_every_clip_needs_a_yes(mode: str) -> None:
    hint = "anthropic/requiresUserInteraction"
    for setting, expected in (("0", {hint: True}), ("0.00", {hint: True}), ("0.01", {})):
        async with asking(
            None, mode, ask_above_usd=setting, model="lite,2.5-720p", token=None
        ) as client:
            tools = (await client.mcp.list_tools()).tools
            told = [{**(tool.meta or {})} for tool in tools]
            # Beside what every tool says to hosts that show pages.
            pages = [meta.pop("ui", {}).get("resourceUri", "")[:19] for meta in told[:2]]
            assert pages == ["ui://seedance/player"[:19]] * 2
            assert told[:2] == [expected] * 2
            assert [tool.name for tool in tools[2:] if hint in (tool.meta or {})] == []


async def test_a_server_that_is_not_to_ask_shows_no_form_and_makes_no_key() -> None:
    user = AskedUser(NO)
    async with open_client(user=user, mode=MODERN) as client:
        assert not (await client.generate()).is_error
        assert (user.forms, posts(client)) == ([], 1)
