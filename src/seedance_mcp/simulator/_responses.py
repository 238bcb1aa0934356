"""The JSON of every answer, in the form that the switches select. Pure."""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum
from typing import Any

from seedance_mcp.models.model import Model

from .behaviour import Behaviour, ErrorForm, Word
from .jobs import Job

JSONObject = dict[str, Any]


class Reason(Enum):
    """Why a request fails; the value is RunComfy's error code if it has one (docs)."""

    TOKEN = 400004
    BALANCE = 400002
    MODEL = 400001
    REQUEST = 404001
    EARLY = 400005
    INPUT = None


@dataclass
class ApiError(Exception):
    """The simulated service answers with an error; `fields` has one for each invalid argument."""

    reason: Reason
    message: str
    fields: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class View:
    """A job as answers show it now; times are in Unix seconds.

    Attributes:
        position: The number of jobs ahead of it while it is queued.
        cost_usd: Its cost, if requested and known.
    """

    job: Job
    word: Word
    position: int | None = None
    created_at: float
    finished_at: float | None = None
    cost_usd: float | None = None


def submit_body(request_id: str, url: str, behaviour: Behaviour) -> JSONObject:
    """Return the answer to a submit."""
    answer: JSONObject = {"request_id": request_id, **_urls(request_id, url)}
    if behaviour.submit_says_status:
        answer["status"] = behaviour.status_words.get("in_queue", "in_queue")
    return answer


def status_body(view: View, url: str, behaviour: Behaviour) -> JSONObject:
    """Return the answer to a status request."""
    word = behaviour.status_of_failure if view.word == "failed" else view.word
    request_id = view.job.request_id
    answer: JSONObject = {"request_id": request_id, **_urls(request_id, url)}
    answer["status"] = behaviour.status_words.get(word, word)
    del answer["cancel_url"]
    if view.position is not None and behaviour.queue_position == "present":
        answer["queue_position"] = view.position + behaviour.first_position
    elif behaviour.queue_position == "null":
        answer["queue_position"] = None
    return answer


def result_body(view: View, url: str, behaviour: Behaviour) -> JSONObject:
    """Return the answer to a result request."""
    job = view.job
    answer: JSONObject = {
        "request_id": job.request_id,
        "status": behaviour.result_words.get(view.word, view.word),
        "created_at": _date(view.created_at, behaviour),
        "finished_at": _date(view.finished_at, behaviour),
        "model_id": job.model_id if behaviour.model_id_in_result else None,
        "input": job.arguments if behaviour.echo_inputs else None,
        "cost": view.cost_usd,
        "output": _output(job.request_id, url, behaviour) if view.word == "completed" else None,
        "error": _failure(job.failure, behaviour) if view.word == "failed" else None,
    }
    return {name: value for name, value in answer.items() if value is not None}


def cancel_body(view: View, *, cancelled: bool, behaviour: Behaviour) -> JSONObject:
    """Return the answer to a request that cancelled the job, or came too late."""
    answer = {
        "request_id": view.job.request_id,
        "outcome": "cancelled" if cancelled else "not_cancellable",
        "status": behaviour.status_words.get(view.word, view.word),
    }
    if behaviour.cancel_form != "both":
        answer.pop("status" if behaviour.cancel_form == "outcome" else "outcome")
    return answer


def error_body(error: ApiError, behaviour: Behaviour) -> tuple[int, JSONObject]:
    """Return the HTTP status and the body of an error answer."""
    http_status, code = _status_and_code(error.reason, behaviour)
    body = _message(error, behaviour.input_error_form if error.fields else behaviour.error_form)
    if code is not None and behaviour.error_codes:
        body["error_code"] = code
    if code is not None and behaviour.errors_in_200:
        http_status = 200
    return http_status, body


def catalogue_entry(model: Model, behaviour: Behaviour) -> JSONObject:
    """Return a model's entry in the catalogue."""
    entry: JSONObject = {
        "model_id": model.model_id,
        "display_name": model.model_id.replace("/", " ").replace("-", " ").title(),
        "description": "A model of the simulator. It makes no real clips.",
        "categories": ["image-to-video"],
        "kind": "video",
        "base_price_usd": _price(behaviour),
        "price_unit": behaviour.price_unit,
        "pricing_note": "SIMULATED: this price is made up, and no money is charged.",
        "input_schema": deepcopy(dict(model.input_schema)),
    }
    if behaviour.price_form == "absent":
        del entry["base_price_usd"]
    behaviour.edit_entry(entry)
    return entry


def balance_body(usd: float) -> JSONObject:
    """Return the account's balance."""
    return {
        "balance_usd": round(usd, 6),
        "balance_microdollars": round(usd * 1_000_000),
        "currency": "USD",
    }


def retry_after_headers(now: float, behaviour: Behaviour) -> dict[str, str]:
    """Return the headers of a 429; `now` is in Unix seconds."""
    if behaviour.rate_limit == "date":
        moment = datetime.fromtimestamp(now + behaviour.retry_after, UTC)
        return {"retry-after": format_datetime(moment, usegmt=True)}
    return {"retry-after": str(behaviour.retry_after)} if behaviour.rate_limit == "seconds" else {}


def _price(behaviour: Behaviour) -> float | str | None:
    forms = {"string": str(behaviour.price_usd), "negative": -behaviour.price_usd, "null": None}
    return forms.get(behaviour.price_form, behaviour.price_usd)


def _urls(request_id: str, url: str) -> dict[str, str]:
    base = f"{url}/v1/requests/{request_id}"
    return {f"{name}_url": f"{base}/{name}" for name in ("status", "result", "cancel")}


def _output(request_id: str, url: str, behaviour: Behaviour) -> JSONObject:
    video, image = (f"{url}/outputs/{request_id}.{ending}" for ending in ("mp4", "jpg"))
    forms = {"video": video, "videos": [video], "image": image, "images": [image]}
    return {name: forms[name] for name in behaviour.outputs}


def _failure(text: str | None, behaviour: Behaviour) -> str | JSONObject | list[JSONObject] | None:
    details: JSONObject = {"code": "generation_failed", "message": text}
    forms = {"string": text, "object": details, "list": [details], "absent": None}
    return forms[behaviour.failure_form]


def _date(moment: float | None, behaviour: Behaviour) -> str | float | None:
    if moment is None or behaviour.dates == "absent":
        return None
    if behaviour.dates == "epoch":
        return moment
    naive = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None).isoformat("T", "milliseconds")
    return f"{naive}Z" if behaviour.dates == "zulu" else naive


def _status_and_code(reason: Reason, behaviour: Behaviour) -> tuple[int, int | None]:
    match reason:
        case Reason.TOKEN:
            return behaviour.token_error, reason.value
        case Reason.BALANCE:
            return behaviour.balance_error, reason.value
        case Reason.MODEL:
            return behaviour.model_error, behaviour.model_error_code
        case Reason.REQUEST:
            numbers = {400: 400001, 403: 403001, 404: reason.value}
            return behaviour.request_error, numbers[behaviour.request_error]
        case Reason.EARLY:
            return 400, reason.value
        case Reason.INPUT:
            return behaviour.input_error, None


def _message(error: ApiError, form: ErrorForm) -> JSONObject:
    if form != "detail_list":
        return {form: error.message}
    if not error.fields:
        return {"detail": [{"msg": error.message}]}
    return {
        "detail": [
            {"loc": ["body", name], "msg": message, "type": "value_error"}
            for name, message in error.fields.items()
        ]
    }
