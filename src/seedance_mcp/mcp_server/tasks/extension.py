"""The Tasks extension of revision 2026-07-28: a call that takes long is answered with a task.

This is the protocol alone: which client gets a task, what a task looks like on the wire, and which
error answers what. The `Work` behind it decides what a task is.
"""

from collections.abc import Awaitable, Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from re import fullmatch
from typing import Any, Literal, Protocol

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value

from seedance_mcp.errors import JobNotFound, SeedanceError
from seedance_mcp.jobs.job import REQUEST_ID_PATTERN
from seedance_mcp.mcp_server.apps.declared import shows_apps
from seedance_mcp.text import one_line

TASKS = "io.modelcontextprotocol/tasks"
"""The extension's identifier."""

REVISIONS = frozenset({"2026-07-28"})
"""The protocol revisions that allow a task as a result."""

TaskStatus = Literal["working", "input_required", "completed", "failed", "cancelled"]


class Task(types.Result):
    """The fields that every form of a task has.

    `failed` is for protocol errors only. `ttl_ms` counts from the creation, and
    `poll_interval_ms` is None if the task has ended.
    """

    task_id: str
    status: TaskStatus
    status_message: str | None = None
    created_at: datetime
    last_updated_at: datetime
    ttl_ms: int
    poll_interval_ms: int | None = None


class CreatedTask(Task):
    """The answer to a call in place of its result."""

    result_type: Literal["task"] = "task"


class TaskState(Task):
    """The answer to `tasks/get`; only a completed task has a result, and a failed one an error."""

    result_type: Literal["complete"] = "complete"
    result: types.CallToolResult | None = None
    error: types.ErrorData | None = None
    input_requests: dict[str, types.InputRequest] | None = None


class TaskParams(types.RequestParams):
    """The parameters of `tasks/get` and `tasks/cancel`."""

    task_id: str


class UpdateParams(TaskParams):
    """The parameters of `tasks/update`; answers to no question may have any form."""

    input_responses: dict[str, Any]


class Work(Protocol):
    """What tasks stand for, for one request.

    Every method but `begin` raises `JobNotFound` for an unknown task, and another `SeedanceError`
    if it cannot be looked up.
    """

    async def begin(self, params: types.CallToolRequestParams) -> types.Result:
        """Begin what a call asks for, and return a `CreatedTask` or the result."""
        ...

    async def state(self, task_id: str) -> TaskState:
        """Return where a task stands."""
        ...

    async def cancel(self, task_id: str) -> None:
        """Cancel a task, if possible."""

    async def update(self, task_id: str, answers: Mapping[str, Any]) -> None:
        """Use the client's answers, and ignore those that were not asked for."""


Context = ServerRequestContext[Any, Any]
Listen = Callable[
    [Context, types.SubscriptionsListenRequestParams], Awaitable[types.SubscriptionsListenResult]
]


class Tasks(Extension):
    """The extension: calls of `tools` may be answered with a task, those of `required` must be."""

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
        """Return the handlers of the requests about tasks."""
        return [
            MethodBinding("tasks/get", TaskParams, self._get),
            MethodBinding("tasks/cancel", TaskParams, self._cancel),
            MethodBinding("tasks/update", UpdateParams, self._update),
        ]

    async def intercept_tool_call(
        self, params: types.CallToolRequestParams, ctx: Context, call_next: CallNext
    ) -> HandlerResult:
        """Answer a call with a task if the client accepts one."""
        if params.name not in self._tools:
            return await call_next(ctx)
        capabilities = ctx.session.client_capabilities
        declared = capabilities and TASKS in (capabilities.extensions or {})
        required = params.name in self._required
        # A page in the chat would learn of a task only when that has ended.
        wanted = declared and (required or not shows_apps(ctx))
        # The Inspector declares the extension on older connections too.
        if wanted and ctx.protocol_version in REVISIONS:
            return await self._work(ctx).begin(params)
        if required:
            require_client_extension(ctx, TASKS)
        return await call_next(ctx)

    async def _get(self, ctx: Context, params: TaskParams) -> TaskState:
        with _checked(ctx, params.task_id):
            return await self._work(ctx).state(params.task_id)

    async def _cancel(self, ctx: Context, params: TaskParams) -> types.EmptyResult:
        with _checked(ctx, params.task_id):
            await self._work(ctx).cancel(params.task_id)
        return types.EmptyResult()

    async def _update(self, ctx: Context, params: UpdateParams) -> types.EmptyResult:
        with _checked(ctx, params.task_id):
            await self._work(ctx).update(params.task_id, params.input_responses)
        return types.EmptyResult()


async def checked_listen(
    listen: Listen, ctx: Context, params: types.SubscriptionsListenRequestParams
) -> types.SubscriptionsListenResult:
    """Refuse notifications about tasks to a client without the extension.

    A client with it is promised none either, and keeps polling: the SDK's bus cannot carry them,
    and its acknowledgement names no task.
    """
    if "taskIds" in (params.notifications.model_extra or {}):
        require_client_extension(ctx, TASKS)
    return await listen(ctx, params)


@contextmanager
def _checked(ctx: Context, task_id: str) -> Generator[None, None, None]:
    """Check a request about a task, and turn errors of ours into the protocol's."""
    if ctx.protocol_version not in REVISIONS:
        raise MCPError(types.METHOD_NOT_FOUND, "Method not found", ctx.method)
    require_client_extension(ctx, TASKS)
    # The SDK compares the header only for the protocol's own methods; over stdio there is none.
    named = ctx.request and decode_header_value(ctx.request.headers.get(MCP_NAME_HEADER))
    if ctx.request and named != task_id:
        raise MCPError(
            types.HEADER_MISMATCH, "The Mcp-Name header must be the taskId of the request."
        )
    unknown = f"Unknown task: {one_line(task_id)}"
    if not fullmatch(REQUEST_ID_PATTERN, task_id):
        raise MCPError(types.INVALID_PARAMS, unknown)
    try:
        yield
    except JobNotFound as error:
        raise MCPError(types.INVALID_PARAMS, unknown) from error
    except SeedanceError as error:
        raise MCPError(types.INTERNAL_ERROR, error.line) from error
