"""The services are opened once, by a call or in the background, and refused at the end."""

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import cast

import anyio
import pytest

from seedance_mcp.errors import ConfigurationError, SeedanceError, ServerStopping
from seedance_mcp.mcp_server._lazy_service import LazyService
from seedance_mcp.service.principals import MACHINE_USER, Principal
from seedance_mcp.service.service import Service
from seedance_mcp.service.services import Services

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


class Opened:
    """Services that only know whether they were shut down; this is the one of every principal."""

    def __init__(self) -> None:
        self.graces: list[float] = []

    async def of(self, _: Principal, *, in_use: Collection[Principal]) -> Service:
        del in_use
        return cast("Service", self)

    def shut_down(self, grace_seconds: float) -> None:
        self.graces.append(grace_seconds)


class Opening:
    """Opens services, each after some seconds, and counts them.

    Attributes:
        opened: What was opened.
        closed: How many were closed again.
        failures: Why the service could not be opened.
    """

    def __init__(self, *, seconds: float = 0.3, error: SeedanceError | None = None) -> None:
        self.opened: list[Opened] = []
        self.closed = 0
        self.failures: list[SeedanceError] = []
        self._seconds = seconds
        self._error = error

    def lazy(self) -> LazyService:
        return LazyService(self._open, self.failures.append, submit_grace_seconds=0.4)

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[Services, None]:
        await anyio.sleep(self._seconds)
        if self._error:
            raise self._error
        self.opened.append(opened := Opened())
        yield cast("Services", opened)
        self.closed += 1


async def test_the_first_calls_open_one_service_and_share_it() -> None:
    opening, got = Opening(), list[Service]()

    async def call() -> None:
        got.append(await lazy.of(MACHINE_USER))

    lazy = opening.lazy()
    async with lazy.running():
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(call)
        assert anyio.current_time() == pytest.approx(0.3)
    assert [id(service) for service in got] == [id(opening.opened[0])] * 3
    assert (len(opening.opened), opening.closed) == (1, 1)


async def test_without_a_call_the_service_is_opened_after_a_second() -> None:
    opening = Opening()
    async with opening.lazy().running():
        await anyio.sleep(1.2)
        assert opening.opened == []
        await anyio.sleep(0.2)
        assert len(opening.opened) == 1


@pytest.mark.parametrize("told", [False, True])
async def test_a_server_that_ends_before_a_call_ends_at_once_and_opens_nothing(
    *, told: bool
) -> None:
    opening = Opening()
    lazy = opening.lazy()
    async with lazy.running():
        await anyio.sleep(0.5)
        if told:
            lazy.shut_down()
    assert (opening.opened, anyio.current_time()) == ([], pytest.approx(0.5))


async def test_a_call_that_waits_for_the_service_is_refused_when_the_server_shuts_down() -> None:
    opening, refused = Opening(seconds=5), list[str]()

    async def call() -> None:
        with pytest.raises(ServerStopping) as error:
            await lazy.of(MACHINE_USER)
        refused.append(error.value.line)

    lazy = opening.lazy()
    async with lazy.running(), anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await anyio.sleep(0.1)
        lazy.shut_down()
        await anyio.wait_all_tasks_blocked()
        assert (anyio.current_time(), len(refused)) == (pytest.approx(0.1), 1)
        await call()
    line = "The server is shutting down; repeat the call once it is running again."
    assert refused == [f"{line} Nothing was charged."] * 2
    # What was being opened is given up.
    assert (opening.opened, anyio.current_time()) == ([], pytest.approx(0.1))


async def test_every_call_is_answered_with_the_reason_if_the_service_cannot_be_opened() -> None:
    opening = Opening(error=ConfigurationError("SSL_CERT_FILE cannot be used."))
    lazy = opening.lazy()
    async with lazy.running():
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=r"^SSL_CERT_FILE cannot be used\.$"):
                await lazy.of(MACHINE_USER)
    assert [str(failure) for failure in opening.failures] == ["SSL_CERT_FILE cannot be used."]


async def test_a_service_that_was_closed_is_given_to_no_call() -> None:
    opening = Opening()
    lazy = opening.lazy()
    async with lazy.running():
        await lazy.of(MACHINE_USER)
    with pytest.raises(ServerStopping):
        await lazy.of(MACHINE_USER)
    assert [len(opened.graces) > 0 for opened in opening.opened] == [True]
