"""The HTTP routes: RunComfy's API, and the files of clips and published images."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from ._responses import (
    ApiError,
    Reason,
    balance_body,
    cancel_body,
    catalogue_entry,
    error_body,
    result_body,
    retry_after_headers,
    status_body,
    submit_body,
)
from ._service import SimulatedAccount
from .faults import RouteName

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(kw_only=True)
class Api:
    """The routes of a service; `url` is the base of the URLs in answers."""

    service: SimulatedAccount
    token: str
    url: str
    files: Mapping[str, Path]

    def __post_init__(self) -> None:
        self.behaviour = self.service.behaviour

    def application(self) -> Starlette:
        """Build the ASGI application."""
        request = "/v1/requests/{request_id}"
        model = "/v1/models/{model_id:path}"
        return Starlette(
            routes=[
                self._guarded("catalogue", "/v1/models", self._models),
                self._guarded("catalogue", model, self._model),
                self._guarded("submit", model, self._submit, "POST"),
                self._guarded("status", f"{request}/status", self._status),
                self._guarded("result", f"{request}/result", self._result),
                self._guarded("cancel", f"{request}/cancel", self._cancel, "POST"),
                self._guarded("balance", "/prod/v2/balance", self._balance),
                Route("/outputs/{request_id}.mp4", self._output, name="output"),
                Route("/outputs/{request_id}.jpg", self._output, name="output"),
                Route("/files/{name}", self._file, name="file"),
                Route("/_simulator/accepted", self._accepted, name="other"),
            ],
            exception_handlers={ApiError: self._error},
        )

    def _guarded(
        self, name: RouteName, path: str, endpoint: Endpoint, method: str = "GET"
    ) -> Route:
        """Return a route that requires the token and obeys the rate limit."""

        async def guarded(request: Request) -> Response:
            if self.behaviour.rate_limit != "off":
                now = self.service.epoch + self.service.clock()
                headers = retry_after_headers(now, self.behaviour)
                return JSONResponse({"message": "Too many requests."}, 429, headers)
            if request.headers.get("authorization") != f"Bearer {self.token}":
                raise ApiError(Reason.TOKEN, "The token is missing, wrong, expired or revoked.")
            return await endpoint(request)

        return Route(path, guarded, methods=[method], name=name)

    async def _error(self, _request: Request, error: Exception) -> Response:
        status, body = error_body(cast("ApiError", error), self.behaviour)
        return JSONResponse(body, status)

    async def _submit(self, request: Request) -> Response:
        try:
            arguments = json.loads(await request.body())
        except (ValueError, RecursionError) as error:
            message = "The body is not JSON."
            raise ApiError(Reason.INPUT, message, {"body": message}) from error
        job = await self.service.accept(request.path_params["model_id"], arguments)
        request.state.recorded.job = job
        answer = submit_body(job.request_id, self.url, self.behaviour)
        return JSONResponse(answer, self.behaviour.submit_status)

    async def _status(self, request: Request) -> Response:
        view = await self.service.view(self.service.job(request.path_params["request_id"]))
        return JSONResponse(status_body(view, self.url, self.behaviour))

    async def _result(self, request: Request) -> Response:
        job = self.service.job(request.path_params["request_id"])
        include_cost = request.query_params.get("include_cost") == "true"
        view = await self.service.result(job, include_cost=include_cost)
        return JSONResponse(result_body(view, self.url, self.behaviour))

    async def _cancel(self, request: Request) -> Response:
        job = self.service.job(request.path_params["request_id"])
        cancelled = self.service.queue.cancel(job.request_id, self.service.clock())
        view = await self.service.view(job)
        answer = cancel_body(view, cancelled=cancelled, behaviour=self.behaviour)
        return JSONResponse(answer, HTTPStatus.ACCEPTED)

    async def _model(self, request: Request) -> Response:
        model_id = request.path_params["model_id"]
        for entry in self.behaviour.other_entries:
            if entry["model_id"] == model_id:
                return JSONResponse(entry)
        return JSONResponse(catalogue_entry(self.service.model(model_id), self.behaviour))

    async def _models(self, request: Request) -> Response:
        query = request.query_params
        limit, offset = _number(query.get("limit"), 20), _number(query.get("offset"), 0)
        offered = self.service.offered().values()
        entries = [*(catalogue_entry(model, self.behaviour) for model in offered)]
        entries += map(dict[str, Any], self.behaviour.other_entries)
        text = query.get("search", "").lower()
        found = [entry for entry in entries if text in entry["model_id"].lower()]
        page: list[dict[str, Any]] = found[offset : offset + limit]
        if query.get("include_schema") != "true":
            for entry in page:
                entry.pop("input_schema", None)
        answer = {"models": page, "total": len(found), "limit": limit, "offset": offset}
        return JSONResponse(answer)

    async def _balance(self, _request: Request) -> Response:
        return JSONResponse(balance_body(self.service.balance_usd))

    async def _output(self, request: Request) -> Response:
        job = await self.service.finished(request.path_params["request_id"])
        if job is None:
            return Response(status_code=404)
        if request.url.path.endswith(".jpg"):
            return Response(await self.service.renderer.still(job), media_type="image/jpeg")
        return FileResponse(await self.service.renderer.clip(job), media_type="video/mp4")

    async def _file(self, request: Request) -> Response:
        path = self.files.get(request.path_params["name"])
        return FileResponse(path) if path else Response(status_code=404)

    async def _accepted(self, _request: Request) -> Response:
        names = ("request_id", "model_id", "arguments", "accepted_at")
        return JSONResponse([{n: getattr(job, n) for n in names} for job in self.service.jobs])


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else default
