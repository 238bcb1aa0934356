"""Whatever a client sends as an argument, it gets a short answer and the server lives."""

from typing import Any

import pytest

from seedance_mcp.mcp_server.app import build_tools
from seedance_mcp.models.model import load_models
from tests.support.client import ARGUMENTS, open_client, text

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

MODEL = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
SCHEMAS = {
    tool.definition.name: tool.definition.input_schema
    for tool in build_tools([MODEL], wait_seconds=45)
}
LONG = "A\n\0\x1b[31m'\"<b>" * 1_000


def nested(depth: int) -> Any:
    """Return lists and objects inside of each other."""
    value: Any = LONG
    for level in range(depth):
        value = [value] if level % 2 else {LONG: value}
    return value


VALUES: dict[str, Any] = {
    "long": LONG,
    "a long list": [LONG] * 50,
    "nested": nested(90),
    "traversal": "../" * 50 + "etc/passwd",
    "another file": "file:///etc/passwd",
    "control characters": "a\0\x1b[31m\r\n\u2028\u202e\x85b",
    "half of a pair": "a\ud83d",
    "a huge number": 10**30,
    "a huge float": 1e308,
    "a negative number": -1,
    "an object": {"$ref": "#"},
    "an empty list": [],
    "an unknown id": "no-such-job",
}


@pytest.mark.parametrize("tool", SCHEMAS)
async def test_any_value_of_an_argument_gets_a_short_printable_answer(tool: str) -> None:
    required: dict[str, Any] = {"request_id": "no-such-job"}
    if tool == "join_clips":
        required = {"request_ids": ["no-such-job"] * 2}
    if tool == "generate_video":
        required = ARGUMENTS | {"wait_seconds": "0"}
    given = {} if tool == "list_jobs" else required
    async with open_client(local_files=True) as client:
        for name in [*SCHEMAS[tool]["properties"], "unknown"]:
            for what, value in VALUES.items():
                line = text(await client.call(tool, **(given | {name: value})))
                assert (len(line) < 900, " broke inside " in line) == (True, False), (name, what)
                assert all(part.isprintable() for part in line.split("\n")), (name, what)
        assert not (await client.call("list_jobs")).is_error
