"""Everything that a server lists can be asked about a job, by whoever asks.

What can be asked is read from the server itself: a new tool, resource, prompt or method has to be
added here.
"""

from collections.abc import Callable, Iterator
from typing import Any

from tests.support.callers import Answer, Asker, Job, Request
from tests.support.client import ARGUMENTS

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"

Ask = Callable[[Job], Iterator[dict[str, Any]]]


def continued(job: Job) -> Iterator[dict[str, Any]]:
    """Yield calls that continue a job, and one that asks for the very same clip."""
    (image,) = (name for name in ARGUMENTS if "image" in name)
    for which in ("last", "first"):
        frame = f"seedance://jobs/{job.request_id}/{which}-frame"
        yield {"prompt": "Go on.", image: frame, "wait_seconds": 0}
        yield {"prompt": "Go on.", image: frame, "dry_run": True}
    yield {**job.arguments, "dry_run": True}


def named(job: Job, *more: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from ({"request_id": job.request_id, **each} for each in ({}, *more))


TOOLS: dict[str, Ask] = {
    "generate_video": continued,
    "check_status": lambda job: named(job, {"wait_seconds": 0}, {"wait_seconds": 2}),
    "get_result": lambda job: named(job, {"download": True}),
    "cancel_job": named,
    "list_jobs": lambda _: iter([{}, {"limit": 100}, {"status": "completed"}]),
    # It is not offered over HTTP, and must not answer there.
    "join_clips": lambda job: iter([{"request_ids": [job.request_id] * 2}]),
}

TEMPLATES: dict[str, Callable[[Job], list[str]]] = {
    "seedance://jobs/{request_id}": lambda job: [f"seedance://jobs/{job.request_id}"],
    "seedance://gallery/{page}{?status,words}": lambda _: [
        "seedance://gallery/1",
        "seedance://gallery/2?words=mist",
        "seedance://gallery/1?status=completed&words=the%20mist",
    ],
}

PROMPTS: dict[str, dict[str, str]] = {
    "animate_image": {"image": "https://images.example/lake.jpg", "idea": "Mist."},
    "film": {"idea": "Mist.", "seconds": "10"},
}


class Surface:
    """What can be asked of a server, as it lists that itself."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    async def _list(self, method: str, field: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = (await self._asker.ask(method, {})).body["result"][field]
        return listed

    async def read(self) -> None:
        tools = await self._list("tools/list", "tools")
        self.definitions = {tool["name"]: tool for tool in tools}
        self.tools = [*self.definitions]
        self.resources = [one["uri"] for one in await self._list("resources/list", "resources")]
        templates = await self._list("resources/templates/list", "resourceTemplates")
        self.templates = [template["uriTemplate"] for template in templates]
        self.prompts = {
            prompt["name"]: [argument["name"] for argument in prompt["arguments"]]
            for prompt in await self._list("prompts/list", "prompts")
        }

    def requests(self, job: Job) -> Iterator[Request]:
        """Yield every request that might tell of a job, or be answered by it."""
        request_id = job.request_id
        for name, arguments in TOOLS.items():
            for each in arguments(job):
                yield "tools/call", {"name": name, "arguments": each}
        uris = [uri for template in self.templates for uri in TEMPLATES[template](job)]
        frame = f"seedance://jobs/{request_id}/last-frame"
        for uri in [*self.resources, *uris, frame]:
            yield "resources/read", {"uri": uri}
        for name, given in PROMPTS.items():
            yield "prompts/get", {"name": name, "arguments": given}
        yield from self._completions(request_id)
        yield "tasks/get", {"taskId": request_id}
        yield "tasks/update", {"taskId": request_id, "inputResponses": {}}
        yield "tasks/cancel", {"taskId": request_id}
        for method in ("resources/subscribe", "resources/unsubscribe"):
            yield method, {"uri": uris[0]}
        for method in LISTS:
            yield method, {}

    def _completions(self, request_id: str) -> Iterator[Request]:
        references = [
            ({"type": "ref/prompt", "name": name}, argument)
            for name, arguments in self.prompts.items()
            for argument in arguments
        ]
        references += [
            ({"type": "ref/resource", "uri": uri}, "request_id") for uri in self.templates
        ]
        for reference, argument in references:
            for value in ("", request_id[:4], request_id):
                params = {"ref": reference, "argument": {"name": argument, "value": value}}
                yield "completion/complete", params


LISTS = (
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "server/discover",
    "ping",
)

STREAMS = {"subscriptions/listen"}
"""Methods whose answers do not end; they have a test of their own."""


async def surface_of(asker: Asker) -> Surface:
    surface = Surface(asker)
    await surface.read()
    return surface


async def walk(asker: Asker, surface: Surface, job: Job) -> list[tuple[Request, Answer]]:
    return [
        ((method, params), await asker.ask(method, params))
        for method, params in surface.requests(job)
    ]


def without(job: Job, walked: list[tuple[Request, Answer]]) -> list[tuple[str, int, str]]:
    """Return what was answered, with the id that was asked about left out."""
    return [
        (method, answer.status, answer.text.replace(job.request_id, "ID"))
        for (method, _), answer in walked
    ]
