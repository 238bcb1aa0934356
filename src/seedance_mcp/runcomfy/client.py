"""RunComfy's Model API, a method for each of its calls.

Every path is built from a model id or a request id, and never from a URL in an answer, so the
token goes to the configured origin only. Whatever can be asked again at no cost is retried; the
paid POST is sent once.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from seedance_mcp.errors import OutcomeUnknown, RunComfyUnavailable, UnreadableAnswer
from seedance_mcp.jobs.status import Observation, Running

from . import _responses as wire
from ._error_codes import NOT_READY, error_number
from .http import SUBMIT_SECONDS, HttpAnswer, RunComfyHttp

CONNECTION_FAULTS = (httpx.NetworkError, httpx.ProtocolError, httpx.ConnectTimeout)


class RunComfyClient:
    """The Model API's calls.

    Args:
        exchange: How requests are sent and answers read.
    """

    def __init__(self, exchange: RunComfyHttp) -> None:
        self._http = exchange

    async def submit(self, model_id: str, arguments: Mapping[str, Any]) -> str:
        """Buy a clip: the one request that costs money.

        It is sent again only where the connection was refused, so that it certainly never left.

        Args:
            model_id: The model; its slashes stay as they are (page).
            arguments: The model's input object, the body itself (page).

        Returns:
            The request id.

        Raises:
            OutcomeUnknown: It may have been accepted: a time-out, a broken connection, a 5xx or
                an answer that cannot be read.
            RunComfyError: It certainly was not accepted.
            TokenMissing: There is no token.
        """
        try:
            try:
                answer = await self._buy(model_id, arguments)
            except RunComfyUnavailable as error:
                if not error.never_sent or isinstance(error.__cause__, httpx.PoolTimeout):
                    raise
                answer = await self._buy(model_id, arguments)
            return _bought(answer)
        except RunComfyUnavailable as error:
            if error.never_sent:
                raise
            raise OutcomeUnknown(f"The answer to the request was lost. {error.message}") from error

    async def status(self, request_id: str) -> Observation:
        """Ask where a job stands.

        Raises:
            JobNotFound: The service does not know it.
            RunComfyError: Any other error, after retries where they may help.
        """
        answer = await self._http.get(_job_path(request_id, "status"), about="job")
        return wire.read_status(_read(answer))

    async def result(self, request_id: str) -> Observation:
        """Ask what came of a job, its cost included; asked early, where it stands.

        Raises:
            JobNotFound: The service does not know it.
            RunComfyError: Any other error, after retries where they may help.
        """
        path = _job_path(request_id, "result") + "?include_cost=true"
        answer = await self._http.get(path, about="job")
        if error_number(answer.body) == NOT_READY:
            return Running()
        return wire.read_result(_read(answer))

    async def cancel(self, request_id: str) -> bool:
        """Ask to cancel a job, once more where the connection broke.

        Returns:
            Whether it was cancelled; only queued jobs can be (page).

        Raises:
            RunComfyError: The service refused, or gave no usable answer.
        """
        path = _job_path(request_id, "cancel")
        try:
            answer = await self._http.send("POST", path, about="job")
        except RunComfyUnavailable as error:
            if not isinstance(error.__cause__, CONNECTION_FAULTS):
                raise
            answer = await self._http.send("POST", path, about="job")
        return wire.read_cancel(_read(answer))

    async def model(self, model_id: str) -> Mapping[str, Any]:
        """Read a model's entry in the catalogue: price, schema, description (client).

        Raises:
            RunComfyError: The model is unknown, or no usable answer came.
        """
        return _read(await self._http.get(_model_path(model_id), about="model"))

    async def _buy(self, model_id: str, arguments: Mapping[str, Any]) -> HttpAnswer:
        return await self._http.send(
            "POST", _model_path(model_id), about="model", body=arguments, seconds=SUBMIT_SECONDS
        )


def _bought(answer: HttpAnswer) -> str:
    """Read the id of what was bought: in a 2xx it counts, whatever else stands beside it."""
    try:
        if answer.status_code < 300:
            return wire.read_submit(wire.read_object(answer.body))
    except UnreadableAnswer:
        if answer.error is None:
            raise
    return wire.read_submit(_read(answer))


def _read(answer: HttpAnswer) -> Mapping[str, Any]:
    if answer.error is not None:
        raise answer.error
    return wire.read_object(answer.body)


def _model_path(model_id: str) -> str:
    return f"/v1/models/{quote(model_id, safe='/')}"


def _job_path(request_id: str, leaf: str) -> str:
    return f"/v1/requests/{wire.check_request_id(request_id)}/{leaf}"
