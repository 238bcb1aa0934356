"""The tools that the suite's task scenarios call, on a server of their own.

Behind them is the extension that the real server has, and a real ledger: a task is a job in it.
What differs is the work, which is a pause in the place of a clip.
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
"""How long a tool's work takes that does not say so itself."""

QUESTIONS = {"confirm_delete": ("confirm",), "multi_input": ("name", "place")}
"""What a tool asks the client while its task is under way."""

REQUIRED = {
    "failing_job",
    "protocol_error_job",
    "confirm_delete",
    "multi_input",
    "test_tool_with_task",
}
"""The tools that can only be answered with a task."""

KEPT = timedelta(days=1)
PER_HOUR = 10_000


@dataclass(frozen=True, kw_only=True)
class Fixtures:
    """The jobs of the tools, as the work behind tasks.

    Attributes:
        store: The ledger.
        owner: Whose jobs they are.
        forms: How a job is told as a task.
        running: Where the work is done.
        asked: What the client has not answered yet, by task.
    """

    store: SqliteStore
    owner: str
    forms: TaskForms
    running: TaskGroup
    asked: dict[str, dict[str, InputRequest]] = field(
        default_factory=dict[str, dict[str, InputRequest]]
    )

    async def begin(self, params: CallToolRequestParams) -> Result:
        """Begin a tool's work; one of them has a question that comes before its task."""
        arguments = {"tool": params.name, **(params.arguments or {})}
        if params.name == "test_tool_with_task":
            if not params.input_responses:
                return InputRequiredResult(input_requests={"user_name": question("name")})
            arguments["answers"] = {
                key: answer.model_dump(mode="json")
                for key, answer in params.input_responses.items()
            }
        job = await self._begun(arguments)
        questions = QUESTIONS.get(params.name)
        if questions:
            self.asked[job.id] = {name: question(name) for name in questions}
        else:
            self.running.start_soon(self._work, job)
        return self.forms.created(JobReport(job=job))

    async def state(self, task_id: str) -> TaskState:
        """Tell where a task stands."""
        job = await self._job(task_id)
        state = self.forms.state(JobReport(job=job), answer(job))
        if asked := self.asked.get(task_id):
            return state.model_copy(update={"status": "input_required", "input_requests": asked})
        if job.status is Status.FAILED and job.arguments["tool"] == "protocol_error_job":
            error = ErrorData(code=INTERNAL_ERROR, message="The call broke.")
            return state.model_copy(update={"status": "failed", "result": None, "error": error})
        return state

    async def cancel(self, task_id: str) -> None:
        """Cancel a task; one that has ended stays as it is."""
        job = await self._job(task_id)
        self.asked.pop(task_id, None)
        await self._observe(job, Cancelled())

    async def update(self, task_id: str, answers: Mapping[str, Any]) -> None:
        """Take the client's answers; with the last one, the work goes on."""
        job = await self._job(task_id)
        asked = self.asked.get(task_id, {})
        for name in set(asked) & set(answers):
            del asked[name]
        if task_id in self.asked and not asked:
            del self.asked[task_id]
            self.running.start_soon(self._work, job)

    async def _begun(self, arguments: dict[str, Any]) -> Job:
        job = Job(
            id=(task_id := uuid4().hex),
            request_id=task_id,
            arguments=arguments,
            owner=self.owner,
            created_at=self.forms.clock.now(),
            status=Status.IN_PROGRESS,
        )
        limits = SpendingLimits(jobs_per_hour=PER_HOUR)
        return await self.store.begin(job, force_new=True, delivered_ids=(), limits=limits)

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
    """Say what came of a job."""
    told = job.error or f"Done: {dict(job.arguments)}"
    text = TextContent(type="text", text=told)
    return CallToolResult(content=[text], is_error=job.status is Status.FAILED)


def question(name: str) -> ElicitRequest:
    """Ask the client for one thing."""
    schema = {"type": "object", "properties": {name: {"type": "string"}}}
    params = ElicitRequestFormParams(message=f"Please give the {name}.", requested_schema=schema)
    return ElicitRequest(params=params)


async def serve() -> None:
    """Serve the tools over HTTP, on this machine only, until the process is ended."""
    around = Clock(random=random)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(SqliteStore(Path(folder), around, history=KEPT)) as store,
        socket.create_server(("127.0.0.1", 0)) as listening,
    ):
        owner = await store.owner("nobody's")
        async with anyio.create_task_group() as running:
            forms = TaskForms(clock=around, kept=KEPT)
            work = Fixtures(store=store, owner=owner, forms=forms, running=running)
            config = uvicorn.Config(build_server(work).streamable_http_app(), log_config=None)
            say(f"Serving on http://127.0.0.1:{listening.getsockname()[1]}/mcp")
            await uvicorn.Server(config).serve([listening])
            running.cancel_scope.cancel()


def build_server(work: Fixtures) -> MCPServer:
    """Put the server together, on the SDK's own high-level one."""
    tasks = Tasks(lambda _: work, tools={"slow_compute", *REQUIRED}, required=REQUIRED)
    server = MCPServer("task fixtures", extensions=[tasks])
    server.add_tool(greet)
    server.add_tool(slow_compute)
    for name in sorted(REQUIRED):
        server.add_tool(only_as_task, name=name)
    return server


async def greet(name: str) -> str:
    """Greet somebody, at once."""
    return f"Hello, {name}!"


async def slow_compute(seconds: float, label: str) -> str:
    """Take so many seconds."""
    await anyio.sleep(seconds)
    return f"Done: {label}"


async def only_as_task() -> str:
    """Take long; a client that takes no tasks never gets here."""
    raise NotImplementedError


if __name__ == "__main__":
    anyio.run(serve)
