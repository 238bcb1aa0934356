"""Completes a `request_id` from the ledger, the newest job first, and words of ours."""

from collections.abc import Mapping, Sequence

import mcp_types as types
from mcp.shared.exceptions import MCPError

from seedance_mcp.errors import SeedanceError
from seedance_mcp.jobs.status import Status
from seedance_mcp.text import one_line

from ._film import COMMON_SECONDS
from ._lazy_service import Context, service_of
from ._resource_uris import GALLERY_TEMPLATE, JOB_TEMPLATE

REQUEST_ID = "request_id"
WORDS: Mapping[str, Sequence[str]] = {"seconds": COMMON_SECONDS, "status": [*Status]}
"""By the name of an argument, values that stand here."""

TEMPLATES = {JOB_TEMPLATE: [REQUEST_ID], GALLERY_TEMPLATE: ["page", "status", "words"]}
"""By the template of a resource, its variables."""

MOST_JOBS = 1_000
"""How many of the newest jobs are searched."""

MOST_VALUES = 100
"""How many values MCP allows in one answer."""


async def complete(
    prompts: Sequence[types.Prompt], context: Context, params: types.CompleteRequestParams
) -> types.CompleteResult:
    """Return the values of a `request_id`, of a film's length or of a status; others have none."""
    name = params.argument.name
    if name not in _arguments(prompts, params.ref):
        raise MCPError(types.INVALID_PARAMS, f"Unknown argument: {one_line(name)}")
    found = types.Completion(values=[], total=0, has_more=False)
    if name == REQUEST_ID:
        found = await _request_ids(context, params.argument.value)
    elif name in WORDS:
        fitting = [each for each in WORDS[name] if each.startswith(params.argument.value)]
        found = types.Completion(values=fitting, total=len(fitting), has_more=False)
    return types.CompleteResult(completion=found)


def _arguments(
    prompts: Sequence[types.Prompt], ref: types.ResourceTemplateReference | types.PromptReference
) -> list[str]:
    if isinstance(ref, types.ResourceTemplateReference):
        if ref.uri in TEMPLATES:
            return TEMPLATES[ref.uri]
        raise MCPError(types.INVALID_PARAMS, f"Unknown resource template: {one_line(ref.uri)}")
    for prompt in prompts:
        if prompt.name == ref.name:
            return [argument.name for argument in prompt.arguments or []]
    raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {one_line(ref.name)}")


async def _request_ids(context: Context, beginning: str) -> types.Completion:
    """Return the newest ids with a beginning, none if the ledger cannot be read."""
    try:
        service = await service_of(context)
        page = await service.store.recent(service.tracker.owner, limit=MOST_JOBS)
    except SeedanceError:
        return types.Completion(values=[], total=0, has_more=False)
    ids = [job.request_id for job in page.jobs if job.request_id]
    matching = [request_id for request_id in ids if request_id.startswith(beginning)]
    # Older jobs may match too, and then the number of matches is unknown.
    all_seen = page.total <= MOST_JOBS
    return types.Completion(
        values=matching[:MOST_VALUES],
        total=len(matching) if all_seen else None,
        has_more=len(matching) > MOST_VALUES or not all_seen,
    )
