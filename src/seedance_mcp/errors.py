"""Every error that this package raises on purpose; each says its cause, and who fixes it how.

A message is one line that says what is wrong and what is allowed. `charge` says what it cost, so
that every error does. An error whose docstring does not say who fixes it is fixed as its base is;
`docs/errors.md` is made of these docstrings.
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

    Fixed by the agent: correct the argument as the message says, and repeat the call.

    `argument` is its name, shortened if it is long, with which `message` begins.
    """

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(message)
        self.argument = argument


class ConfigurationError(SeedanceError):
    """A setting is wrong; the message names the variable.

    Fixed by the user: set the variable as the message says, and restart the server.
    """


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

    Fixed by the user: install the extra, as the message says, and restart the server.

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
    """The server shuts down, and has done nothing for this call.

    Fixed by the client: start the server again, and repeat the call.
    """

    def __init__(self) -> None:
        super().__init__("The server is shutting down; repeat the call once it is running again.")


class SpendingLimitReached(SeedanceError):
    """A spending limit does not allow another job.

    Fixed by the user: wait as long as the message says, or raise the limit that it names.
    """


class CostLimitReached(SpendingLimitReached):
    """The jobs of the last 24 hours and this one cost more than is allowed."""


class PriceUnknown(SpendingLimitReached):
    """A daily cost limit is set, and the price of a job is unknown.

    Fixed by the user: try again later, or unset SEEDANCE_MAX_COST_USD_PER_DAY.
    """


class NotApproved(SeedanceError):
    """The user has to agree to a job before it is bought, and has not.

    Fixed by the user: agree to the clip in the form, or set SEEDANCE_ASK_ABOVE_USD to more.
    """


class LedgerError(SeedanceError):
    """The ledger is unreadable or unwritable; without it no money is spent.

    Fixed by the user: do to the disk, the folder or the other program what the message says.
    """


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
    """RunComfy rejected the token (400004, 401, 403).

    Fixed by the user: replace the token by a new one of the RunComfy profile.
    """


class BalanceEmpty(Rejection):
    """The account has no balance left (400002, 402).

    Fixed by the user: add to the balance of the RunComfy account.
    """


class RequestRejected(Rejection):
    """RunComfy rejected the inputs or the model (400, 400001, 413, 422, 404 for a model).

    Fixed by the agent: change what RunComfy names in the message, and call again.
    """


class ModelUnknown(RequestRejected):
    """RunComfy itself says that its catalogue does not have a model (400001, 404001).

    Fixed by the user: set SEEDANCE_MODEL to a model that `seedance-mcp models --live` lists.
    """


class JobNotFound(Rejection):
    """The job is unknown, expired or another user's (403001, 404001, 404).

    Fixed by the agent: take the request_id from list_jobs; another account may have it.
    """


class RateLimited(Rejection):
    """RunComfy received too many requests (429).

    Fixed by the agent: wait, and call again.
    """


class RunComfyUnavailable(RunComfyError):
    """No usable answer came: a connection error, a timeout, a 5xx or an unreadable body.

    Fixed by the agent: call again later; `seedance-mcp doctor` says what is in the way.

    `transient`: a retry may help (a connection error, a timeout, 502 to 504). `never_sent`: the
    request certainly did not leave, because no connection was made.
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
    """A finished clip could not be fetched, or not be written to disk.

    Fixed by the agent: call get_result with download again, once its cause is gone.
    """

    charge = "The clip is paid for and can be fetched again."


class LinkRefused(DownloadFailed):
    """The host refuses the clip at this link (401, 403, 404, 410)."""


class JoinFailed(SeedanceError):
    """Clips could not be joined, or the joined one not be written to disk.

    Fixed by the agent: do what the message says, such as joining fewer clips.
    """


class UnreadableClip(SeedanceError):
    """A file is not a clip, or a damaged one; the message begins with the file's name.

    Fixed by the user: delete the file, so that it is downloaded again.
    """


class OutcomeUnknown(SeedanceError):
    """The paid request left, and RunComfy may or may not have accepted it.

    Fixed by the user: look into the RunComfy account before anything is bought again.

    `request_id` is the id that an answer named all the same.
    """

    charge = "RunComfy may have accepted it and may charge it; it was not sent again."

    def __init__(self, message: str, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id
