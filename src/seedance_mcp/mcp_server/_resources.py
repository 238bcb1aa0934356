"""What a client may read without calling a tool: the jobs, and the model's schema.

A job is read as `check_status` without waiting tells it: one that has ended from the ledger,
another one after asking the service once. Jobs are looked up under their owner, as for the tools.
"""

import json
from collections.abc import Mapping
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    EmptyResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    SubscribeRequestParams,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from seedance_mcp.clock import Clock
from seedance_mcp.errors import JobNotFound, SeedanceError
from seedance_mcp.jobs.job import Job
from seedance_mcp.models.model import JSONObject, Model
from seedance_mcp.service.service import Service
from seedance_mcp.text import one_line

from ._answers import job_answer, listing_answer
from ._resource_uris import JOB_TEMPLATE, JOBS_URI, MODEL_URI, request_id_of
from ._subscriptions import Subscriptions

RECENT_JOBS = 20

LEGACY_NOT_FOUND = -32002
"""The code of 2025-11-25 for a resource that is not there; the later revision took it back."""

JSON_TYPE = "application/json"

Context = ServerRequestContext[Service]


class Resources:
    """The resources of a server, and who wants to hear of their changes.

    Args:
        model: The model that clips are made with.
        clock: What time it is, for elapsed times.
    """

    def __init__(self, model: Model, clock: Clock) -> None:
        self.announcements = Subscriptions()
        self._model = model
        self._clock = clock

    async def list(self, _: Context, __: PaginatedRequestParams | None) -> ListResourcesResult:
        """List the resources whose names are known beforehand."""
        return ListResourcesResult(resources=[_model(self._model), _JOBS])

    async def list_templates(
        self, _: Context, __: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        """List the resources that are named by what they are about."""
        return ListResourceTemplatesResult(resource_templates=[_JOB])

    async def read(self, context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        """Read a resource.

        Raises:
            MCPError: There is no such resource, or it cannot be read now.
        """
        try:
            facts = await self._facts(context.lifespan_context, params.uri)
        except JobNotFound:
            raise _not_found(context, params.uri) from None
        except SeedanceError as error:
            raise MCPError(INTERNAL_ERROR, error.line) from error
        if facts is None:
            raise _not_found(context, params.uri)
        text = json.dumps(facts, ensure_ascii=False)
        return ReadResourceResult(
            contents=[TextResourceContents(uri=params.uri, mime_type=JSON_TYPE, text=text)]
        )

    async def subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        """Announce the changes of a resource to a client of 2025-11-25.

        Raises:
            MCPError: There is no such resource, or the ledger does not know the job.
        """
        request_id = request_id_of(params.uri)
        try:
            known = request_id and await context.lifespan_context.knows(request_id)
        except SeedanceError as error:
            raise MCPError(INTERNAL_ERROR, error.line) from error
        if not known and params.uri not in {JOBS_URI, MODEL_URI}:
            raise _not_found(context, params.uri)
        self.announcements.subscribe(context.session, params.uri)
        return EmptyResult()

    async def unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        """Announce the changes of a resource to a client of 2025-11-25 no longer."""
        self.announcements.unsubscribe(context.session, params.uri)
        return EmptyResult()

    async def _facts(self, service: Service, uri: str) -> Mapping[str, Any] | None:
        """Give what a resource says, None where there is no such resource."""
        if uri == MODEL_URI:
            return {"model_id": self._model.model_id, "input_schema": self._model.input_schema}
        if uri == JOBS_URI:
            listing = await service.jobs(status=None, limit=RECENT_JOBS)
            return listing_answer(listing).structure()
        request_id = request_id_of(uri)
        return await self._job_facts(service, request_id) if request_id else None

    async def _job_facts(self, service: Service, request_id: str) -> JSONObject:
        report = await service.status(request_id, wait_seconds=0, watch=_nobody)
        elapsed = report.job.elapsed_seconds(self._clock.now())
        return job_answer(report, elapsed_seconds=elapsed).structure()


_JOBS = Resource(
    uri=JOBS_URI,
    name="jobs",
    title="Recent jobs",
    description="The newest jobs with their request_ids, also from earlier chats.",
    mime_type=JSON_TYPE,
)

_JOB = ResourceTemplate(
    uri_template=JOB_TEMPLATE,
    name="job",
    title="A job",
    description="Where a job stands, as check_status tells it without waiting.",
    mime_type=JSON_TYPE,
)


def _model(model: Model) -> Resource:
    return Resource(
        uri=MODEL_URI,
        name="model",
        title="The model's schema",
        description=(
            f"What {model.model_id} takes, as RunComfy publishes it, with its rules for images."
        ),
        mime_type=JSON_TYPE,
    )


def _not_found(context: Context, uri: str) -> MCPError:
    """Say that there is no such resource, in the way of the client's protocol version."""
    modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
    code = INVALID_PARAMS if modern else LEGACY_NOT_FOUND
    return MCPError(code, f"Resource not found: {one_line(uri)}", {"uri": uri})


async def _nobody(job: Job, usual_seconds: float | None = None) -> None:
    """Watch nothing."""
    del job, usual_seconds
