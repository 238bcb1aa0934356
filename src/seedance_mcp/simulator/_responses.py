"""The JSON of every answer, in the form that the behaviour's switches ask for. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum
from typing import Any

from seedance_mcp.models.model import Model

from .behaviour import Behaviour, ErrorForm, Word

JSONObject = dict[str, Any]


class Reason(Enum):
    """Why the service refuses; the value is RunComfy's number for it, where it has one (docs)."""

    TOKEN = 400004
    BALANCE = 400002
    MODEL = 400001
    REQUEST = 404001
    EARLY = 400005
    INPUT = None


@dataclass
class Refusal(Exception):
    """The service says no.

    Args:
        reason: Why.
        message: The same in words.
        fields: What is wrong with each argument, by name.
    """

    reason: Reason
    message: str
    fields: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class View:
    """A job as it is to be shown now.

    Attributes:
        request_id: The job's id.
        model_id: Its model.
        arguments: Its inputs.
        word: Its state.
        position: How many jobs wait in front of it, while it waits.
        created_at: When it was accepted, in seconds since 1970.
        finished_at: When it ended, the same.
        failure: What went wrong, when it failed.
        cost_usd: What it cost, when that is asked for and known.
    """

    request_id: str
    model_id: str
    arguments: JSONObject
    word: Word
    position: int | None = None
    created_at: float
    finished_at: float | None = None
    failure: str | None = None
    cost_usd: float | None = None


def accepted(request_id: str, url: str, behaviour: Behaviour) -> JSONObject:
    """Answer a submit."""
    answer: JSONObject = {"request_id": request_id, **_addresses(request_id, url)}
    if behaviour.submit_says_status:
        answer["status"] = behaviour.status_words.get("in_queue", "in_queue")
    return answer


def status(view: View, url: str, behaviour: Behaviour) -> JSONObject:
    """Answer a question about the status."""
    word = behaviour.status_of_failure if view.word == "failed" else view.word
    addresses = _addresses(view.request_id, url)
    del addresses["cancel_url"]
    answer: JSONObject = {
        "request_id": view.request_id,
        "status": behaviour.status_words.get(word, word),
        **addresses,
    }
    if view.position is not None and behaviour.queue_position == "present":
        answer["queue_position"] = view.position + behaviour.first_position
    elif behaviour.queue_position == "null":
        answer["queue_position"] = None
    return answer


def result(view: View, url: str, behaviour: Behaviour) -> JSONObject:
    """Answer a question about the result."""
    answer: JSONObject = {
        "request_id": view.request_id,
        "status": behaviour.result_words.get(view.word, view.word),
        "created_at": _date(view.created_at, behaviour),
        "finished_at": _date(view.finished_at, behaviour),
        "model_id": view.model_id if behaviour.model_id_in_result else None,
        "input": view.arguments if behaviour.echo_inputs else None,
        "cost": view.cost_usd,
        "output": _output(view.request_id, url, behaviour) if view.word == "completed" else None,
        "error": _failure(view.failure, behaviour),
    }
    return {name: value for name, value in answer.items() if value is not None}


def cancelled(view: View, *, done: bool, behaviour: Behaviour) -> JSONObject:
    """Answer a cancel.

    Args:
        view: The job after it.
        done: Whether the job was cancelled by it.
        behaviour: The switches.
    """
    answer = {
        "request_id": view.request_id,
        "outcome": "cancelled" if done else "not_cancellable",
        "status": behaviour.status_words.get(view.word, view.word),
    }
    if behaviour.cancel_form != "both":
        answer.pop("status" if behaviour.cancel_form == "outcome" else "outcome")
    return answer


def refusal(refused: Refusal, behaviour: Behaviour) -> tuple[int, JSONObject]:
    """Answer with a refusal.

    Returns:
        The HTTP status and the body.
    """
    http_status, number = _codes(refused.reason, behaviour)
    form = behaviour.input_error_form if refused.fields else behaviour.error_form
    body = _error(refused, form)
    if number is not None and behaviour.error_codes:
        body["error_code"] = number
    if number is not None and behaviour.errors_in_200:
        http_status = 200
    return http_status, body


