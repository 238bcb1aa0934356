"""Sends spans to where OpenTelemetry's usual variables say, if they name an exporter."""

import logging
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TextIO
from urllib.parse import unquote

from opentelemetry import trace

from seedance_mcp import __version__
from seedance_mcp.text import quoted

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
"""How long the last spans may take when the process ends, which may take a second in all."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")


def start_tracing(variables: Mapping[str, str], stream: TextIO) -> None:
    """Send spans from now on, if an exporter is configured; `console` writes them to a stream.

    What cannot be used is logged: tracing keeps no server from starting.
    """
    name = _exporter_name(variables)
    if name is None:
        return
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = _exporter(name, stream)
    except ImportError:
        logger.warning(
            "OpenTelemetry is configured, but its SDK is not installed, so no spans are sent:"
            " pip install 'seedance-mcp[observability]'."
        )
        return
    named = "OTEL_SERVICE_NAME" in variables or "service.name" in variables.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    ours = {"service.version": __version__} | ({} if named else {"service.name": "seedance-mcp"})
    provider = TracerProvider(resource=Resource.create(ours), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def flush_spans() -> None:
    """Send the last spans, as long as that may take; without an exporter, do nothing."""
    if flush := getattr(trace.get_tracer_provider(), "force_flush", None):
        # The SDK does not heed the time that it is given.
        thread = threading.Thread(target=flush, daemon=True)
        thread.start()
        thread.join(FLUSH_SECONDS)


def secret_headers(variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of the headers that spans are sent with, which are often keys."""
    for variable in _HEADERS:
        for header in variables.get(variable, "").split(","):
            if value := header.partition("=")[2].strip():
                yield from {value, unquote(value)}


def _exporter_name(variables: Mapping[str, str]) -> str | None:
    """Return which exporter the variables name, None if there is none that can be used."""
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    configured = any(variables.get(variable, "").strip() for variable in _ENDPOINTS)
    name = variables.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp" * configured
    if name in {"", "none"}:
        return None
    protocol = next(
        (given for each in _PROTOCOLS if (given := variables.get(each))), "http/protobuf"
    )
    if name == "otlp" and protocol.strip() != "http/protobuf":
        logger.warning("No spans are sent: only http/protobuf is known, not %s.", quoted(protocol))
        return None
    if name not in {"otlp", "console"}:
        logger.warning("No spans are sent: OTEL_TRACES_EXPORTER may be otlp, console or none.")
        return None
    return name


def _exporter(name: str, stream: TextIO) -> "SpanExporter":
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        # Not to stdout, which may carry the protocol.
        return ConsoleSpanExporter(out=stream, formatter=lambda span: f"{span.to_json(None)}\n")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
