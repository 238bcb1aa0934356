"""Checks of RunComfy: whether it is reached, takes the token, and has money to spend."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

import anyio
from anyio import to_thread

from seedance_mcp.clock import Clock
from seedance_mcp.errors import ConfigurationError, SeedanceError, TokenRejected
from seedance_mcp.models.model import Model
from seedance_mcp.runcomfy.diagnosis import (
    BALANCE_ORIGIN,
    Reach,
    is_token_accepted,
    read_balance,
    try_to_reach,
)
from seedance_mcp.runcomfy.http import RunComfyHttp, open_http
from seedance_mcp.settings import DEFAULT_BASE_URL, Settings, SettingsReading

from ._model_checks import check_model, configured_models
from ._settings_checks import PROFILE
from .finding import Check, Finding, fault, ok, warning

MODELS_SECONDS = 1.5
"""How long reading the files of added models may take."""

REACH_SECONDS = 3.0
"""How long reaching RunComfy may take."""

ANSWER_SECONDS = 3.5
"""How long each question to RunComfy may take after that."""

_MAX_CLOCK_ERROR = timedelta(minutes=5)

_LATER = "Try again in some minutes; if it stays so, ask RunComfy."
_REMEDIES = {
    "name": "Check RUNCOMFY_API_BASE_URL, the name server and whether this machine is online.",
    "connection": "Check RUNCOMFY_API_BASE_URL, and let a firewall on the way pass connections.",
    "encryption": "Check whether RUNCOMFY_API_BASE_URL names the port on which it speaks TLS.",
    "certificate": "Check this machine's clock; if a proxy that decrypts is in between, set"
    " SSL_CERT_FILE to the file of its authority.",
    "proxy": "Correct HTTPS_PROXY with its user and password, or name the host in NO_PROXY.",
    "answer": _LATER,
}
_PROXY_REMEDY = "Correct HTTPS_PROXY or ALL_PROXY, or name RunComfy's host in NO_PROXY."


async def check_runcomfy(
    reading: SettingsReading,
    clock: Clock,
    side_by_side: Callable[[Sequence[tuple[str, Check]]], Awaitable[list[Finding]]],
) -> list[Finding]:
    """Check everything that RunComfy must be asked for; `side_by_side` runs several checks."""
    settings = reading.settings
    models, unknown = await _find_models(settings)
    if "base_url" in reading.problems:
        return [*unknown, *_not_checked("RUNCOMFY_API_BASE_URL is wrong", models)]
    try:
        async with open_http(settings.base_url, settings.plain_token, clock) as http:
            reach = await try_to_reach(http, REACH_SECONDS)
            found = [*unknown, connection_finding(http, reach), *clock_findings(reach, clock.now())]
            if reach.failed:
                return [*found, *_not_checked("RunComfy was not reached", models)]
            if not http.token:
                return [*found, *_not_checked("there is no valid token", models)]
            return found + await side_by_side(_questions(http, models, settings))
    except ConfigurationError as error:
        remedy = "Correct the variable that is meant, or remove it."
        rest = _not_checked("RunComfy was not reached", models)
        return [*unknown, fault("connection", error.message, remedy), *rest]


async def _find_models(settings: Settings) -> tuple[list[Model], list[Finding]]:
    """Return the configured models, those in the state folder only if its disk answers."""
    with anyio.move_on_after(MODELS_SECONDS):
        return await to_thread.run_sync(configured_models, settings, abandon_on_cancel=True)
    message = (
        f"The state folder, which may have models, did not answer within {MODELS_SECONDS:g} s."
    )
    return [], [warning("model", message, "Set SEEDANCE_STATE_DIR to a disk of this machine.")]


def _questions(
    http: RunComfyHttp, models: Sequence[Model], settings: Settings
) -> list[tuple[str, Check]]:
    checks: list[tuple[str, Check]] = [
        ("authentication", partial(check_acceptance, http)),
        ("balance", partial(check_balance, http)),
    ]
    checks += [("model", partial(check_model, http, model, settings)) for model in models]
    return [(name, partial(_in_time, name, check)) for name, check in checks]


async def _in_time(name: str, check: Check) -> list[Finding]:
    with anyio.move_on_after(ANSWER_SECONDS + 0.5):
        return await check()
    return [warning(name, f"RunComfy did not answer within {ANSWER_SECONDS:g} s.", _LATER)]


def _not_checked(why: str, models: Sequence[Model]) -> list[Finding]:
    checks = ("authentication", "balance", *(["model"] if models else ()))
    return [warning(check, f"Not checked, as {why}.", "Fix that first.") for check in checks]


def connection_finding(http: RunComfyHttp, reach: Reach) -> Finding:
    """Return what reaching RunComfy shows."""
    check, way = "connection", " through the proxy" if reach.by_proxy else ""
    if reach.failed is None:
        code = reach.status_code or 0
        if code >= 500 or 300 <= code < 400:
            message = f"{http.base_url} was reached{way}, and answered with HTTP status {code}."
            remedy = _LATER if code >= 500 else "Check RUNCOMFY_API_BASE_URL: it leads elsewhere."
            return warning(check, message, remedy)
        return ok(check, f"{http.base_url} was reached{way}.")
    if reach.failed == "proxy":
        message = f"The proxy {reach.host} did not connect to {http.base_url}: {reach.why}."
        return fault(check, message, _REMEDIES["proxy"])
    named = f"the proxy {reach.host}" if reach.at_proxy else reach.host
    message = f"{http.base_url} was not reached at {named}"
    remedy = _PROXY_REMEDY if reach.at_proxy else _REMEDIES[reach.failed]
    return fault(check, f"{message} ({_STAGES[reach.failed]}): {reach.why}.", remedy)


_STAGES = {
    "name": "DNS",
    "connection": "TCP",
    "encryption": "TLS",
    "certificate": "TLS",
    "answer": "HTTP",
}


def clock_findings(reach: Reach, now: datetime) -> list[Finding]:
    """Return what RunComfy's clock says about this machine's, which may be nothing."""
    if reach.date is None:
        return []
    ahead = now - reach.date
    if abs(ahead) <= _MAX_CLOCK_ERROR:
        return [ok("clock", "This machine's clock agrees with RunComfy's.")]
    minutes = abs(ahead) // timedelta(minutes=1)
    way = "ahead of" if ahead > timedelta(0) else "behind"
    message = f"This machine's clock is {minutes} minutes {way} RunComfy's."
    return [warning("clock", message, "Set the clock, since limits and the ledger count by it.")]


async def check_acceptance(http: RunComfyHttp) -> list[Finding]:
    """Check whether RunComfy accepts the token."""
    check = "authentication"
    try:
        if await is_token_accepted(http, ANSWER_SECONDS):
            return [ok(check, "RunComfy accepts the token.")]
    except SeedanceError as error:
        message = f"It is not known whether RunComfy accepts the token. {error.message}"
        return [warning(check, message, _LATER)]
    message = "RunComfy rejected the token: it is wrong, expired or revoked."
    return [fault(check, message, f"Replace it: {PROFILE}.")]


async def check_balance(http: RunComfyHttp) -> list[Finding]:
    """Check whether the account has money; RunComfy need not say."""
    try:
        # The one other place that gets the token.
        origin = BALANCE_ORIGIN if http.base_url == DEFAULT_BASE_URL else http.base_url
        usd = await read_balance(http, ANSWER_SECONDS, origin=origin)
    except TokenRejected:
        return [
            warning("balance", "It is unknown, as the token was rejected.", "Replace the token.")
        ]
    except SeedanceError as error:
        message = f"It could not be read. {error.message}"
        return [warning("balance", message, "Look it up in your RunComfy account.")]
    if usd > 0:
        return [ok("balance", f"{usd:.2f} USD.")]
    message = f"The account has {usd:.2f} USD left, so RunComfy would refuse a job."
    return [fault("balance", message, "Add credit in your RunComfy account.")]
