"""How long a client waits for an answer, learned from calls that it gives up and repeats.

Many clients give a call up after some seconds and do not say after how many. Only a call that is
repeated shows it: a person may cancel a call for any reason, and does not want it again.

Pure: `now` is a time in seconds, on a clock that never goes back.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seedance_mcp.bounded import BoundedDict

SHORTEST_SECONDS = 2.5
"""A call that was repeated sooner was not given up by a clock."""

REPEATED_WITHIN_SECONDS = 60.0
"""How long after it was cancelled a call counts as repeated."""

REMEMBERED_SECONDS = 15 * 60.0
"""How long a lesson counts: what was a person's impatience is forgotten in time."""

SHARE = 0.8
"""The part of the client's time that a wait takes; an answer has to arrive as well."""

MOST_GIVEN_UP = 100
"""How many cancelled calls of a session are remembered."""

MOST_SESSIONS = 1_000
"""How many sessions are remembered; nothing says that one has ended."""


@dataclass(frozen=True, kw_only=True)
class ClockedCall:
    """A call that may teach a clock: what it asks for, and when it began.

    Attributes:
        repeats: Whether it repeats one that its client has given up, or so it seems.
        first_began: When the first one began of those that it repeats, itself if it repeats none.
    """

    key: int
    began: float
    repeats: bool
    first_began: float


class ClientClock:
    """What is known of the clock of one session's client.

    A `shared` one is of several clients, each with a clock of its own, so that nothing is learned.
    It knows which calls are repeated only of those that `force_new`: the ledger knows the others.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        # By what they ask for, the calls that are not answered yet.
        self._waiting = defaultdict[int, list[ClockedCall]](list)
        # The last cancelled call, and when it was cancelled.
        self._given_up = BoundedDict[int, tuple[ClockedCall, float]](MOST_GIVEN_UP)
        self._seconds = 0.0
        self._learned_at: float | None = None

    def begin(self, key: int, now: float, *, force_new: bool = False) -> ClockedCall:
        """Note a call, and learn from it if it repeats another.

        Several calls at once may each want another clip on purpose, if they are to `force_new`; so
        they teach nothing, and one repeats another only if that was cancelled or waits for long.
        """
        repeated, until = self._repeated(key, now)
        if self._shared and not force_new:
            repeated = None
        waited = until - repeated.began if repeated else 0.0
        if force_new and until == now and waited < SHORTEST_SECONDS:
            repeated = None
        if waited >= SHORTEST_SECONDS and not force_new:
            self._seconds, self._learned_at = waited, now
        first_began = repeated.first_began if repeated else now
        call = ClockedCall(
            key=key, began=now, repeats=repeated is not None, first_began=first_began
        )
        self._waiting[key].append(call)
        return call

    def end(self, call: ClockedCall, now: float, *, cancelled: bool) -> None:
        """Note that a call has ended, and whether its client cancelled it before."""
        self._waiting[call.key].remove(call)
        if not self._waiting[call.key]:
            del self._waiting[call.key]
        if cancelled:
            self._given_up[call.key] = call, now

    def most_seconds(self, now: float) -> float | None:
        """Return how long a wait that begins now may take; None while that is not known."""
        if self._learned_at is None or now - self._learned_at >= REMEMBERED_SECONDS:
            return None
        return SHARE * self._seconds

    def _repeated(self, key: int, now: float) -> tuple[ClockedCall | None, float]:
        """Return the call that a new one repeats, if any, and until when its client waited for it.

        A cancelled one says it exactly. A client that cancels nothing repeats what it still seems
        to wait for, and the last of those is the one that it has just given up.
        """
        call, cancelled_at = self._given_up.pop(key, (None, now))
        if call and now - cancelled_at <= REPEATED_WITHIN_SECONDS:
            return call, cancelled_at
        return (self._waiting[key][-1] if key in self._waiting else None), now


class ClientClocks:
    """The clocks of the clients of all sessions; the one used longest ago makes room."""

    def __init__(self) -> None:
        self._clocks = BoundedDict[str, ClientClock](MOST_SESSIONS)

    def of(self, session: str, *, shared: bool = False) -> ClientClock:
        """Return the clock of a session, or the one that a principal's clients share."""
        clock = self._clocks[session] = self._clocks.get(session) or ClientClock(shared=shared)
        return clock


def call_key(tool: str, arguments: Mapping[str, Any]) -> int:
    """Return a number for what a call asks for; how long it may wait is no part of that."""
    # A hash, since an image inside the arguments may have megabytes; that of a string copies none.
    asked = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in arguments.items()
        if name != "wait_seconds"
    }
    return hash((tool, frozenset(asked.items())))
