"""What is noted of each request to RunComfy: its verb, its status and how long it took."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio

from seedance_mcp.observability.observer import Observer
from seedance_mcp.observability.spans import HTTP_STATUS, request_step


@contextmanager
def observed_request(
    observer: Observer, method: str
) -> Generator[Callable[[int], None], None, None]:
    """Yield what to call with the status of the answer, once it begins; none may come."""
    began, status = anyio.current_time(), None
    with request_step(method) as made:

        def seen(code: int) -> None:
            nonlocal status
            status = code
            made.set_attribute(HTTP_STATUS, code)

        try:
            yield seen
        finally:
            observer.request_ended(method, status, anyio.current_time() - began)
