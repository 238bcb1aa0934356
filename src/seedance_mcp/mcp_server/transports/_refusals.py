"""What is answered in place of a request that is not served."""

import json
from http import HTTPStatus
from typing import Any

import mcp_types as types
from starlette.responses import Response

REFUSED = -32000
"""The code of errors that JSON-RPC leaves to the server."""


def refusal(
    status: int,
    message: str,
    *,
    code: int = REFUSED,
    retry_after: int | None = None,
    closes: bool = False,
    **headers: str,
) -> Response:
    """Return an answer that is a JSON-RPC error, since MCP clients show its message.

    Args:
        status: The HTTP status.
        message: What is wrong, and what is allowed.
        code: The JSON-RPC code.
        retry_after: After how many seconds the request can be repeated.
        closes: Whether the connection is closed, because not all of the request was read.
        headers: Further headers, with `_` for `-`.
    """
    error = types.JSONRPCError(
        jsonrpc="2.0", id=None, error=types.ErrorData(code=code, message=message)
    )
    body: dict[str, Any] = error.model_dump(exclude_none=True) | {"id": None}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if retry_after is not None:
        named["retry-after"] = str(retry_after)
    if closes:
        named["connection"] = "close"
    return Response(json.dumps(body), status, named, "application/json")


def refusal_bytes(status: int, message: str) -> bytes:
    """Return a refusal as it stands on the wire, for a connection without a request."""
    answer = refusal(status, message, closes=True)
    head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    head += [b"%s: %s" % header for header in answer.raw_headers]
    return b"\r\n".join([*head, b"", bytes(answer.body)])
