"""Failures of the network and of gateways, injected on demand.

A test queues a `Fault`, and the next request to its route takes it. With `after` it happens when
RunComfy has acted on the request, so that a paid job is accepted although its caller sees an
error; otherwise before RunComfy sees the request.
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
    """A queued fault; the constructors below make each kind.

    Attributes:
        after: Whether it happens after RunComfy has acted on the request.
        times: How many more requests to `route` it affects.
        seconds: The length of a delay; the attributes below it are the answer's.
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
        """Delay the request, or its answer with `after`."""
        return cls(route=route, kind="delay", seconds=seconds, after=after, times=times)

    @classmethod
    def drop(cls, route: RouteName, *, after: bool = False, times: int = 1) -> "Fault":
        """Close the connection without an answer; with `after`, RunComfy has acted by then."""
        return cls(route=route, kind="drop", after=after, times=times)

    @classmethod
    def cut(cls, route: RouteName, *, times: int = 1) -> "Fault":
        """Close the connection halfway through the answer's body."""
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
        """Answer with a given status (429, 500, 502 …), headers and body."""
        fault = cls(route=route, kind="answer", after=after, times=times)
        fault.status, fault.headers, fault.body = status, headers or {}, body
        return fault

    @classmethod
    def garbage(
        cls, route: RouteName, garbage: Garbage, *, after: bool = False, times: int = 1
    ) -> "Fault":
        """Answer 200 with a JSON content type and an unusable body."""
        headers, body = {"content-type": "application/json"}, _garbage(garbage)
        return cls.answer(route, 200, headers=headers, body=body, after=after, times=times)

    @classmethod
    def redirect(cls, route: RouteName, to: str, *, times: int = 1) -> "Fault":
        """Answer 302 to another URL, which a client with a token must not follow."""
        return cls.answer(route, 302, headers={"location": to}, times=times)


def _garbage(garbage: Garbage) -> bytes:
    match garbage:
        case "not_json":
            return b"<html><body>Welcome to nginx!</body></html>"
        case "cut_json":
            return b'{"request_id": "6f1e'
        case "wrong_type":
            return b'["request_id", 7, null]'
        case "huge":  # longer than any valid answer
            return b'{"padding": "' + b"x" * 20_000_000 + b'"}'
