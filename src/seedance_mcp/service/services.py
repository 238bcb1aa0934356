"""A service for each principal, made when it is first needed and kept while it is used.

A principal costs nothing to make up where callers bring tokens of their own, so only so many are
kept. What is forgotten with a service is of use for minutes only: the ledger has the rest.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import anyio

from seedance_mcp.errors import LedgerError, ServerStopping

from ._shared_parts import SharedParts
from ._wiring import build_service
from .principals import MACHINE_USER, RUNCOMFY, Principal
from .service import Service

MOST_IDLE = 500
"""How many services are kept; only those that are at work may be more."""

KEPT_SECONDS = 900.0
"""How long one is kept that is not used, and with it the token that its caller has brought."""


@dataclass(eq=False)
class _Kept:
    """A service, and when it was last asked for, on the event loop's clock, in seconds."""

    service: Service
    used_at: float


class Services:
    """The services of all principals, over the parts that they share.

    Attributes:
        machine_user: The one of this machine's user, which is always there.
    """

    def __init__(self, shared: SharedParts) -> None:
        self._shared = shared
        self.machine_user = build_service(shared, MACHINE_USER, self._owner(MACHINE_USER.name))
        # By principal and owner; the one that was used longest ago comes first.
        self._kept: dict[tuple[Principal, str], _Kept] = {}
        self._ending = False

    async def of(self, principal: Principal, *, in_use: Collection[Principal] = ()) -> Service:
        """Return the service of a principal.

        Those of the principals `in_use` are kept, as are those that are at work.

        Raises:
            LedgerError: The ledger cannot be read, so it is not known who brings a token.
            ServerStopping: The server shuts down.
        """
        if principal == MACHINE_USER:
            return self.machine_user
        owner = await self._owner_of(principal)
        if self._ending:
            raise ServerStopping
        kept = self._kept.pop((principal, owner), None)
        if kept is None:
            self._make_room(in_use)
            kept = _Kept(build_service(self._shared, principal, owner), 0.0)
        kept.used_at = anyio.current_time()
        self._kept[principal, owner] = kept
        return kept.service

    def shut_down(self, grace_seconds: float) -> None:
        """Let every waiting call answer now, and paid requests finish within some seconds."""
        self._ending = True
        for service in self._all():
            service.shut_down(grace_seconds)
        self._shared.shut_down()

    async def finish_purchases(self) -> None:
        """Wait until no paid request is under way; call `shut_down` first."""
        for service in [*self._all()]:
            await service.submissions.finish()

    def close(self) -> None:
        """Send no more requests that nothing waits for."""
        for service in self._all():
            service.catalogue.shut_down()
            service.posters.shut_down()

    def _all(self) -> Iterator[Service]:
        yield self.machine_user
        yield from (kept.service for kept in self._kept.values())

    def _owner(self, name: str) -> str:
        # This machine's user has the jobs of a ledger that only ever had one.
        return f"{self._shared.options.settings.base_url} {name}".rstrip()

    async def _owner_of(self, principal: Principal) -> str:
        """Return the name under which the ledger has a principal's jobs; raises as `of`."""
        if principal.name != RUNCOMFY or principal.token is None:
            return self._owner(principal.name)
        try:
            token = principal.token.get_secret_value()
            return self._owner(RUNCOMFY + await self._shared.discreet_store.keyed_hash(token))
        except LedgerError:
            # What is paid for must reach its caller, also while the ledger is away.
            for known, owner in reversed(self._kept):
                if known == principal:
                    return owner
            raise

    def _make_room(self, in_use: Collection[Principal]) -> None:
        now = anyio.current_time()
        for (principal, owner), kept in [*self._kept.items()]:
            if len(self._kept) < MOST_IDLE and now - kept.used_at < KEPT_SECONDS:
                return
            if principal not in in_use and kept.service.is_idle:
                del self._kept[principal, owner]
