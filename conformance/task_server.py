"""A server with the tools that the suite's Tasks scenarios call.

It has the real server's extension and a real ledger, in which each task is a job. Only the work
differs: a pause instead of a clip.
"""

import socket
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import random
from typing import Any
from uuid import uuid4

import anyio
import uvicorn
from anyio.abc import TaskGroup
from mcp.server import MCPServer
from mcp_types import (
    INTERNAL_ERROR,
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ErrorData,
    InputRequest,
    InputRequiredResult,
    Result,
    TextContent,
)

from seedance_mcp.clock import Clock
from seedance_mcp.errors import JobNotFound
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Cancelled, Failed, Observation, Outputs, Status, Succeeded
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.mcp_server.tasks.extension import Tasks, TaskState
from seedance_mcp.mcp_server.tasks.job_tasks import TaskForms
from seedance_mcp.service.reports import JobReport
from seedance_mcp.spending.limits import SpendingLimits

from .common import say

SECONDS = {"failing_job": 1.0}
"""How long the work of a tool takes without an argument `seconds`, if not 0."""

QUESTIONS = {"confirm_delete": ("confirm",), "multi_input": ("name", "place")}
"""What a tool asks the client for while its task runs."""

REQUIRED = {
    "failing_job",
    "protocol_error_job",
    "confirm_delete",
    "multi_input",
    "test_tool_with_task",
}
"""The tools that can be answered only with a task."""

KEPT = timedelta(days=1)
PER_HOUR = 10_000


@dataclass(frozen=True, kw_only=True)
class Fixtures:
    """The work behind the tasks: jobs in a ledger.

    Attributes:
        store: The ledger.
        owner: The owner of all jobs.
        forms: Turns a job into a task.
        running: Runs the work.
        asked: The questions that the client has not answered yet, by task.
    """

    store: SqliteStore
    owner: str
    forms: TaskForms
    running: TaskGroup
    asked: dict[str, dict[str, InputRequest]] = field(
        default_factory=dict[str, dict[str, InputRequest]]
    )

    async def begin(self, params: CallToolRequestParams) -> Result:
        """Start the work of a tool; `test_tool_with_task` asks a question before its task."""
        arguments = {"tool": params.name, **(params.arguments or {})}
        if params.name == "test_tool_with_task":
            if not params.input_responses:
                return InputRequiredResult(input_requests={"user_name": question("name")})
            arguments["answers"] = {
                key: answer.model_dump(mode="json")
                for key, answer in params.input_responses.items()
            }
        job = await self._start(arguments)
        questions = QUESTIONS.get(params.name)
        if questions:
            self.asked[job.id] = {name: question(name) for name in questions}
        else:
            self.running.start_soon(self._work, job)
        return self.forms.created(JobReport(job=job))

    async def state(self, task_id: str) -> TaskState:
        """Return the state of a task."""
        job = await self._job(task_id)
        state = self.forms.state(JobReport(job=job), answer(job))
        if asked := self.asked.get(task_id):
            return state.model_copy(update={"status": "input_required", "input_requests": asked})
        if job.status is Status.FAILED and job.arguments["tool"] == "protocol_error_job":
            error = ErrorData(code=INTERNAL_ERROR, message="The call broke.")
            return state.model_copy(update={"status": "failed", "result": None, "error": error})
        return state

    async def cancel(self, task_id: str) -> None:
        """Cancel a task that has not ended."""
        job = await self._job(task_id)
        self.asked.pop(task_id, None)
        await self._observe(job, Cancelled())

    async def update(self, task_id: str, answers: Mapping[str, Any]) -> None:
        """Accept answers of the client; the last one starts the work."""
        job = await self._job(task_id)
        asked = self.asked.get(task_id, {})
        for name in set(asked) & set(answers):
            del asked[name]
        if task_id in self.asked and not asked:
            del self.asked[task_id]
            self.running.start_soon(self._work, job)

    async def _start(self, arguments: dict[str, Any]) -> Job:
        job = Job(
            id=(task_id := uuid4().hex),
            request_id=task_id,
            arguments=arguments,
            owner=self.owner,
            created_at=self.forms.clock.now(),
            status=Status.IN_PROGRESS,
        )
        limits = SpendingLimits(jobs_per_hour=PER_HOUR)
        return await self.store.begin(job, reuse_since=None, limits=limits)

    async def _job(self, task_id: str) -> Job:
        job = await self.store.find(task_id, self.owner)
        if job is None:
            raise JobNotFound("There is no such job.")
        return job

    async def _work(self, job: Job) -> None:
        tool = job.arguments["tool"]
        await anyio.sleep(job.arguments.get("seconds", SECONDS.get(tool, 0.0)))
        broken = tool in {"failing_job", "protocol_error_job"}
        await self._observe(
            job, Failed(error="It failed.") if broken else Succeeded(outputs=Outputs())
        )

    async def _observe(self, job: Job, seen: Observation) -> None:
        await self.store.observe(job, seen, self.forms.clock.now())


def answer(job: Job) -> CallToolResult:
    """Return the result of a job."""
    outcome = job.error or f"Done: {dict(job.arguments)}"
    text = TextContent(type="text", text=outcome)
    return CallToolResult(content=[text], is_error=job.status is Status.FAILED)


def question(name: str) -> ElicitRequest:
    """Return a question to the client, for one text."""
    schema = {"type": "object", "properties": {name: {"type": "string"}}}
    params = ElicitRequestFormParams(message=f"Please give the {name}.", requested_schema=schema)
    return ElicitRequest(params=params)


async def serve() -> None:
    """Serve the tools over HTTP, on this machine only, until the process ends."""
    clock = Clock(random=random)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(SqliteStore(Path(folder), clock, origin="o", history=KEPT)) as store,
        socket.create_server(("127.0.0.1", 0)) as listening,
    ):
        async with anyio.create_task_group() as running:
            forms = TaskForms(clock=clock, kept=KEPT)
            work = Fixtures(store=store, owner="o", forms=forms, running=running)
            config = uvicorn.Config(build_server(work).streamable_http_app(), log_config=None)
            say(f"Serving on http://127.0.0.1:{listening.getsockname()[1]}/mcp")
            await uvicorn.Server(config).serve([listening])
            running.cancel_scope.cancel()


def build_server(work: Fixtures) -> MCPServer:
    """Return the server, built on the SDK's high-level one."""
    tasks = Tasks(lambda _: work, tools={"slow_compute", *REQUIRED}, required=REQUIRED)
    server = MCPServer("task fixtures", extensions=[tasks])
    server.add_tool(greet)
    server.add_tool(slow_compute)
    for name in sorted(REQUIRED):
        server.add_tool(only_as_task, name=name)
    return server


async def greet(name: str) -> str:
    """Greet at once."""
    return f"Hello, {name}!"


async def slow_compute(seconds: float, label: str) -> str:
    """Take some seconds."""
    await anyio.sleep(seconds)
    return f"Done: {label}"


async def only_as_task() -> str:
    """Stand for a tool that is rejected before it runs if the client declares no tasks."""
    raise NotImplementedError


if __name__ == "__main__":
    anyio.run(serve)
