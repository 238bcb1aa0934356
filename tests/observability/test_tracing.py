"""The spans that a real server sends to a collector."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.client import ARGUMENTS, IMAGE_URL
from tests.support.server_process import MODERN_META, Servers, account
from tests.support.span_receiver import SpanReceiver, span_receiver
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
TREE = {
    "tools/call generate_video": "the client",
    "seedance submit": "tools/call generate_video",
    "seedance poll": "tools/call generate_video",
    "seedance download": "tools/call generate_video",
    "POST": "seedance submit",
}


def tree(received: SpanReceiver) -> dict[str, str]:
    """Return below which span each named one is, requests of the catalogue left out."""
    spans = received.spans()
    names = {span.span_id: span.name for span in spans} | {SPAN: "the client"}
    return {span.name: names[span.parent_id] for span in spans if span.name in TREE}


async def test_a_call_and_what_it_begins_are_one_trace_over_stdio(
    servers: Servers, tmp_path: Path
) -> None:
    with span_receiver() as received:
        async with running(Behaviour(images="never", run_seconds=0.01)) as simulator:
            env = account(
                simulator,
                tmp_path,
                OTEL_EXPORTER_OTLP_ENDPOINT=received.url,
                SEEDANCE_AUTO_DOWNLOAD="true",
            )
            with anyio.fail_after(TIMEOUT_SECONDS):
                async with servers.stdio(env) as pipes:
                    await pipes.initialize()
                    params: dict[str, Any] = {"name": "generate_video", "arguments": ARGUMENTS}
                    params["_meta"] = {"traceparent": PARENT}
                    made = await pipes.request(1, "tools/call", params)
                    request_id = made["result"]["structuredContent"]["request_id"]
                    pipes.process.terminate()
                    assert await pipes.process.wait() == 0
    spans = {span.name: span for span in received.spans()}
    assert tree(received) == TREE
    assert {spans[name].trace_id for name in TREE} == {TRACE}
    call = spans["tools/call generate_video"]
    assert call.attributes["gen_ai.tool.name"] == "generate_video"
    assert call.attributes["seedance.status"] == "completed"
    assert spans["POST"].attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
    }
    for name in list(TREE)[:4]:
        assert spans[name].attributes["seedance.request_id"] == request_id
        assert spans[name].attributes["seedance.model_id"].endswith("/lite/image-to-video")
    assert call.resource["service.name"] == "seedance-mcp"
    sent = b"".join(received.bodies)
    hidden = [simulator.token, ARGUMENTS["prompt"], IMAGE_URL]
    assert [text for text in hidden if text.encode() in sent] == []


async def test_over_http_a_call_is_below_the_span_that_its_headers_name(
    servers: Servers, tmp_path: Path
) -> None:
    headers = {
        "Accept": "application/json, text/event-stream",
        "traceparent": PARENT,
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "list_jobs",
    }
    params = {"name": "list_jobs", "arguments": {}, "_meta": MODERN_META}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    with span_receiver() as received:
        async with running(Behaviour(images="never")) as simulator:
            env = account(
                simulator,
                tmp_path,
                OTEL_EXPORTER_OTLP_ENDPOINT=received.url,
                OTEL_SERVICE_NAME="clips",
            )
            with anyio.fail_after(TIMEOUT_SECONDS):
                async with (
                    servers.http(env) as (url, process),
                    httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
                ):
                    answer = await http.post(url, json=body, headers=headers)
                    process.terminate()
                    assert await process.wait() == 0
    assert answer.status_code == 200
    (call,) = [span for span in received.spans() if span.name == "tools/call list_jobs"]
    assert (call.trace_id, call.parent_id) == (TRACE, SPAN)
    assert call.resource["service.name"] == "clips"


UNUSABLE = [
    ({"OTEL_TRACES_EXPORTER": "otlp"}, "seedance-mcp[observability]"),
    ({"OTEL_TRACES_EXPORTER": "zipkin"}, "may be otlp, console or none"),
    (
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        'only http/protobuf is known, not "grpc"',
    ),
]
UNWANTED = [
    {},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here", "OTEL_SDK_DISABLED": "true"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here", "OTEL_TRACES_EXPORTER": "none"},
]


def test_what_is_not_usable_is_said_in_one_line_and_what_is_not_wanted_imports_nothing() -> None:
    each = UNWANTED + [variables for variables, _ in UNUSABLE]
    code = (
        "import logging, sys\n"
        "sys.modules['opentelemetry.sdk'] = None\n"
        "logging.basicConfig()\n"
        "from seedance_mcp.observability.tracing import flush_spans, start_tracing\n"
        f"for variables in {each}: start_tracing(variables, sys.stderr)\n"
        "flush_spans()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    lines = done.stderr.splitlines()
    assert len(lines) == len(UNUSABLE)
    assert all(said in line for (_, said), line in zip(UNUSABLE, lines, strict=True))