def catalogue_entry(model: Model, behaviour: Behaviour) -> JSONObject:
    """Describe a model as the catalogue does."""
    entry: JSONObject = {
        "model_id": model.model_id,
        "display_name": model.model_id.replace("/", " ").replace("-", " ").title(),
        "description": "A model of the simulator. It makes no real clips.",
        "categories": ["image-to-video"],
        "kind": "video",
        "base_price_usd": _price(behaviour),
        "price_unit": behaviour.price_unit,
        "pricing_note": "SIMULATED: this price is made up, and nobody is charged.",
        "input_schema": dict(model.input_schema),
    }
    if behaviour.price_form == "absent":
        del entry["base_price_usd"]
    return entry


def balance(usd: float) -> JSONObject:
    """Describe the account."""
    return {
        "balance_usd": round(usd, 6),
        "balance_microdollars": round(usd * 1_000_000),
        "currency": "USD",
    }


def retry_after(now: float, behaviour: Behaviour) -> dict[str, str]:
    """Give the headers of a 429.

    Args:
        now: Seconds since 1970.
        behaviour: The switches.
    """
    if behaviour.rate_limit == "date":
        moment = datetime.fromtimestamp(now + behaviour.retry_after, UTC)
        return {"retry-after": format_datetime(moment, usegmt=True)}
    return {"retry-after": str(behaviour.retry_after)} if behaviour.rate_limit == "seconds" else {}


def _price(behaviour: Behaviour) -> float | str | None:
    forms = {"string": str(behaviour.price_usd), "negative": -behaviour.price_usd, "null": None}
    return forms.get(behaviour.price_form, behaviour.price_usd)


def _addresses(request_id: str, url: str) -> dict[str, str]:
    base = f"{url}/v1/requests/{request_id}"
    return {f"{name}_url": f"{base}/{name}" for name in ("status", "result", "cancel")}


def _output(request_id: str, url: str, behaviour: Behaviour) -> JSONObject:
    video, image = (f"{url}/outputs/{request_id}.{ending}" for ending in ("mp4", "jpg"))
    forms = {"video": video, "videos": [video], "image": image, "images": [image]}
    return {name: forms[name] for name in behaviour.outputs}


def _failure(text: str | None, behaviour: Behaviour) -> str | JSONObject | list[JSONObject] | None:
    if text is None or behaviour.failure_form == "absent":
        return None
    if behaviour.failure_form == "string":
        return text
    details = {"code": "generation_failed", "message": text}
    return details if behaviour.failure_form == "object" else [details]


def _date(moment: float | None, behaviour: Behaviour) -> str | float | None:
    if moment is None or behaviour.dates == "absent":
        return None
    if behaviour.dates == "epoch":
        return moment
    naive = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None).isoformat("T", "milliseconds")
    return f"{naive}Z" if behaviour.dates == "zulu" else naive


def _codes(reason: Reason, behaviour: Behaviour) -> tuple[int, int | None]:
    match reason:
        case Reason.TOKEN:
            return behaviour.token_error, reason.value
        case Reason.BALANCE:
            return behaviour.balance_error, reason.value
        case Reason.MODEL:
            return behaviour.model_error, reason.value
        case Reason.REQUEST:
            numbers = {400: 400001, 403: 403001, 404: reason.value}
            return behaviour.request_error, numbers[behaviour.request_error]
        case Reason.EARLY:
            return 400, reason.value
        case Reason.INPUT:
            return behaviour.input_error, None


def _error(refused: Refusal, form: ErrorForm) -> JSONObject:
    if form != "detail_list":
        return {form: refused.message}
    if not refused.fields:
        return {"detail": [{"msg": refused.message}]}
    return {
        "detail": [
            {"loc": ["body", name], "msg": message, "type": "value_error"}
            for name, message in refused.fields.items()
        ]
    }
