"""Every error this package raises on purpose, sorted by who can mend it.

    SeedanceError
    ├── InputError              the caller: an argument is missing, misspelt or not allowed
    ├── ConfigurationError      the user: a setting is missing or wrong
    │   └── TokenMissing        no RunComfy token is set
    ├── SpendingLimitReached    the guard against runaway agents: too many jobs within an hour
    │   ├── CostLimitReached    too much money within a day
    │   └── PriceUnknown        what a job costs is not known, so that limit cannot be held
    ├── LedgerError             the disk, or another program: the ledger cannot be read or written
    ├── RunComfyError            RunComfy answered with an error, or not at all
    │   ├── Rejection             a clear no: nothing was accepted
    │   │   ├── TokenRejected    the token is wrong, expired or revoked
    │   │   ├── BalanceEmpty    the account cannot pay
    │   │   ├── RequestRejected  the request itself was refused (a bad input, a wrong model)
    │   │   ├── JobNotFound     no such request, or it is somebody else's, or it expired
    │   │   └── RateLimited     too many requests
    │   └── RunComfyUnavailable  no usable answer
    │       └── UnreadableAnswer      an answer that is not what it should be
    ├── DownloadFailed          a finished clip could not be fetched, or not written to the disk
    │   └── LinkRefused         its link is not, or no longer, a way to it
    └── OutcomeUnknown          the paid request may or may not have been accepted

A message is one line that says what is wrong and what is allowed. What it cost is said apart
from it, by `charge`, so that no error can forget to say so.
"""

NOTHING_CHARGED = "Nothing was charged."


class SeedanceError(Exception):
    """Anything that this package can explain.

    Args:
        message: One line for the model and the user, without a secret in it.
    """

    charge = NOTHING_CHARGED

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def line(self) -> str:
        """Say in one line what is wrong and what it cost."""
        return f"{self.message} {self.charge}".strip()


class InputError(SeedanceError):
    """An argument is missing, misspelt, of the wrong type or not allowed.

    Args:
        argument: The argument's name, cut where it is long.
        message: What is wrong with it and what is allowed, beginning with its name.
    """

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(message)
        self.argument = argument


class ConfigurationError(SeedanceError):
    """A setting is wrong; the message begins with the variable's name."""


class TokenMissing(ConfigurationError):
    """No RunComfy token is set, and the call needs one; the message says how to set it."""

    def __init__(self) -> None:
        super().__init__(
            "No RunComfy token is set. For Claude, put"
            ' "env": {"RUNCOMFY_API_TOKEN": "<token>"} into this server\'s entry in the'
            " configuration file; in a shell, export RUNCOMFY_API_TOKEN=<token>. Then restart the"
            " server. Tokens are made in your RunComfy profile."
        )


class SpendingLimitReached(SeedanceError):
    """So many jobs were begun within the hour that no other may be."""


class CostLimitReached(SpendingLimitReached):
    """The jobs of the last 24 hours and the new one would cost more than is allowed."""


class PriceUnknown(SpendingLimitReached):
    """What a day may cost is limited, and what a job costs is not known."""


class LedgerError(SeedanceError):
    """The ledger cannot be read or written; without it no money is spent."""


class RunComfyError(SeedanceError):
    """RunComfy answered with an error, or did not answer.

    Args:
        message: One line.
        retry_after: Seconds that the service asks to wait, or None where it does not say.
    """

    charge = "Asking cost nothing."

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejection(RunComfyError):
    """RunComfy clearly said no; a paid request that meets one was not accepted."""


class TokenRejected(Rejection):
    """RunComfy does not take the token (400004, 401, 403)."""


class BalanceEmpty(Rejection):
    """The account has no balance left (400002, 402)."""


class RequestRejected(Rejection):
    """RunComfy read the request and refused it (400, 400001, 413, 422, 404 for a model)."""


class JobNotFound(Rejection):
    """RunComfy knows no such request, or it belongs to another user (403001, 404001, 404)."""


class RateLimited(Rejection):
    """RunComfy asks for fewer requests (429)."""


class RunComfyUnavailable(RunComfyError):
    """No usable answer came: a connection fault, a time-out, a 5xx or an unreadable body.

    Args:
        message: One line.
        passing: Whether asking again soon may help: a connection fault, a time-out, 502 to 504.
        never_sent: Whether the request certainly did not leave (the connection was refused).
        retry_after: Seconds that the service asks to wait, or None where it does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        passing: bool = False,
        never_sent: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.passing = passing
        self.never_sent = never_sent


class UnreadableAnswer(RunComfyUnavailable):
    """An answer came that cannot be read as what it should be."""


class DownloadFailed(SeedanceError):
    """A finished clip could not be fetched, or not be written to the disk."""

    charge = "The clip is paid for and can be fetched again."


class LinkRefused(DownloadFailed):
    """The host does not give the clip out at this link (401, 403, 404, 410)."""


class OutcomeUnknown(SeedanceError):
    """The paid request left, and whether RunComfy accepted it cannot be known."""

    charge = "RunComfy may have accepted it and may charge it; it was not sent again."
