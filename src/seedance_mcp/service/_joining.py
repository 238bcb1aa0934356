"""Joins in the background: one at a time on this machine, each list of clips once.

A join goes on while no call waits for it, since clients give calls up that they repeat; where a
call was cancelled and is not repeated, it ends soon.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from seedance_mcp.bounded import BoundedDict
from seedance_mcp.clock import Clock
from seedance_mcp.errors import JoinFailed, SeedanceError

from ._joiner import PROGRESS_SECONDS, Joiner
from .reports import JoinedClip, JoinProgress, WatchJoin

logger = logging.getLogger(__name__)

REPEATED_WITHIN_SECONDS = 60.0
"""How long a join goes on after its call was cancelled, and its failure waits to be told."""

MOST_JOINS = 100
"""How many joins are remembered; of one that is forgotten, a repeated call begins another."""


@dataclass(kw_only=True)
class _Join:
    """The join of some clips.

    Attributes:
        waiting: How many calls wait for it.
        done: Set when it has ended, one way or the other.
        ended_at: When that was, on the event loop's clock, in seconds.
        outcome: The file, or why there is none; None if the join was stopped.
    """

    progress: JoinProgress = field(default_factory=JoinProgress)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    waiting: int = 0
    done: anyio.Event = field(default_factory=anyio.Event)
    ended_at: float = inf
    outcome: JoinedClip | SeedanceError | None = None

    def report(self, progress: JoinProgress) -> None:
        self.progress = progress

    @property
    def can_be_taken_up(self) -> bool:
        return anyio.current_time() < self.ended_at + REPEATED_WITHIN_SECONDS


@dataclass(eq=False, repr=False)
class BackgroundJoins:
    """Joins the clips of one owner's jobs."""

    _joiner: Joiner
    _folder: Path
    _owner: str
    _tasks: TaskGroup
    _clock: Clock
    _ending: bool = field(default=False, init=False)
    _joins: BoundedDict[str, _Join] = field(
        default_factory=lambda: BoundedDict[str, _Join](MOST_JOINS), init=False
    )

    async def join(
        self,
        request_ids: Sequence[str],
        *,
        deadline: float,
        watch: WatchJoin,
        path: Path | None = None,
    ) -> JoinedClip | JoinProgress:
        """Join the clips of jobs, in their order, to one file.

        Args:
            request_ids: The jobs; one may come twice.
            deadline: When to return, done or not, on the event loop's clock, in seconds.
            watch: Called with the progress.
            path: The file, which must not exist yet; None for one in the output folder, or that of
                an earlier join of the same clips.

        Returns:
            The file, or how far it is.

        Raises:
            SeedanceError: A job has no clip, or the clips cannot be joined.
        """
        key = _key(self._owner, request_ids, path)
        join = self._joins.get(key)
        if join is None or not join.can_be_taken_up:
            join = self._start(key, request_ids, path)
        join.waiting += 1
        join.scope.deadline = inf
        try:
            await _follow(join, deadline, watch)
        except anyio.get_cancelled_exc_class():
            if join.waiting == 1:
                join.scope.deadline = anyio.current_time() + REPEATED_WITHIN_SECONDS
            raise
        finally:
            join.waiting -= 1
        if join.done.is_set():
            self._forget(key, join)
        if isinstance(join.outcome, SeedanceError):
            raise join.outcome
        return join.outcome or join.progress

    def shut_down(self) -> None:
        """Stop the joins; a repeated call begins them anew."""
        self._ending = True
        for join in self._joins.values():
            join.scope.cancel()
            # Calls answer at once: a thread may be in the middle of a large frame.
            join.done.set()

    def _start(self, key: str, request_ids: Sequence[str], path: Path | None) -> _Join:
        join = self._joins[key] = _Join()
        if self._ending:
            join.scope.cancel()
        self._tasks.start_soon(self._run, key, join, request_ids, path)
        return join

    async def _run(
        self, key: str, join: _Join, request_ids: Sequence[str], path: Path | None
    ) -> None:
        reuse_as = None if path else key
        path = path or self._folder / self._name(key, request_ids)
        try:
            with join.scope:
                join.outcome = await self._joiner.join(
                    request_ids, path, join.report, reuse_as=reuse_as
                )
        except SeedanceError as error:
            logger.info("%s was not made: %s", path, error.message)
            join.outcome = error
        except Exception:
            # A bug here must not end the server and its other jobs.
            logger.exception("Joining %s broke", path)
            join.outcome = JoinFailed("Joining broke inside this server; see its log.")
        finally:
            join.ended_at = anyio.current_time()
            if join.waiting or not isinstance(join.outcome, SeedanceError):
                self._forget(key, join)
            join.done.set()

    def _name(self, key: str, request_ids: Sequence[str]) -> str:
        date = self._clock.now().date().isoformat()
        return f"{date}-joined-{len(request_ids)}-clips-{key[:8]}.mp4"

    def _forget(self, key: str, join: _Join) -> None:
        if self._joins.get(key) is join:
            del self._joins[key]


async def _follow(join: _Join, deadline: float, watch: WatchJoin) -> None:
    """Wait for a join until a deadline, and report its progress."""
    with anyio.CancelScope(deadline=deadline):
        while not join.done.is_set():
            await watch(join.progress)
            with anyio.move_on_after(PROGRESS_SECONDS):
                await join.done.wait()
        await watch(join.progress)


def _key(owner: str, request_ids: Sequence[str], path: Path | None) -> str:
    """Return a name for what a join makes: of digits and letters, and the same after a restart."""
    identity = json.dumps([owner, *request_ids, path and str(path)])
    return hashlib.sha256(identity.encode()).hexdigest()
