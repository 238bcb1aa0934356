"""RunComfy's Model API, one method for each of its calls.

Every path is built from a model id or a request id, never from a URL in an answer, so the token
goes to the configured origin only. Free requests are retried; the paid POST is sent once.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx

from seedance_mcp.errors import (
    ModelUnknown,
    OutcomeUnknown,
    RunComfyUnavailable,
    SeedanceError,
    UnreadableAnswer,
)
from seedance_mcp.jobs.status import Observation, Running

from ._error_codes import NOT_READY, UNKNOWN_MODEL, error_code, fields
from ._responses import (
    check_request_id,
    read_cancel,
    read_catalogue_page,
    read_object,
    read_result,
    read_status,
    read_submit,
)
from .http import CONNECT_TIMEOUT_SECONDS, SUBMIT_TIMEOUT_SECONDS, HttpAnswer, RunComfyHttp

T = TypeVar("T")

NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout)
CONNECTION_ERRORS = (httpx.NetworkError, httpx.ProtocolError, httpx.ConnectTimeout)

CONNECTED_WITHIN = timedelta(seconds=SUBMIT_TIMEOUT_SECONDS / 2 + CONNECT_TIMEOUT_SECONDS + 1)
"""Longer than it takes until connecting has failed, as the time of day tells it.

That goes on while the machine sleeps, unlike the event loop's.
"""

CATALOGUE_PAGE_SIZE, MAX_CATALOGUE_PAGES = 100, 20
"""How many models are asked for at once, and how many times; there are some hundred (client)."""


@dataclass(eq=False, repr=False)
class RunComfyClient:
    """The calls of the Model API."""

    _http: RunComfyHttp

    async def submit(self, model_id: str, arguments: Mapping[str, Any]) -> str:
        """Buy a clip, the one request that costs money, and return its request id.

        The model's input object is the whole body (page). It is sent once more only if it certainly
        never left, because connecting failed, and not by a process that stood still meanwhile: its
        caller may have bought the clip again since.

        Raises:
            OutcomeUnknown: RunComfy may have accepted it: a timeout, a broken connection, a 5xx, an
                unreadable answer, or an error that names a request.
            RunComfyError: RunComfy certainly did not accept it.
            TokenMissing: No token is set.
        """
        post = partial(
            self._http.send,
            "POST",
            _model_path(model_id),
            about="model",
            body=arguments,
            timeout=SUBMIT_TIMEOUT_SECONDS,
        )
        latest = self._http.clock.now() + CONNECTED_WITHIN
        again = _send_again(
            post,
            # Not after a PoolTimeout, when half of the call's time is gone already.
            after=NOT_CONNECTED,
            unless=lambda: self._http.clock.now() > latest,
        )
        try:
            return await _ask(again, _read_submitted)
        except RunComfyUnavailable as error:
            if error.never_sent:
                raise
            raise OutcomeUnknown(f"The answer to the request was lost. {error.message}") from error

    async def status(self, request_id: str) -> Observation:
        """Read where a job stands.

        Raises:
            JobNotFound: RunComfy does not know it.
            RunComfyError: Any other error, after retries if they may help.
        """
        get = self._http.get(_job_path(request_id, "status"), about="job")
        return await _ask(get, lambda answer: read_status(_read(answer, request_id)))

    async def result(self, request_id: str) -> Observation:
        """Read a job's result and cost, or its state if it has not ended; raises as `status`."""

        def read(answer: HttpAnswer) -> Observation:
            if error_code(answer.body) == NOT_READY:
                return Running()
            return read_result(_read(answer, request_id))

        path = _job_path(request_id, "result") + "?include_cost=true"
        return await _ask(self._http.get(path, about="job"), read)

    async def cancel(self, request_id: str) -> bool:
        """Cancel a job, and return whether it was cancelled; only queued jobs can be (page).

        Raises:
            RunComfyError: RunComfy rejected the request or sent no usable answer.
        """
        post = partial(self._http.send, "POST", _job_path(request_id, "cancel"), about="job")
        # Cancelling twice does no harm, unlike submitting twice.
        again = _send_again(post, after=CONNECTION_ERRORS)
        return await _ask(again, lambda answer: read_cancel(_read(answer, request_id)))

    async def model(self, model_id: str) -> Mapping[str, Any]:
        """Read a model's entry in the catalogue: price, schema, description (client).

        Raises:
            ModelUnknown: RunComfy itself says that it does not know it; a gateway may say 404 too.
            RunComfyError: Any other error, after retries if they may help.
        """
        return await _ask(self._http.get(_model_path(model_id), about="model"), _read_entry)

    async def search_models(self, text: str = "") -> list[Mapping[str, Any]]:
        """Read the entries of the catalogue that match a text, without their schemas (client).

        Without a text, read all of them; at most `MAX_CATALOGUE_PAGES` pages are read.

        Raises:
            RunComfyError: RunComfy sent no usable answer.
        """
        found: dict[str, Mapping[str, Any]] = {}
        read = 0
        for _ in range(MAX_CATALOGUE_PAGES):
            wanted = {"limit": CATALOGUE_PAGE_SIZE, "offset": read} | (
                {"search": text} if text else {}
            )
            get = self._http.get(f"/v1/models?{urlencode(wanted)}", about="model")
            entries, total = await _ask(get, lambda answer: read_catalogue_page(_read(answer)))
            known = len(found)
            named = (entry for entry in entries if isinstance(entry.get("model_id"), str))
            found |= {entry["model_id"]: entry for entry in named}
            read += len(entries)
            # A service that ignores the offset sends the same page again.
            if len(found) == known or read >= total:
                break
        return list(found.values())


