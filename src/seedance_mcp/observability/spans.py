"""Spans of OpenTelemetry, which cost next to nothing where no exporter is configured.

The SDK makes the span of a call; what a call begins is below it, also when that outlives the call.
Attributes are names, ids and states: never a prompt, a URL or a token.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, StatusCode

from .call_context import about_job, current_call

CALL_ID, REQUEST_ID = "seedance.call_id", "seedance.request_id"
MODEL, STATUS = "seedance.model_id", "seedance.status"
HTTP_METHOD, HTTP_STATUS = "http.request.method", "http.response.status_code"
"""The names of attributes; those of HTTP are OpenTelemetry's own."""

_TRACER = trace.get_tracer("seedance-mcp")


@contextmanager
def _span(
    name: str, attributes: Mapping[str, str | None], kind: SpanKind = SpanKind.INTERNAL
) -> Generator[Span, None, None]:
    """Yield a span below the current one; an exception is noted by its type alone."""
    known = {key: value for key, value in attributes.items() if value is not None}
    with _TRACER.start_as_current_span(
        name, kind=kind, attributes=known, record_exception=False, set_status_on_exception=False
    ) as made:
        try:
            yield made
        except BaseException as error:
            made.set_attribute("error.type", type(error).__name__)
            made.set_status(StatusCode.ERROR)
            raise


@contextmanager
def job_step(
    name: str, request_id: str | None, model_id: str | None
) -> Generator[Span, None, None]:
    """Yield the span of a step of a job; log lines within it name the job."""
    attributes = {REQUEST_ID: request_id, MODEL: model_id}
    with about_job(request_id), _span(f"seedance {name}", attributes) as made:
        yield made


@contextmanager
def request_step(method: str) -> Generator[Span, None, None]:
    """Yield the span of a request to RunComfy."""
    with _span(method, {HTTP_METHOD: method}, SpanKind.CLIENT) as made:
        yield made


@contextmanager
def below_caller(headers: Mapping[str, str]) -> Generator[None, None, None]:
    """Put the spans of a block below that of the caller, if its headers name one."""
    if "traceparent" not in headers:
        yield
        return
    token = context.attach(extract({**headers}))
    try:
        yield
    finally:
        context.detach(token)


def describe_call(facts: Mapping[str, object]) -> None:
    """Note on the span of the current call its id, and the job that its answer is about."""
    made = trace.get_current_span()
    if not made.is_recording():
        return
    made.set_attribute(CALL_ID, current_call().call_id)
    for attribute, fact in (REQUEST_ID, "request_id"), (STATUS, "status"), (MODEL, "model_id"):
        if isinstance(value := facts.get(fact), str):
            made.set_attribute(attribute, value)
