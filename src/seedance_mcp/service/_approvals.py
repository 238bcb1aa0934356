"""Asks the user before a job is bought that may cost too much, and counts only what they said.

Asking holds nothing: there is no job in the ledger yet, and no lock. Whatever ends it but a yes
buys nothing.
"""

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf

import anyio

from seedance_mcp.clock import EVER, Clock
from seedance_mcp.errors import ConfigurationError, NotApproved, ServerStopping
from seedance_mcp.jobs.job import Job
from seedance_mcp.ledger.store import Store
from seedance_mcp.spending.limits import SpendingLimits, needs_yes

from ._catalogue import Catalogue
from ._request_states import Approval, seal, unseal
from ._spending import RecentSpending
from .consent import Proposal, Reply, UserAnswer
from .reports import Order
from .state_key import StateKey

FORM_SECONDS = 30.0
"""How long a user has for a form at least, however short the call is to wait."""

SUBMIT_RESERVE_SECONDS = 2.0
"""What is left of a call's budget for the submit."""

_NONCE_BYTES = 16

REFUSALS = {
    Reply.NO: "The user did not agree to this clip; do not ask again unless they want it.",
    Reply.CLOSED: "The user closed the form without an answer; ask whether they want this clip.",
}
"""What the agent is told of an answer that is not yes."""


@dataclass(eq=False)
class _Form:
    """A form that the user sees, shared by calls that repeat the one that shows it.

    Attributes:
        closed: Set when it is gone; without a yes or a refusal if the user has not answered.
    """

    closed: anyio.Event = field(default_factory=anyio.Event)
    approval: Approval | None = None
    refusal: str | None = None


@dataclass(eq=False, repr=False)
class Approvals:
    """The forms of this process, and the states that prove what users have said to others."""

    _catalogue: Catalogue
    _spending: RecentSpending
    _key: StateKey
    _store: Store
    _clock: Clock
    # By the fingerprint of the job, and whether it is another one of an identical call.
    _forms: dict[tuple[str, bool], _Form] = field(
        default_factory=dict[tuple[str, bool], _Form], init=False
    )
    _waits: set[anyio.CancelScope] = field(default_factory=set[anyio.CancelScope], init=False)
    _ended: bool = field(default=False, init=False)

    async def find(self, job: Job, answer: UserAnswer | None) -> Approval | None:
        """Return the yes that a call brings, None unless it proves to be for the job of this call.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        if answer is None or answer.reply is not Reply.YES or answer.state is None:
            return None
        try:
            key = await self._key.read()
        except ConfigurationError:
            # It keeps no owed job back; whoever asks again has to report it.
            return None
        if key is None:
            return None
        approval = unseal(answer.state, await self._of_ledger(key), self._clock.now())
        return approval if approval and approval.wish == job.fingerprint else None

    async def approve(
        self,
        job: Job,
        order: Order,
        given: Approval | None,
        limits: SpendingLimits,
        deadline: float,
    ) -> Job:
        """Return a job as it is begun now and, if its user had to agree, with their yes's nonce.

        Args:
            job: The job as it would be bought.
            order: What asks for it, and for its user.
            given: The yes that the call has brought.
            limits: What may be bought unasked.
            deadline: When the call is to answer, on the event loop's clock, in seconds.

        Raises:
            NotApproved: The user has not agreed, or cannot be asked.
            ConfigurationError: The key of the states cannot be used.
            LedgerError: What was spent cannot be read.
            ServerStopping: The server shuts down.
        """
        if order.answer and order.answer.reply is not Reply.YES:
            raise NotApproved(REFUSALS[order.answer.reply])
        approval = given if given and given.wish == job.fingerprint else None
        # A price that has risen meanwhile is asked about again.
        while needs_yes(job := self._priced_now(job), limits):
            if approval and approval.covers(job):
                break
            approval = await self._ask(job, order, deadline)
        return replace(job, approval=approval and approval.nonce)

    def shut_down(self) -> None:
        """Let every call that waits for a user answer now."""
        self._ended = True
        for wait in self._waits:
            wait.cancel()

    def _priced_now(self, job: Job) -> Job:
        new = replace(job, created_at=self._clock.now(), estimated_microdollars=None)
        return self._catalogue.with_estimate(new)

    async def _ask(self, job: Job, order: Order, deadline: float) -> Approval:
        """Return the user's yes to a job, to the form of an identical call if there is one."""
        forced = order.reuse_since != EVER
        key = job.fingerprint, forced
        with self._waiting(_form_deadline(order, deadline)):
            # Two calls that are each to buy another clip need a yes each.
            while order.reuse_since and (form := self._forms.get(key)):
                await form.closed.wait()
                if form.refusal:
                    raise NotApproved(form.refusal)
                if form.approval:
                    return form.approval
            return await self._show(job, order, key)

    async def _show(self, job: Job, order: Order, key: tuple[str, bool]) -> Approval:
        """Show the user a form, and return their yes."""
        cost, nonce = job.estimated_microdollars, secrets.token_hex(_NONCE_BYTES)
        approval = Approval(nonce=nonce, wish=job.fingerprint, microdollars=cost)
        form = self._forms[key] = _Form()
        try:
            reply = await order.ask(await self._proposal(job, order, approval))
            if reply is Reply.YES:
                form.approval = approval
            else:
                form.refusal = REFUSALS[reply]
        finally:
            form.closed.set()
            if self._forms.get(key) is form:
                del self._forms[key]
        if form.refusal:
            raise NotApproved(form.refusal)
        return approval

    async def _proposal(self, job: Job, order: Order, approval: Approval) -> Proposal:
        async def make_state() -> str:
            key = await self._of_ledger(await self._key.read_or_make())
            return seal(approval, key, self._clock.now())

        seconds = job.arguments.get(order.model.pricing.get("seconds", ""))
        spent = await self._spending.total()
        return Proposal(job=job, seconds=seconds, spent=spent, seal=make_state)

    async def _of_ledger(self, key: bytes) -> bytes:
        """Return a key made from one for this ledger alone, since no other knows the used yeses."""
        return bytes.fromhex(await self._store.keyed_hash(key.hex()))

    @contextmanager
    def _waiting(self, deadline: float) -> Generator[None, None, None]:
        """Wait for the user inside, until a deadline or the server's end; then raise."""
        if self._ended:
            raise ServerStopping
        seconds = deadline - anyio.current_time()
        with anyio.CancelScope(deadline=deadline) as scope:
            self._waits.add(scope)
            try:
                yield
            finally:
                self._waits.discard(scope)
        if scope.cancelled_caught:
            raise ServerStopping if self._ended else NotApproved(_no_answer(seconds))


def _no_answer(seconds: float) -> str:
    return (
        f"The user did not answer the form within {seconds:.0f} s; ask whether they want this clip"
        " before calling again."
    )


def _form_deadline(order: Order, deadline: float) -> float:
    """Return when a form is given up of a call that is to answer by a deadline."""
    shortest = anyio.current_time() + FORM_SECONDS
    latest = min(deadline, order.answer_by) - SUBMIT_RESERVE_SECONDS
    return shortest if latest == inf else max(shortest, latest)
