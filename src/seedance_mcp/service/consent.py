"""What a user is asked before money is spent, and how they answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from seedance_mcp.errors import NotApproved
from seedance_mcp.jobs.job import Job
from seedance_mcp.spending.pricing import TotalCost


class Reply(Enum):
    """What a user answered; only `YES` buys anything."""

    YES = "yes"
    NO = "no"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class UserAnswer:
    """What a call brings of the answer to a form that an earlier call was answered with.

    Attributes:
        state: The state that came with the form, None if it is missing. Anyone may have made it.
    """

    reply: Reply
    state: str | None


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a user is to agree to.

    Attributes:
        job: The job as it would be bought, with its estimate if a price is known.
        seconds: The clip's length in seconds, None if the model's price does not say which
            argument that is.
        spent: What the jobs of the last 24 hours cost.
        seal: Returns the state with which a later call proves what its user agreed to.
    """

    job: Job
    seconds: object
    spent: TotalCost
    seal: Callable[[], Awaitable[str]]


Ask = Callable[[Proposal], Awaitable[Reply]]
"""Asks the user and returns the answer. It raises `NotApproved` if they cannot be asked, and may
raise what ends the call where the answer comes with a later one."""


async def ask_no_one(_: Proposal) -> Reply:
    """Refuse to buy what the user would have to be asked about."""
    raise NotApproved("The user has to agree to this clip, and cannot be asked here.")
