"""Faults of the network and of gateways, played on demand.

A test queues a `Fault`; the next request to its route meets it. `after` says when it strikes:
before the service has seen the request, or after the service has acted on it. The second is how a
paid job gets accepted although its caller sees an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

RouteName = Literal[
    "submit", "status", "result", "cancel", "catalogue", "balance", "output", "file", "other"
]
Garbage = Literal["not_json", "cut_json", "wrong_type", "huge"]


@dataclass(kw_only=True)
class Fault:
    """A fault that waits for a request; the constructors below say what it does.

    Attributes:
        route: Which requests it strikes.
        kind: Hold the answer up, close the connection without a byte, close it half way through
            the body, or answer something else.
        after: Whether it strikes after the service has acted on the request.
        times: How many requests it strikes yet.
        seconds: How long a delay is.
        status: HTTP status of the other answer.
        headers: Headers of the other answer.
        body: Body of the other answer.
    """

    route: RouteName
    kind: Literal["delay", "drop", "cut", "answer"]
    after: bool = False
    times: int = 1
    seconds: float = 0.0
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @classmethod
    def delay(
        cls, route: RouteName, seconds: float, *, after: bool = False, times: int = 1
    ) -> "Fault":
        """Hold the request up, or its answer when `after`."""
        return cls(route=route, kind="delay", seconds=seconds, after=after, times=times)

    @classmethod
    def drop(cls, route: RouteName, *, after: bool = False, times: int = 1) -> "Fault":
        """Close the connection without a byte of an answer; when `after`, the answer is lost."""
        return cls(route=route, kind="drop", after=after, times=times)

    @classmethod
    def cut(cls, route: RouteName, *, times: int = 1) -> "Fault":
        """Close the connection in the middle of the answer's body."""
        return cls(route=route, kind="cut", after=True, times=times)

    @classmethod
    def answer(  # noqa: PLR0913  an HTTP answer has these parts
        cls,
        route: RouteName,
        status: int,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        after: bool = False,
        times: int = 1,
    ) -> "Fault":
        """Answer with a status (429, 500, 502 …), headers and a body of the test's own."""
        return cls(
            route=route,
            kind="answer",
            status=status,
            headers=headers or {},
            body=body,
            after=after,
            times=times,
        )

    @classmethod
    def garbage(
        cls, route: RouteName, garbage: Garbage, *, after: bool = False, times: int = 1
    ) -> "Fault":
        """Answer 200 with a JSON content type and a body that is no answer."""
        headers = {"content-type": "application/json"}
        body = _garbage(garbage)
        return cls.answer(route, 200, headers=headers, body=body, after=after, times=times)

    @classmethod
    def redirect(cls, route: RouteName, to: str, *, times: int = 1) -> "Fault":
        """Answer 302 to another address, which a client that carries a token must not follow."""
        return cls.answer(route, 302, headers={"location": to}, times=times)


def _garbage(garbage: Garbage) -> bytes:
    match garbage:
        case "not_json":
            return b"<html><body>Welcome to nginx!</body></html>"
        case "cut_json":
            return b'{"request_id": "6f1e'
        case "wrong_type":
            return b'["request_id", 7, null]'
        case "huge":  # more than any JSON answer of this service can need
            return b'{"padding": "' + b"x" * 20_000_000 + b'"}'