async def _ask(request: Awaitable[HttpAnswer], read: Callable[[HttpAnswer], T]) -> T:
    """Return what is read in the answer to a request, at once, as it may be large."""
    answer = await request
    try:
        return read(answer)
    except SeedanceError as error:
        # The frames that it and its cause passed, and this one, hold the body.
        del answer
        error.__context__ = None
        raise error.with_traceback(None) from None


async def _send_again(
    send: Callable[[], Awaitable[HttpAnswer]],
    *,
    after: tuple[type[Exception], ...],
    unless: Callable[[], bool] = lambda: False,
) -> HttpAnswer:
    """Send a request, and once more after some errors of httpx, unless it is too late by then."""
    answer = await send()
    cause = answer.error and answer.error.__cause__
    return await send() if isinstance(cause, after) and not unless() else answer


def _read_submitted(answer: HttpAnswer) -> str:
    """Return the request id in an answer to a submit, or raise what it says of a request."""
    try:
        request_id = read_submit(read_object(answer.body))
    except UnreadableAnswer as error:
        if answer.error is None:
            raise
        if fields(answer.body).get("request_id") in (None, ""):
            raise answer.error from None
        # It names a request, which may be paid for.
        why = f"RunComfy sent an error with an invalid request_id. {answer.error.message}"
        raise UnreadableAnswer(why) from error
    # A success is paid even if its body reports an error.
    if answer.error is None or httpx.codes.is_success(answer.status_code or 0):
        return request_id
    why = f"RunComfy answered with an error that names a request. {answer.error.message}"
    raise OutcomeUnknown(why, request_id)


def _read(answer: HttpAnswer, request_id: str | None = None) -> Mapping[str, Any]:
    """Return the fields of an answer, unless it is an error or about another request."""
    named = fields(answer.body).get("request_id")
    if request_id and named is not None and named != request_id:
        raise UnreadableAnswer("RunComfy answered about another request.")
    if answer.error is not None:
        raise answer.error
    return read_object(answer.body)


def _read_entry(answer: HttpAnswer) -> Mapping[str, Any]:
    """Return a model's entry in the catalogue."""
    said_by_runcomfy = error_code(answer.body) in UNKNOWN_MODEL
    if answer.error is not None and said_by_runcomfy and (answer.status_code or 0) < 500:
        raise ModelUnknown("RunComfy's catalogue does not have this model.")
    return _read(answer)


def _model_path(model_id: str) -> str:
    # Its slashes stay literal (page).
    return f"/v1/models/{quote(model_id, safe='/')}"


def _job_path(request_id: str, leaf: str) -> str:
    return f"/v1/requests/{check_request_id(request_id)}/{leaf}"
