"""How long tests wait in real time; generous, because the machine may be busy."""

from collections.abc import Callable

import anyio

TIMEOUT_SECONDS = 120.0
"""The bound on every wait for a process, a socket or a file. A wait this long has hung."""

NEVER_SECONDS = 600.0
"""A delay that ends in no test: what returns before TIMEOUT_SECONDS did not wait for it."""

PROMPT_SECONDS = 10.0
"""The bound on what takes less than a second when the machine is idle."""


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    with anyio.fail_after(TIMEOUT_SECONDS):
        while not condition():  # noqa: ASYNC110 - another process cannot set an event here
            await anyio.sleep(0.001)
