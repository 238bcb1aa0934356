"""A client that knows the Tasks extension: it claims tasks, polls them, and sends raw requests."""

from collections.abc import Sequence
from typing import Any, Literal

import anyio
from mcp import Client
from mcp.client import ClientSession
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Request, Result
from pydantic import RootModel

TASKS = "io.modelcontextprotocol/tasks"
MISSING: dict[str, Any] = {"requiredCapabilities": {"extensions": {TASKS: {}}}}
"""The data of the error -32021: the missing capability."""


class TaskAnswer(Result, extra="allow"):
    """An answer with the result type `task`, as received."""

    result_type: Literal["task"]
    task_id: str
    poll_interval_ms: int

    def wire(self) -> dict[str, Any]:
        """Return the answer as received, without what the SDK adds."""
        return self.model_dump(by_alias=True, exclude={"meta"})


class TaskRequest(Request[dict[str, Any], str]):
    """A request about a task; over HTTP the header Mcp-Name repeats the task's id."""

    name_param = "taskId"


class Wire(RootModel[dict[str, Any]]):
    """A result as received."""


class TaskPolling(ClientExtension):
    """An extension of the client that polls tasks to their end, and keeps every answer."""

    identifier = TASKS

    def __init__(self) -> None:
        self.created: list[TaskAnswer] = []
        self.states: list[dict[str, Any]] = []

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=TaskAnswer, resolve=self._resolve)]

    async def _resolve(self, created: TaskAnswer, context: ClaimContext) -> CallToolResult:
        self.created.append(created)
        state: dict[str, Any] = created.wire()
        while state["status"] == "working":
            await anyio.sleep(state["pollIntervalMs"] / 1000)
            state = await ask_about_task(context.session, "get", created.task_id)
            self.states.append(state)
        assert state["status"] == "completed"
        return CallToolResult.model_validate(state["result"])


async def start_task(client: Client, arguments: dict[str, Any]) -> TaskAnswer:
    """Call generate_video, which must answer with a task, and do not wait for the task."""
    answer = await client.session.call_tool("generate_video", arguments, allow_claimed=True)
    assert isinstance(answer, TaskAnswer), answer
    return answer


async def ask_about_task(
    session: ClientSession, verb: str, task_id: str, **params: Any
) -> dict[str, Any]:
    """Send a request about a task, and return its result as received, without `_meta`."""
    request = TaskRequest(method=f"tasks/{verb}", params={"taskId": task_id, **params})
    answer = (await session.send_request(request, Wire)).root
    assert answer.pop("_meta")["io.modelcontextprotocol/serverInfo"]["name"] == "seedance-mcp"
    return answer


async def refused_request(session: ClientSession, verb: str, task_id: str) -> tuple[int, str, Any]:
    """Send a request about a task that must fail, and return code, message and data."""
    params: dict[str, Any] = {"inputResponses": {}} if verb == "update" else {}
    try:
        answer = await ask_about_task(session, verb, task_id, **params)
    except MCPError as error:
        return error.code, error.message, error.data
    raise AssertionError(answer)
