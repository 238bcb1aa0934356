"""Checks of the variables: their values, the token, and the schemas that a client needs."""

import os
from collections.abc import Mapping
from difflib import get_close_matches

from seedance_mcp.errors import ConfigurationError
from seedance_mcp.service.state_key import StateKey
from seedance_mcp.settings import (
    TOKEN_VARIABLES,
    Settings,
    SettingsReading,
    find_cli_token,
    variables,
)
from seedance_mcp.text import quoted

from .finding import Finding, fault, ok, warning

PROFILE = "create a token in your RunComfy profile"


def check_variables(environment: Mapping[str, str], reading: SettingsReading) -> list[Finding]:
    """Check every variable but the token's."""
    check = "settings"
    wrong = [
        fault(check, problem.message, "Correct the variable, or remove it, where it is set.")
        for setting, problem in reading.problems.items()
        if setting != "token"
    ]
    ours = set(variables())
    strange = [name for name in environment if name.startswith("SEEDANCE_") and name not in ours]
    unknown = [
        warning(check, f"{quoted(name)} is not a variable of this server.", _suggestion(name))
        for name in sorted(strange)[:10]
    ]
    given = sum(bool(environment.get(name, "").strip()) for name in ours - set(TOKEN_VARIABLES))
    number = (
        f"{given} variables are" if given > 1 else "One variable is" if given else "No variable is"
    )
    fine = f"{number} set; what is not set has its default."
    return [*wrong, *unknown] or [ok(check, fine)]


def _suggestion(name: str) -> str:
    near = get_close_matches(name, variables(), n=1)
    return (
        f"Set {near[0]} instead."
        if near
        else "Remove it, or see docs/configuration.md for the names."
    )


def check_token(environment: Mapping[str, str], reading: SettingsReading) -> list[Finding]:
    """Check where the token is from, and its form; the token itself is never shown."""
    check, source = "token", reading.token_source
    if problem := reading.problems.get("token"):
        remedy = f"Put the token itself there, without quotes or a placeholder; {PROFILE}."
        return [fault(check, problem.message, remedy)]
    if source is None:
        return [_no_token(environment)]
    others = [
        name for name in TOKEN_VARIABLES if environment.get(name, "").strip() and name != source
    ]
    if others:
        message = f"{source} is used; {' and '.join(others)} is set too, and is ignored."
        values = {environment[name].strip() for name in (str(source), *others)}
        if len(values) > 1:
            return [warning(check, message, f"Keep the one that is right, or set only {source}.")]
        return [ok(check, message)]
    is_file = source not in TOKEN_VARIABLES
    where = f"The token is from the file of RunComfy's CLI, {source}." if is_file else ""
    return [ok(check, where or f"The token is from {source}.")]


def _no_token(environment: Mapping[str, str]) -> Finding:
    remedy = f"Set RUNCOMFY_API_TOKEN where the server's other variables are set; {PROFILE}."
    file, message = find_cli_token(environment), "No RunComfy token is set."
    # It was read before, and a valid one would have been found.
    if file and os.path.lexists(file):
        message = f"No token is set, and the file of RunComfy's CLI, {file}, has no valid one."
    return fault("token", message, remedy)


def check_state_key(settings: Settings) -> list[Finding]:
    """Check that users can be asked before a clip is bought, where they have to be."""
    if settings.ask_above_usd is None:
        return []
    try:
        StateKey(settings.state_dir, settings.plain_state_key).read_now()
    except ConfigurationError as error:
        return [fault("settings", error.message, "Delete that file, or set SEEDANCE_STATE_KEY.")]
    return []


def check_schemas(reading: SettingsReading) -> list[Finding]:
    """Return which form the tools' schemas have."""
    if reading.settings.portable_schemas:
        return [ok("schemas", "SEEDANCE_PORTABLE_SCHEMAS is true: enums of numbers are bounds.")]
    message = (
        "The tools' schemas are the models' own; Gemini through LangChain or google-genai needs"
        " SEEDANCE_PORTABLE_SCHEMAS=true, other clients do not."
    )
    return [ok("schemas", message)]
