"""The Tasks extension of the 2026-07-28 revision: a call that takes long is answered with a task.

This is the protocol and nothing else: who may be given a task, what one looks like on the wire,
and which error answers what. What a task stands for is the matter of a `Work`.
"""

from collections.abc import Awaitable, Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from re import fullmatch
from typing import Any, Literal, Protocol

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    CallToolRequestParams,
    CallToolResult,
    EmptyResult,
    ErrorData,
    InputRequest,
    RequestParams,
    Result,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)

from seedance_mcp.errors import JobNotFound, SeedanceError
from seedance_mcp.jobs.job import REQUEST_ID_PATTERN
from seedance_mcp.text import one_line

TASKS = "io.modelcontextprotocol/tasks"
"""The extension's identifier."""

REVISIONS = frozenset({"2026-07-28"})
"""The protocol revisions in which a task is an answer; elsewhere it would be an invalid result."""

TaskStatus = Literal["working", "input_required", "completed", "failed", "cancelled"]


class Task(Result):
    """What every form of a task tells.

    Attributes:
        task_id: Its id.
        status: Where it stands; `failed` is for errors of the protocol alone.
        status_message: The same for a person, in a line.
        created_at: When it was begun.
        last_updated_at: When it was last looked at, or when it ended.
        ttl_ms: How long after its creation it can be had, in milliseconds.
        poll_interval_ms: When to ask again, in milliseconds; None where it has ended.
    """

    task_id: str
    status: TaskStatus
    status_message: str | None = None
    created_at: datetime
    last_updated_at: datetime
    ttl_ms: int
    poll_interval_ms: int | None = None


class CreatedTask(Task):
    """What answers a call in the place of its result."""

    result_type: Literal["task"] = "task"


class TaskState(Task):
    """What answers tasks/get.

    Attributes:
        result: What the call would have been answered with; only of one that is completed.
        error: What error it would have been answered with; only of one that failed.
        input_requests: What the client is asked, by the key of its answer.
    """

    result_type: Literal["complete"] = "complete"
    result: CallToolResult | None = None
    error: ErrorData | None = None
    input_requests: dict[str, InputRequest] | None = None


class TaskParams(RequestParams):
    """What tasks/get and tasks/cancel are asked with."""

    task_id: str


class UpdateParams(TaskParams):
    """What tasks/update is asked with; answers that nobody waits for may have any form."""

    input_responses: dict[str, Any]


class Work(Protocol):
    """What is done behind tasks, seen from one request.

    Every method but `begin` raises `JobNotFound` where there is no such task, and another
    `SeedanceError` where that cannot be told.
    """

    async def begin(self, params: CallToolRequestParams) -> Result:
        """Begin what a call asks for: a `CreatedTask`, or what answers the call at once."""
        ...

    async def state(self, task_id: str) -> TaskState:
        """Tell where a task stands."""
        ...

    async def cancel(self, task_id: str) -> None:
        """Cancel a task, if it can be."""
        ...

    async def update(self, task_id: str, answers: Mapping[str, Any]) -> None:
        """Take the client's answers, leaving out those that nobody waits for."""
        ...


Context = ServerRequestContext[Any, Any]
Listen = Callable[[Context, SubscriptionsListenRequestParams], Awaitable[SubscriptionsListenResult]]


class Tasks(Extension):
    """The extension, for a server of the SDK's.

    Args:
        work: Gives what is done behind tasks, for one request.
        tools: The tools whose calls may be answered with a task.
        required: Those of them that can be answered in no other way.
    """

    identifier = TASKS

    def __init__(
        self,
        work: Callable[[Context], Work],
        *,
        tools: Collection[str],
        required: Collection[str] = (),
    ) -> None:
        self._work = work
        self._tools = tools
        self._required = required

    def methods(self) -> Sequence[MethodBinding]:
        """Give the requests about tasks."""
        return [
            MethodBinding("tasks/get", TaskParams, self._get),
            MethodBinding("tasks/cancel", TaskParams, self._cancel),
            MethodBinding("tasks/update", UpdateParams, self._update),
        ]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: Context, call_next: CallNext
    ) -> HandlerResult:
        """Answer a call with a task where the client takes one, and as ever where it does not."""
        if params.name not in self._tools:
            return await call_next(ctx)
        # The Inspector declares the extension on older connections too.
        if ctx.protocol_version in REVISIONS and _declares(ctx):
            return await self._work(ctx).begin(params)
        if params.name in self._required:
            require_client_extension(ctx, TASKS)
        return await call_next(ctx)

    async def _get(self, ctx: Context, params: TaskParams) -> TaskState:
        with _checked(ctx, params.task_id):
            return await self._work(ctx).state(params.task_id)

    async def _cancel(self, ctx: Context, params: TaskParams) -> EmptyResult:
        with _checked(ctx, params.task_id):
            await self._work(ctx).cancel(params.task_id)
        return EmptyResult()

    async def _update(self, ctx: Context, params: UpdateParams) -> EmptyResult:
        with _checked(ctx, params.task_id):
            await self._work(ctx).update(params.task_id, params.input_responses)
        return EmptyResult()


def listening(listen: Listen) -> Listen:
    """Refuse notifications about tasks to a client that does not know tasks.

    To one that does nothing is promised: the SDK's bus carries no such notification, and what its
    handler acknowledges names no task, so that the client goes on polling.

    Args:
        listen: Serves subscriptions/listen.
    """

    async def checked(
        ctx: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        if "taskIds" in (params.notifications.model_extra or {}):
            require_client_extension(ctx, TASKS)
        return await listen(ctx, params)

    return checked


def _declares(ctx: Context) -> bool:
    """Tell whether the client of a request takes tasks."""
    capabilities = ctx.session.client_capabilities
    return capabilities is not None and TASKS in (capabilities.extensions or {})


@contextmanager
def _checked(ctx: Context, task_id: str) -> Generator[None, None, None]:
    """See that a request about a task may be made, and answer errors as the protocol has it.

    Raises:
        MCPError: The revision has no such request, the client takes no tasks, the header names
            another one, there is no such task, or it cannot be told.
    """
    if ctx.protocol_version not in REVISIONS:
        raise MCPError(METHOD_NOT_FOUND, "Method not found", ctx.method)
    require_client_extension(ctx, TASKS)
    # The SDK compares the header for the protocol's own methods only. Pipes have none.
    named = ctx.request and decode_header_value(ctx.request.headers.get(MCP_NAME_HEADER))
    if ctx.request and named != task_id:
        raise MCPError(HEADER_MISMATCH, "The Mcp-Name header must be the taskId of the request.")
    unknown = f"Unknown task: {one_line(task_id)}"
    if not fullmatch(REQUEST_ID_PATTERN, task_id):
        raise MCPError(INVALID_PARAMS, unknown)
    try:
        yield
    except JobNotFound as error:
        raise MCPError(INVALID_PARAMS, unknown) from error
    except SeedanceError as error:
        raise MCPError(INTERNAL_ERROR, error.line) from error
