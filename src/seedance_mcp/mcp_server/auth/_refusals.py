"""Answers to requests that are refused, with the challenges of RFC 6750 and RFC 9728."""

from collections.abc import Iterable
from typing import Any

from starlette.responses import JSONResponse, Response

READ_SCOPE = "seedance:read"
"""What every request needs."""

SPEND_SCOPE = "seedance:spend"
"""What a request that costs money needs besides."""

REFUSED = -32000
"""The code of errors that JSON-RPC leaves to the server."""

ALL_SCOPES = (READ_SCOPE, SPEND_SCOPE)


class Refused(Exception):
    """A request is refused.

    Attributes:
        status: The status of HTTP.
        error: The code of RFC 6750; None where no token was sent, or where the fault is ours.
        description: What is wrong, in ASCII without quotes or backslashes, and nothing of a token.
        retry_after: After how many seconds it may be sent again.
    """

    def __init__(
        self,
        status: int,
        error: str | None,
        description: str,
        *,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description
        self.retry_after = retry_after


def no_token() -> Refused:
    """Return the refusal of a request without a token."""
    return Refused(401, None, "Send a token in the header Authorization, after the word Bearer.")


def invalid_token(description: str) -> Refused:
    """Return the refusal of a request whose token does not let it in."""
    return Refused(401, "invalid_token", description)


def bad_request(description: str) -> Refused:
    """Return the refusal of a request that is not made as RFC 6750 says."""
    return Refused(400, "invalid_request", description)


def missing_scopes(needed: Iterable[str]) -> Refused:
    """Return the refusal of a request whose token lacks some of the scopes that it needs."""
    needed = tuple(needed)
    word = "scope" if len(needed) == 1 else "scopes"
    said = f"This needs the {word} {' and '.join(needed)}. Nothing was done or charged."
    return Refused(403, "insufficient_scope", said)


def to_response(refused: Refused, metadata_url: str | None) -> Response:
    """Return the answer; only OAuth has metadata, and scopes to ask for."""
    # A JSON-RPC error, since MCP clients show its message.
    error = {"code": REFUSED, "message": refused.description}
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": None, "error": error}
    headers = {"Cache-Control": "no-store"}
    if refused.retry_after is not None:
        headers["Retry-After"] = str(refused.retry_after)
    if refused.status in {400, 401, 403}:
        headers["WWW-Authenticate"] = _challenge(refused, metadata_url)
    return JSONResponse(body, refused.status, headers)


def _challenge(refused: Refused, metadata_url: str | None) -> str:
    parts: list[str] = []
    if refused.error:
        parts += [f'error="{refused.error}"', f'error_description="{refused.description}"']
    if metadata_url:
        # Always both, since several clients cannot ask for more later. The issuer and the user
        # decide whether a token may spend.
        if refused.status != 400:
            parts.append(f'scope="{" ".join(ALL_SCOPES)}"')
        parts.append(f'resource_metadata="{metadata_url}"')
    return f"Bearer {', '.join(parts)}".strip()
