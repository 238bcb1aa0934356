"""What call the running code belongs to, so that log lines can name it.

A task has the context of the code that started it: a paid request and a poller, which outlive
their call, still name the call that began them.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class CallContext:
    """A request of a client.

    Attributes:
        call_id: Our own id of it, "" outside of any.
        request_id: RunComfy's id of the job that it is about, "" while unknown.
        secrets: What it brought that no log line may show.
    """

    call_id: str = ""
    request_id: str = ""
    secrets: tuple[str, ...] = ()


_OUTSIDE = CallContext()
_CURRENT = ContextVar[CallContext]("seedance_mcp.call")


def current_call() -> CallContext:
    """Return the request that the running code belongs to."""
    return _CURRENT.get(_OUTSIDE)


@contextmanager
def in_call(call_id: str, secrets: tuple[str, ...] = ()) -> Generator[None, None, None]:
    """Run a block for a new request."""
    token = _CURRENT.set(CallContext(call_id=call_id, secrets=secrets))
    try:
        yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def about_job(request_id: str | None) -> Generator[None, None, None]:
    """Run a block about one job."""
    token = _CURRENT.set(replace(current_call(), request_id=request_id or ""))
    try:
        yield
    finally:
        _CURRENT.reset(token)
