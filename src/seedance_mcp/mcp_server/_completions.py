"""Completing what a user types: a request_id, from the ledger, the newest job first."""

from collections.abc import Sequence

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    Prompt,
    PromptReference,
    ResourceTemplateReference,
)

from seedance_mcp.errors import LedgerError, TokenMissing
from seedance_mcp.service.service import Service
from seedance_mcp.text import one_line

from ._resource_uris import JOB_TEMPLATE

REQUEST_ID = "request_id"

NEWEST_JOBS = 1_000
MOST_VALUES = 100
"""How many jobs an id is completed from, and how many values MCP lets through."""


class Completions:
    """What can be completed: an argument of the template of jobs, or of a prompt.

    Args:
        prompts: The prompts that are offered.
    """

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self._prompts = prompts

    async def complete(
        self, context: ServerRequestContext[Service], params: CompleteRequestParams
    ) -> CompleteResult:
        """Complete an argument; one that is not a request_id is the user's own to write.

        Raises:
            MCPError: There is no such template, prompt or argument.
        """
        name = params.argument.name
        if name not in self._arguments(params.ref):
            raise MCPError(INVALID_PARAMS, f"Unknown argument: {one_line(name)}")
        if name != REQUEST_ID:
            return CompleteResult(completion=Completion(values=[], total=0, has_more=False))
        return CompleteResult(
            completion=await _request_ids(context.lifespan_context, params.argument.value)
        )

    def _arguments(self, ref: ResourceTemplateReference | PromptReference) -> list[str]:
        """Name the arguments of what is referred to."""
        if isinstance(ref, ResourceTemplateReference):
            if ref.uri == JOB_TEMPLATE:
                return [REQUEST_ID]
            raise MCPError(INVALID_PARAMS, f"Unknown resource template: {one_line(ref.uri)}")
        for prompt in self._prompts:
            if prompt.name == ref.name:
                return [argument.name for argument in prompt.arguments or []]
        raise MCPError(INVALID_PARAMS, f"Unknown prompt: {one_line(ref.name)}")


async def _request_ids(service: Service, beginning: str) -> Completion:
    """Give the newest ids that begin so; none where they cannot be had, as nothing hangs on it."""
    try:
        page = await service.known(limit=NEWEST_JOBS)
    except (LedgerError, TokenMissing):
        return Completion(values=[], total=0, has_more=False)
    ids = [job.request_id for job in page.jobs if job.request_id]
    fitting = [request_id for request_id in ids if request_id.startswith(beginning)]
    all_seen = page.total <= NEWEST_JOBS
    return Completion(
        values=fitting[:MOST_VALUES],
        total=len(fitting) if all_seen else None,
        has_more=len(fitting) > MOST_VALUES or not all_seen,
    )
