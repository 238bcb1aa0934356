"""Removes secrets from what is logged, whichever library logs it."""

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, urlsplit

from .call_context import current_call

REDACTED = "[secret]"

_MIN_PASSWORD = 6
"""A shorter password would be found in innocent words; as a part of its URL it is removed too."""

_FORMS = (
    # Headers, in which a token follows its scheme.
    (re.compile(r"(?i)\b(bearer|basic)(\s+|%20)[\w.~+/=-]{6,}"), rf"\1\2{REDACTED}"),
    # Access tokens of this server.
    (re.compile(r"\bsdmcp_[\w-]+"), REDACTED),
    # JSON Web Tokens, signed or encrypted.
    (re.compile(r"\beyJ[\w-]{6,}(\.[\w-]*){2,4}"), REDACTED),
    # The user and the password of a URL, which a password may hold an @ against all rules.
    (re.compile(r"(?<=://)[^\s/?#]*:[^\s/?#]*@"), f"{REDACTED}@"),
    # The same as libpq writes it.
    (re.compile(r"(?i)(password)\s*=\s*('(\\.|[^'\\])*'|[^\s&'\"]+)"), rf"\1={REDACTED}"),
)


class Redactor:
    """Removes the secrets of this server, those of the running call, and what looks like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = {form for secret in secrets for form in _spellings(secret)}

    def redact(self, text: str) -> str:
        """Return a text without secrets."""
        own = {form for secret in current_call().secrets for form in _spellings(secret)}
        # The longest first: one may hold another.
        for secret in sorted(self._secrets | own, key=len, reverse=True):
            text = text.replace(secret, REDACTED)
        for form, replacement in _FORMS:
            text = form.sub(replacement, text)
        return text


def _spellings(secret: str) -> Iterator[str]:
    """Yield a secret as text, JSON, Python and URLs spell it; of a URL with a password, that."""
    if not secret:
        return
    yield from (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, safe=""))
    try:
        password = urlsplit(secret).password or ""
    except ValueError:
        return
    if len(password) >= _MIN_PASSWORD:
        yield from (password, unquote(password))
