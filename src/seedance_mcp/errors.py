"""Every error that this package raises on purpose, sorted by who can fix it.

    SeedanceError
    ├── InputError               the caller: an argument is missing, misspelt or not allowed
    ├── ConfigurationError       the user: a setting is missing or wrong
    │   ├── TokenMissing         no RunComfy token is set
    │   ├── VideoExtraMissing    PyAV is not installed, and what was asked for needs it
    │   └── ModelGone            the model has left RunComfy's catalogue; another one must be set
    ├── ServerStopping           the server shuts down, and has done nothing for this call
    ├── SpendingLimitReached     the guard against runaway agents: too many jobs within an hour
    │   ├── CostLimitReached     too much money within a day
    │   └── PriceUnknown         the price of a job is unknown, so the day's limit cannot be held
    ├── NotApproved              the user: they have not agreed to a job, or cannot be asked
    ├── LedgerError              the disk or another program: the ledger is unreadable or unwritable
    ├── RunComfyError            RunComfy answered with an error, or not at all
    │   ├── Rejection            a definite no: nothing was accepted
    │   │   ├── TokenRejected    the token is wrong, expired or revoked
    │   │   ├── BalanceEmpty     the account cannot pay
    │   │   ├── RequestRejected  a bad input or a wrong model
    │   │   │   └── ModelUnknown the catalogue does not have the model
    │   │   ├── JobNotFound      the job is unknown, expired or belongs to another account
    │   │   └── RateLimited      too many requests
    │   └── RunComfyUnavailable  no usable answer
    │       └── UnreadableAnswer an answer in an unexpected form
    ├── DownloadFailed           a finished clip could not be fetched, or not be written to disk
    │   └── LinkRefused          its link does not lead to it, or no longer
    ├── JoinFailed               clips could not be joined, or the file not be written to disk
    ├── UnreadableClip           a file is not a clip, or is damaged, and cannot be used as one
    └── OutcomeUnknown           the paid request may or may not have been accepted

A message is one line that says what is wrong and what is allowed. `charge` says what it cost, so
that every error does.
"""

from .text import valid

NOTHING_CHARGED = "Nothing was charged."


class SeedanceError(Exception):
    """The base of all errors here; `message` is for the model and the user, without secrets."""

    charge = NOTHING_CHARGED

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = valid(message)

    @property
    def line(self) -> str:
        """The message and the charge, in one line."""
        return f"{self.message} {self.charge}".strip()


class InputError(SeedanceError):
    """An argument is missing, misspelt, of the wrong type or not allowed.

    Args:
        argument: The argument's name, shortened if it is long.
        message: What is wrong with it and what is allowed, beginning with its name.
    """

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(message)
        self.argument = argument


class ConfigurationError(SeedanceError):
    """A setting is wrong; the message names the variable."""


class TokenMissing(ConfigurationError):
    """The call needs a RunComfy token, and none is set."""

    def __init__(self) -> None:
        super().__init__(
            "No RunComfy token is set. For Claude, put"
            ' "env": {"RUNCOMFY_API_TOKEN": "<token>"} into this server\'s entry in the'
            " configuration file; in a shell, export RUNCOMFY_API_TOKEN=<token>. Then restart the"
            " server. Create a token in your RunComfy profile."
        )


class VideoExtraMissing(ConfigurationError):
    """What was asked for needs PyAV, which is not installed.

    `purpose` begins the message, such as "Continuing a clip".
    """

    def __init__(self, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs PyAV, which is not installed: pip install 'seedance-mcp[video]' (with"
            " uvx: --from 'seedance-mcp[video]' seedance-mcp), then restart the server."
        )


class ModelGone(ConfigurationError):
    """RunComfy's catalogue no longer has a configured model; the message names another one."""


class ServerStopping(SeedanceError):
    """The server shuts down, and has done nothing for this call."""

    def __init__(self) -> None:
        super().__init__("The server is shutting down; repeat the call once it is running again.")


class SpendingLimitReached(SeedanceError):
    """A spending limit does not allow another job."""


class CostLimitReached(SpendingLimitReached):
    """The jobs of the last 24 hours and this one cost more than is allowed."""


class PriceUnknown(SpendingLimitReached):
    """A daily cost limit is set, and the price of a job is unknown."""


class NotApproved(SeedanceError):
    """The user has to agree to a job before it is bought, and has not."""


class LedgerError(SeedanceError):
    """The ledger is unreadable or unwritable; without it no money is spent."""


class RunComfyError(SeedanceError):
    """RunComfy answered with an error, or did not answer.

    `retry_after` is how many seconds it asks to wait.
    """

    charge = "This request was free."

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejection(RunComfyError):
    """RunComfy rejected a request; a paid one certainly was not accepted."""


class TokenRejected(Rejection):
    """RunComfy rejected the token (400004, 401, 403)."""


class BalanceEmpty(Rejection):
    """The account has no balance left (400002, 402)."""


class RequestRejected(Rejection):
    """RunComfy rejected the inputs or the model (400, 400001, 413, 422, 404 for a model)."""


class ModelUnknown(RequestRejected):
    """RunComfy itself says that its catalogue does not have a model (400001, 404001)."""


class JobNotFound(Rejection):
    """The job is unknown, expired or another user's (403001, 404001, 404)."""


class RateLimited(Rejection):
    """RunComfy received too many requests (429)."""


class RunComfyUnavailable(RunComfyError):
    """No usable answer came: a connection error, a timeout, a 5xx or an unreadable body.

    Attributes:
        transient: Whether a retry may help: a connection error, a timeout, 502 to 504.
        never_sent: Whether the request certainly did not leave, because no connection was made.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        never_sent: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.transient = transient
        self.never_sent = never_sent


class UnreadableAnswer(RunComfyUnavailable):
    """RunComfy sent an answer in an unexpected form."""


class DownloadFailed(SeedanceError):
    """A finished clip could not be fetched, or not be written to disk."""

    charge = "The clip is paid for and can be fetched again."


class LinkRefused(DownloadFailed):
    """The host refuses the clip at this link (401, 403, 404, 410)."""


class JoinFailed(SeedanceError):
    """Clips could not be joined, or the joined one not be written to disk."""


class UnreadableClip(SeedanceError):
    """A file is not a clip, or a damaged one; the message begins with the file's name."""


class OutcomeUnknown(SeedanceError):
    """The paid request left, and RunComfy may or may not have accepted it.

    `request_id` is the id that an answer named all the same.
    """

    charge = "RunComfy may have accepted it and may charge it; it was not sent again."

    def __init__(self, message: str, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id
