"""Switches for what is unknown, conflicting or variable in RunComfy's real behaviour.

The word in brackets is the evidence for the forms of a switch: page (the model's API page), docs
(RunComfy's documentation), client (read in RunComfy's own clients), seen (recorded from a real
run), unknown (nothing found, so every plausible form is offered).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Word = Literal["in_queue", "in_progress", "completed", "failed", "cancelled"]
"""A job's state as RunComfy documents it; switches below change its spelling."""

Seconds = float | Sequence[float] | Callable[[int], float]
"""One duration for all jobs, or one for each in the order of acceptance, the last one repeated, or
a function of the job's index, from 0."""

ErrorForm = Literal["error_message", "message", "error", "detail", "detail_list"]


@dataclass(kw_only=True)
class Behaviour:
    """The simulator's switches; all but `workers` may be changed while it runs.

    Attributes:
        workers: How many jobs run at once; read when the simulator starts. [unknown]
        run_seconds: How long a run takes; read when a job is accepted. [unknown]
        queue_seconds: How long a job waits at least; read when a job is accepted. [unknown]
        outcome: Whether runs succeed; read when a job is accepted. [client]
        failure_text: The error of a failed run. [unknown]
        balance_usd: The balance before any job; may be negative. [client]
        price_usd: The made-up price of a `price_unit`; read when a job is accepted. [unknown]
        price_unit: The catalogue's unit: "second", "output", another word, None. [client, unknown]
        price_form: The form of the price in the catalogue. [client number, unknown]
        renamed_models: By id, the new ids of models, "" for one that is gone. [seen]
        edit_entry: Changes an entry of the catalogue before it is sent; jobs are checked by the
            schema as it was. [unknown]
        other_entries: Entries of models in the catalogue that make no clips here. [client]

        images: When input images are fetched and checked: when the run starts, so that a bad one
            fails the job; at submit, so that it is rejected; or never, and a bundled image is
            used. [unknown]
        media: Whether videos and audio files are fetched, and measured, with the images; of those
            that are ignored only the URL is looked at. [unknown]
        data_uris: Whether images may be `data:` URIs. [client, unproved]
        render: When clips are rendered: at the first GET of the output, or from the first poll of
            the running job, which then ends only when its clip is ready.

        submit_status: The HTTP status of an accepted job. [docs 200, client 202]
        submit_says_status: Whether the answer to a submit also has a `status`. [client]
        unknown_arguments: What happens to arguments that are not in the schema. [unknown]
        status_words: Other spellings, such as "IN_QUEUE", "canceled" or another word. [client]
        status_of_failure: The status of a failed run; its result says "failed". [docs, client]
        queue_position: The form of the position in the queue. [docs present]
        first_position: The position of the next job to run. [unknown]
        result_words: Other spellings in the result; "succeeded" for "completed". [page, client]
        outputs: Which fields the output has. [page]
        echo_inputs: Whether a result repeats the inputs, URLs included, as `input`. [client]
        model_id_in_result: Whether a result names its model. [client]
        early_result: A result before the run's end: the state [page], or 400/400005 [client].
        result_lag: How many reads of a result say "in_progress" after the run's end. [unknown]
        cost: Whether a result with `?include_cost=true` has a cost. [client]
        cost_lag: How many reads of a finished result lack its cost. [client]
        dates: The form of `created_at` and `finished_at`. [unknown]
        failure_form: The form of a failed result's `error`. [client string, unknown]
        cancel_form: The fields of the answer to a cancel. [docs both, client either]

        error_form: The field with an error's message. [client]
        input_error_form: The same for invalid inputs. [client]
        error_codes: Whether errors have RunComfy's error codes. [docs]
        errors_in_200: Whether errors with a code come with HTTP status 200. [client]
        token_error: The HTTP status for a bad token. [client]
        balance_error: The HTTP status for an empty balance. [client]
        model_error: The HTTP status for an unknown model. [seen 404, docs 400001]
        model_error_code: The error code for it. [docs]
        input_error: The HTTP status for invalid inputs. [unknown]
        request_error: The HTTP status for an unknown or forgotten request: 404 with 404001, 400
            with 400001, 403 with 403001. [docs]
        rate_limit: Whether every call is answered 429, and the form of its Retry-After. [client]
        retry_after: The seconds in Retry-After. [client]
    """

    workers: int = 1
    run_seconds: Seconds = 0.0
    queue_seconds: Seconds = 0.0
    outcome: Literal["succeed", "fail"] = "succeed"
    failure_text: str = "The model could not make this clip."
    balance_usd: float = 25.0
    price_usd: float = 0.04
    price_unit: str | None = "second"
    price_form: Literal["number", "string", "negative", "null", "absent"] = "number"
    renamed_models: Mapping[str, str] = field(default_factory=dict[str, str])
    edit_entry: Callable[[dict[str, Any]], object] = id
    other_entries: Sequence[Mapping[str, Any]] = ()

    images: Literal["at_run", "at_submit", "never"] = "at_run"
    media: Literal["ignored", "fetched"] = "ignored"
    data_uris: bool = True
    render: Literal["lazy", "eager"] = "lazy"

    submit_status: Literal[200, 202] = 200
    submit_says_status: bool = False
    unknown_arguments: Literal["refused", "ignored"] = "refused"
    status_words: Mapping[Word, str] = field(default_factory=dict[Word, str])
    status_of_failure: Literal["completed", "failed"] = "completed"
    queue_position: Literal["present", "null", "absent"] = "present"
    first_position: Literal[0, 1] = 0
    result_words: Mapping[Word, str] = field(default_factory=lambda: {"completed": "succeeded"})
    outputs: Sequence[Literal["video", "videos", "image", "images"]] = ("video", "videos")
    echo_inputs: bool = False
    model_id_in_result: bool = False
    early_result: Literal["state", "error"] = "state"
    result_lag: int = 0
    cost: Literal["present", "absent"] = "present"
    cost_lag: int = 0
    dates: Literal["zulu", "naive", "epoch", "absent"] = "zulu"
    failure_form: Literal["string", "object", "list", "absent"] = "string"
    cancel_form: Literal["both", "outcome", "status"] = "both"

    error_form: ErrorForm = "error_message"
    input_error_form: ErrorForm = "detail_list"
    error_codes: bool = True
    errors_in_200: bool = False
    token_error: Literal[400, 401, 403] = 400
    balance_error: Literal[400, 402] = 400
    model_error: Literal[400, 404] = 404
    model_error_code: Literal[400001, 404001] = 400001
    input_error: Literal[400, 422] = 422
    request_error: Literal[400, 403, 404] = 404
    rate_limit: Literal["off", "bare", "seconds", "date"] = "off"
    retry_after: int = 1


def seconds_of(seconds: Seconds, ordinal: int) -> float:
    """Return the duration for the job with index `ordinal`, from 0."""
    if callable(seconds):
        return seconds(ordinal)
    if isinstance(seconds, Sequence):
        return seconds[min(ordinal, len(seconds) - 1)]
    return seconds
