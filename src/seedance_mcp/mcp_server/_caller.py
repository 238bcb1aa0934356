"""The client that made a request, as far as its calls depend on it."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import mcp_types as types
from mcp_types.version import is_version_at_least

from seedance_mcp.service.consent import Ask, UserAnswer, ask_no_one

from ._asking import asker, read_answer
from ._client_clock import ClientClock
from ._lazy_service import Context, may_wait, service_of
from ._progress import Notify
from .apps.declared import shows_apps

if TYPE_CHECKING:
    from seedance_mcp.service.service import Service

LINKS_SINCE = "2025-06-18"
"""The first revision whose results may hold a `resource_link`."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The client that made a request.

    Attributes:
        open_service: Returns the service of whoever it is.
        protocol_version: The revision of the protocol that it has negotiated.
        clock: What is known of how long it waits; None if nothing is to be learned.
        may_wait: Whether its calls may wait; otherwise they answer where their jobs stand.
        shows_apps: Whether it says that it shows pages of ours in the chat.
        ask: Asks its user whether to buy a clip.
        user_answer: What its user has said to the form of an earlier call, None if there was none.
    """

    open_service: Callable[[], Awaitable["Service"]]
    notify: Notify
    protocol_version: str
    clock: ClientClock | None = None
    may_wait: bool = True
    shows_apps: bool = False
    ask: Ask = ask_no_one
    user_answer: UserAnswer | None = None

    @classmethod
    def of(cls, context: Context, clock: ClientClock | None = None) -> "Caller":
        """Return the client in a context of the SDK."""
        return cls(
            open_service=partial(service_of, context),
            notify=context.session.report_progress,
            protocol_version=context.protocol_version,
            clock=clock,
            may_wait=may_wait(context),
            shows_apps=shows_apps(context),
            ask=asker(context),
        )

    def with_answer(self, params: types.CallToolRequestParams) -> "Caller":
        """Return the client with what a call brings of its user's answer."""
        return replace(self, user_answer=read_answer(params, self.protocol_version))

    def takes_links(self, attachments: Collection[str]) -> bool:
        """Return whether a `resource_link` may follow an answer's text."""
        return "link" in attachments and is_version_at_least(self.protocol_version, LINKS_SINCE)
