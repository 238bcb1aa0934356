"""An optional argument that is null or empty means that it was left out, in every tool."""

from typing import Any

import pytest

from seedance_mcp.mcp_server.app import build_tools
from seedance_mcp.models.model import load_models
from tests.support.client import ARGUMENTS, open_client, structured, text

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
SCHEMAS = {
    tool.definition.name: tool.definition.input_schema
    for tool in build_tools([MODEL], wait_seconds=45)
}
OPTIONAL = {
    name: [each for each in schema["properties"] if each not in schema.get("required", [])]
    for name, schema in SCHEMAS.items()
}
EACH = [(tool, [name]) for tool, names in OPTIONAL.items() for name in names]
ALL = [(tool, names) for tool, names in OPTIONAL.items() if len(names) > 1]


def required_by(tool: str, request_id: str) -> dict[str, Any]:
    """Return the required arguments of a tool, for a job."""
    others: dict[str, dict[str, Any]] = {
        "generate_video": ARGUMENTS,
        "list_jobs": {},
        "join_clips": {"request_ids": [request_id] * 2},
    }
    return others.get(tool, {"request_id": request_id})


@pytest.mark.parametrize("nothing", [None, "", " \n\u3000"], ids=["null", "empty", "white space"])
@pytest.mark.parametrize(("tool", "names"), EACH + ALL, ids=str)
async def test_an_optional_argument_without_a_value_is_left_out(
    tool: str, names: list[str], nothing: str | None
) -> None:
    async with open_client() as client:
        bought = structured(await client.generate())
        required = required_by(tool, bought["request_id"])
        plain = await client.call(tool, **required)
        answer = await client.call(tool, **required, **dict.fromkeys(names, nothing))
        assert (answer.is_error, text(answer)) == (False, text(plain))
        assert structured(answer) == structured(plain)
        assert len(client.simulator.accepted) == 1


@pytest.mark.parametrize("nothing", [None, "", " "], ids=["null", "empty", "white space"])
async def test_an_argument_without_a_value_is_not_sent_and_makes_no_other_wish(
    nothing: str | None,
) -> None:
    async with open_client() as client:
        empty = dict.fromkeys(OPTIONAL["generate_video"], nothing)
        bought = structured(await client.generate(**empty))
        assert client.simulator.accepted[0].arguments == ARGUMENTS | {
            "resolution": "480p",
            "duration": 5,
        }
        again = structured(await client.generate())
        assert (again["request_id"], again["reused"]) == (bought["request_id"], True)
        assert len(client.simulator.accepted) == 1


@pytest.mark.parametrize("nothing", [None, ""], ids=["null", "empty"])
@pytest.mark.parametrize(
    ("tool", "name"),
    [(tool, name) for tool, schema in SCHEMAS.items() for name in schema.get("required", [])],
)
async def test_a_required_argument_without_a_value_is_refused_by_name(
    tool: str, name: str, nothing: str | None
) -> None:
    async with open_client() as client:
        refused = await client.call(tool, **(required_by(tool, "r") | {name: nothing}))
        assert refused.is_error
        assert text(refused).startswith(f"{name} must ")
        assert client.simulator.requests == []


@pytest.mark.parametrize("tool", SCHEMAS)
async def test_an_unknown_argument_is_refused_by_name_without_a_value_too(tool: str) -> None:
    async with open_client() as client:
        refused = await client.call(tool, seed=None)
        assert (refused.is_error, text(refused).split(".")[0]) == (True, "Unknown argument seed")


@pytest.mark.parametrize("tool", SCHEMAS)
async def test_what_clients_add_to_the_arguments_is_dropped(tool: str) -> None:
    added = {"toolCallId": "call_1", "sessionId": 7, "_meta": {"progressToken": 1}}
    async with open_client() as client:
        bought = structured(await client.generate())
        required = required_by(tool, bought["request_id"])
        plain = await client.call(tool, **required)
        assert structured(await client.call(tool, **required, **added)) == structured(plain)
        for name in ("tool_call_id", "toolcallid", "session_id", "meta", "_Meta"):
            refused = await client.call(tool, **required, **{name: "x"})
            assert text(refused).startswith(f"Unknown argument {name}.")
