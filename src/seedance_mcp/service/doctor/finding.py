"""What a check found."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from seedance_mcp.text import one_line

_MAX_CHARACTERS = 1000
# A shorter one is no secret, and would be found in any word.
_MIN_SECRET_CHARACTERS = 8

State = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found, in one line.

    Attributes:
        check: What was checked, in a word or two.
        state: A fault keeps a clip from being made; a warning does not.
        message: What is so, in one sentence or a few.
        remedy: What to do about it, in one sentence; empty if all is well.
    """

    check: str
    state: State
    message: str
    remedy: str = ""

    def without(self, secrets: Iterable[str]) -> "Finding":
        """Return the finding in lines that a terminal can show, without some secrets."""
        message, remedy = self.message, self.remedy
        for secret in secrets:
            if len(secret) >= _MIN_SECRET_CHARACTERS:
                message, remedy = (text.replace(secret, "[token]") for text in (message, remedy))
        lines = (one_line(text, _MAX_CHARACTERS) for text in (message, remedy))
        return replace(self, **dict(zip(("message", "remedy"), lines, strict=True)))


Check = Callable[[], Awaitable[list[Finding]]]


def ok(check: str, message: str) -> Finding:
    """Return that all is well."""
    return Finding(check=check, state="ok", message=message)


def warning(check: str, message: str, remedy: str) -> Finding:
    """Return something that does not keep a clip from being made."""
    return Finding(check=check, state="warning", message=message, remedy=remedy)


def fault(check: str, message: str, remedy: str) -> Finding:
    """Return something that keeps a clip from being made."""
    return Finding(check=check, state="fault", message=message, remedy=remedy)
