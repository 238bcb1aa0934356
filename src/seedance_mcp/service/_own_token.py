"""Checks a caller's own token before anything is done for a purchase with it.

Anyone can make a token up. Without this, a call with such a token would have the server fetch
images, and would count for the limits of all until RunComfy has refused the paid request.
"""

from dataclasses import dataclass, field

import anyio

from seedance_mcp.errors import (
    NOTHING_CHARGED,
    RunComfyError,
    RunComfyUnavailable,
    TokenRejected,
    UnreadableAnswer,
)
from seedance_mcp.ledger.store import Store
from seedance_mcp.runcomfy.diagnosis import is_token_accepted
from seedance_mcp.runcomfy.http import RunComfyHttp

CHECK_SECONDS = 5.0
"""How long RunComfy may take to say whether it knows a token."""


@dataclass(eq=False, repr=False)
class OwnToken:
    """The token of one owner; the server's own is not checked."""

    _http: RunComfyHttp
    _store: Store
    _owner: str
    _is_own: bool
    _accepted: bool = field(default=False, init=False)

    async def check(self, deadline: float) -> None:
        """Ask RunComfy whether it knows the token, until it has said so once.

        `deadline` is when to stop waiting, on the event loop's clock, in seconds.

        Raises:
            TokenRejected: It does not.
            RunComfyUnavailable: It does not answer, and nothing was ever bought with the token.
            LedgerError: The ledger cannot be read.
        """
        if self._accepted or not self._is_own:
            return
        seconds = min(CHECK_SECONDS, deadline - anyio.current_time())
        try:
            self._accepted = await is_token_accepted(self._http, seconds)
        except RunComfyError as error:
            silent = isinstance(error, RunComfyUnavailable)
            if silent and not isinstance(error, UnreadableAnswer) and not await self._has_bought():
                # A paid request without an answer would count for the limits of all.
                error.charge = NOTHING_CHARGED
                raise
            # The paid request will say it, or not be sent.
            return
        if not self._accepted:
            error = TokenRejected("RunComfy rejected your token: it is wrong, expired or revoked.")
            error.charge = NOTHING_CHARGED
            raise error

    async def _has_bought(self) -> bool:
        """Return whether the ledger has jobs of the owner, whose token RunComfy has known then."""
        return bool((await self._store.recent(self._owner, limit=1)).total)
