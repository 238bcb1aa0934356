"""What errors of PostgreSQL mean to a user.

The server's own words are not shown: they may name its host and its user, and a wrong URL is
repeated in full, with its password.
"""

import psycopg

from seedance_mcp.errors import LedgerError

CONNECTION_BROKE = "the connection broke"

# By the beginning of its code (SQLSTATE).
_MEANINGS = {
    "08": CONNECTION_BROKE,
    "25006": "it is read-only",
    "25P03": CONNECTION_BROKE,
    "3F": "its tables are gone; restart the server to make them",
    "42P01": "its tables are gone; restart the server to make them",
    "42501": "permission denied",
    "40": "it is too busy",
    "53100": "the disk is full",
    "53200": "it has no memory left",
    "53300": "it has no connection left",
    "55P03": "another process has locked it",
    "57014": "it takes too long",
    "57P": "it is being stopped or started",
}
# Where there is no answer there is no code, only libpq's words.
_WORDS = {
    "refused": "the connection was refused",
    "No such file": "no server listens there",
    "resolve host": "the name of its host cannot be found",
    "too many clients": _MEANINGS["53300"],
    "connection slots": _MEANINGS["53300"],
    "starting up": _MEANINGS["57P"],
    "shutting down": _MEANINGS["57P"],
    "authentication failed": "it refused the user or the password",
    "no password": "it asks for a password",
    "does not exist": "it does not have that database or that user",
    "certificate": "its certificate is not valid",
    "SSL": "it does not agree on TLS",
    "timeout": "it did not answer in time",
    "closed": CONNECTION_BROKE,
}
_PASSING = ("08", "25006", "25P03", "40", "53300", "55P03", "57P")
_UNREACHABLE = ("08", "25P03", "53300", "57P")


def meaning(error: psycopg.Error) -> str:
    """Return what an error means, in words that give nothing away."""
    if code := error.sqlstate:
        known = (_MEANINGS[begin] for begin in _MEANINGS if code.startswith(begin))
        return next(known, f"PostgreSQL says {code}")
    text = str(error)
    return next((_WORDS[word] for word in _WORDS if word in text), "it does not answer")


def is_passing(error: psycopg.Error) -> bool:
    """Return whether the same may succeed a moment later."""
    if error.sqlstate:
        return error.sqlstate.startswith(_PASSING)
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def is_unreachable(error: psycopg.Error) -> bool:
    """Return whether no server answers, or none that would serve."""
    if error.sqlstate:
        return error.sqlstate.startswith(_UNREACHABLE)
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def ledger_error(error: psycopg.Error) -> LedgerError:
    """Return our error for one of PostgreSQL's."""
    can = "reached" if is_unreachable(error) else "used"
    return LedgerError(f"The ledger's database cannot be {can}: {meaning(error)}.")
