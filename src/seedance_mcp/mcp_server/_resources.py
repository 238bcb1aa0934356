"""What a client can read without calling a tool: the jobs, the models' schemas, and our pages.

Reading a job is `check_status` without waiting: from the ledger if the job has ended, else after
asking RunComfy once. As for the tools, an owner sees only their own jobs.
"""

import json
from collections.abc import Sequence
from contextlib import suppress

import anyio
import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from seedance_mcp.errors import InputError, JobNotFound, SeedanceError
from seedance_mcp.models.model import JSONObject, Model
from seedance_mcp.service.reports import ignore
from seedance_mcp.spending.pricing import to_usd
from seedance_mcp.text import one_line

from ._answers import job_answer, listing_answer
from ._lazy_service import Context, service_of
from ._resource_uris import (
    GALLERY_TEMPLATE,
    JOB_TEMPLATE,
    JOBS_URI,
    MODEL_URI,
    gallery_query_of,
    model_uri,
    request_id_of,
)
from ._subscriptions import Subscriptions, owner_of
from .apps.page_resources import Pages, read

MOST_LISTED_JOBS = 20

MOST_CHARACTERS = 256
"""How much of an unknown URI is repeated; ours are shorter."""

LEGACY_NOT_FOUND = -32002
"""The error code of 2025-11-25 for an unknown resource, which 2026-07-28 withdrew."""

PRICE_SECONDS = 2.0
"""How long reading a model waits for its price, which is left out if it is not known by then."""

JSON_TYPE = "application/json"


class Resources:
    """The resources of a server, and the subscriptions to them.

    Attributes:
        pages: What hosts show in the chat.
    """

    def __init__(self, models: Sequence[Model], pages: Pages) -> None:
        self.subscriptions = Subscriptions()
        self.pages = pages
        first, *further = models
        self._models = {MODEL_URI: first} | {model_uri(m.short_name): m for m in further}

    async def list(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """Return the resources with a fixed URI."""
        jobs = types.Resource(
            uri=JOBS_URI,
            name="jobs",
            title="Recent jobs",
            description="The newest jobs with their request_ids, from earlier chats too.",
            mime_type=JSON_TYPE,
        )
        models = [_listed_model(uri, model) for uri, model in self._models.items()]
        return types.ListResourcesResult(resources=[*models, jobs, *self.pages.list()])

    async def list_templates(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """Return the templates of the resources that are jobs, and pages of the gallery."""
        job = types.ResourceTemplate(
            uri_template=JOB_TEMPLATE,
            name="job",
            title="A job",
            description="Where a job stands, as check_status answers without waiting.",
            mime_type=JSON_TYPE,
        )
        gallery = types.ResourceTemplate(
            uri_template=GALLERY_TEMPLATE,
            name="gallery",
            title="A page of the gallery",
            description=(
                "Jobs with small JPEGs, newest first, as the gallery in the chat shows them: those"
                " with a status, and with all words in their prompts."
            ),
            mime_type=JSON_TYPE,
        )
        return types.ListResourceTemplatesResult(resource_templates=[job, gallery])

    async def read(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """Return a page, or another resource as JSON."""
        if page := self.pages.find(params.uri):
            return read(page, params.uri)
        try:
            facts = await self._facts(context, params.uri)
        except JobNotFound:
            raise _not_found(context, params.uri) from None
        except InputError as error:
            raise MCPError(types.INVALID_PARAMS, error.message) from error
        except SeedanceError as error:
            raise MCPError(types.INTERNAL_ERROR, error.line) from error
        text = json.dumps(facts, ensure_ascii=False)
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=params.uri, mime_type=JSON_TYPE, text=text)]
        )

    async def subscribe(
        self, context: Context, params: types.SubscribeRequestParams
    ) -> types.EmptyResult:
        """Notify a client of 2025-11-25 of a known resource's changes from now on."""
        known = params.uri in {JOBS_URI, *self._models} or self.pages.find(params.uri) is not None
        if request_id := request_id_of(params.uri):
            try:
                service = await service_of(context)
                known = await service.tracker.find(request_id) is not None
            except JobNotFound:
                known = False
            except SeedanceError as error:
                raise MCPError(types.INTERNAL_ERROR, error.line) from error
        if not known:
            raise _not_found(context, params.uri)
        owner = await owner_of(context)
        self.subscriptions.subscribe(context.session, params.uri, owner)
        return types.EmptyResult()

    async def unsubscribe(
        self, context: Context, params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        """Stop notifying a client of 2025-11-25 of a resource's changes."""
        self.subscriptions.unsubscribe(context.session, params.uri)
        return types.EmptyResult()

    async def _facts(self, context: Context, uri: str) -> JSONObject:
        if model := self._models.get(uri):
            facts = {"model_id": model.model_id, "input_schema": model.input_schema}
            return facts | await _price(context, model)
        if query := gallery_query_of(uri):
            service = await service_of(context)
            return await service.gallery_page(query)
        request_id = request_id_of(uri)
        if request_id is None and uri != JOBS_URI:
            raise _not_found(context, uri)
        service = await service_of(context)
        if request_id is None:
            listing = await service.list_jobs(status=None, limit=MOST_LISTED_JOBS)
            return listing_answer(listing).structure()
        await service.tracker.acknowledge(request_id)
        report = await service.status(request_id, wait_seconds=0, watch=ignore)
        await service.tracker.note_told(report.job)
        return job_answer(report, service.clock.now()).structure()


async def _price(context: Context, model: Model) -> JSONObject:
    """Return what a model costs, as far as that can be known soon."""
    price = None
    with suppress(SeedanceError), anyio.move_on_after(PRICE_SECONDS):
        service = await service_of(context)
        price = await service.catalogue.price(model)
    if price is None:
        return {}
    unit = "clip" if price.seconds is None else "second"
    facts: JSONObject = {"price": {"usd": float(price.usd), "unit": unit}}
    cost = price.estimate_default(model)
    return facts if cost is None else facts | {"estimated_cost_usd": to_usd(cost)}


def _listed_model(uri: str, model: Model) -> types.Resource:
    return types.Resource(
        uri=uri,
        name="model" if uri == MODEL_URI else f"model {model.short_name}",
        title="The model's schema",
        description=(
            f"The input schema of {model.model_id} as RunComfy publishes it, with its rules for"
            " images, and what a clip costs, where that is known."
        ),
        mime_type=JSON_TYPE,
    )


def _not_found(context: Context, uri: str) -> MCPError:
    modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
    code = types.INVALID_PARAMS if modern else LEGACY_NOT_FOUND
    return MCPError(code, f"Resource not found: {one_line(uri)}", {"uri": uri[:MOST_CHARACTERS]})
